/** Fields that many events have. */

/**
 * Fields of every event.
 *
 * @since 0.5.0
 * @category models
 */
export interface EventFields {
  /** When the event happened: ms since 1970, by `Clock`. */
  readonly at: number
}

/**
 * The replication that an event is about.
 *
 * @since 0.5.0
 * @category models
 */
export interface Route {
  /** Name of the source: its datacenter, the address of its agent, or both. */
  readonly source: string
  /** The prefix at the source. */
  readonly prefix: string
  /** The prefix at the destination. */
  readonly destinationPrefix: string
}

/**
 * Fields of every event that is about one replication.
 *
 * @since 0.5.0
 * @category models
 */
export interface ReplicationFields extends EventFields {
  /** The replication that the event is about. */
  readonly replication: Route
}

/**
 * Why an event about a lasting condition is emitted:
 *
 * | phase   | the event is emitted                                                                                 |
 * | ------- | ---------------------------------------------------------------------------------------------------- |
 * | `Began` | when the condition begins, and when it has another cause                                             |
 * | `Again` | each further time that the condition occurs                                                          |
 * | `Lasts` | as a reminder: 1 and 5 minutes after the condition began, and every 15 minutes from then on          |
 *
 * The end of the condition has an event of its own.
 *
 * @since 0.5.0
 * @category models
 */
export type Phase = "Began" | "Again" | "Lasts"

/**
 * Fields of every event about a condition that lasts.
 *
 * @since 0.5.0
 * @category models
 */
export interface LastingFields extends EventFields {
  /** Why the event is emitted. */
  readonly phase: Phase
  /** How long the condition has lasted from its present cause: ms. */
  readonly lasted: number
}
