/** What many events have. */

/**
 * Fields of every event.
 *
 * @since 0.5.0
 * @category models
 */
export interface EventFields {
  /** When it happened: ms since 1970, by `Clock`. */
  readonly at: number
}

/**
 * Which replication an event is about.
 *
 * @since 0.5.0
 * @category models
 */
export interface Route {
  /** The datacenter that is copied from. */
  readonly source: string
  /** The prefix that is copied, at the source. */
  readonly prefix: string
  /** What takes its place at the destination. */
  readonly destinationPrefix: string
}

/**
 * Fields of every event that is about one replication.
 *
 * @since 0.5.0
 * @category models
 */
export interface ReplicationFields extends EventFields {
  readonly replication: Route
}

/**
 * Where something stands that lasts:
 *
 * | phase   | the event is emitted                                                                              |
 * | ------- | ------------------------------------------------------------------------------------------------- |
 * | `Began` | when it begins, and when it takes another cause                                                   |
 * | `Again` | each further time that it comes up                                                                |
 * | `Lasts` | as a reminder: 1 and 5 minutes after it began, and every 15 minutes from then on                  |
 *
 * An event of its own tells of the end.
 *
 * @since 0.5.0
 * @category models
 */
export type Phase = "Began" | "Again" | "Lasts"

/**
 * Fields of every event about something that lasts.
 *
 * @since 0.5.0
 * @category models
 */
export interface LastingFields extends EventFields {
  readonly phase: Phase
  /** How long it has lasted from this cause: ms. */
  readonly lasted: number
}
