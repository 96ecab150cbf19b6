/** What is compared and written. */
import type { EventFields, ReplicationFields } from "./Common.js"

/**
 * The destination's agent has answered. An instance can stand for leadership.
 *
 * @since 0.5.0
 * @category passes
 */
export interface AgentAnswered extends ReplicationFields {
  readonly _tag: "AgentAnswered"
  /** Address of the agent. */
  readonly address: string
  /** Its datacenter: the destination. */
  readonly datacenter: string
}

/**
 * The destination was read, and is compared in full with the source. So begins each leadership, and each attempt after a
 * failure to write.
 *
 * @since 0.5.0
 * @category passes
 */
export interface ComparisonBegan extends ReplicationFields {
  readonly _tag: "ComparisonBegan"
  /** Whether no instance has completed a comparison of this replication yet. */
  readonly isFirst: boolean
  /** How many keys the destination holds under its prefix. */
  readonly totalKeys: number
}

/**
 * What the first comparison of a replication will change at the destination. Emitted before anything is written, if there is
 * something to lose. All keys are named as at the destination.
 *
 * @since 0.5.0
 * @category passes
 */
export interface FirstComparison extends ReplicationFields {
  readonly _tag: "FirstComparison"
  /** Keys whose values are overwritten. */
  readonly overwritten: ReadonlyArray<string>
  /** Keys that are deleted. */
  readonly deleted: ReadonlyArray<string>
}

/**
 * How far a comparison has come. Emitted after each batch of keys except the last.
 *
 * @since 0.5.0
 * @category passes
 */
export interface ComparisonProgressed extends ReplicationFields {
  readonly _tag: "ComparisonProgressed"
  /** How many keys of the source were compared so far. */
  readonly compared: number
  /** About how many keys the source has. */
  readonly expectedKeys: number
  /** How many of them had to be written so far. */
  readonly writes: number
  /** Since the comparison began: ms. */
  readonly elapsed: number
}

/**
 * How many keys of the destination were not as at the source.
 *
 * @since 0.5.0
 * @category models
 */
export interface DriftCounts {
  /** Keys with another value or other flags. */
  readonly changed: number
  /** Keys that the destination did not have. */
  readonly missing: number
  /** Keys that the source does not have. */
  readonly extra: number
}

/** Fields of events about changes that have landed. */
interface LandedFields extends ReplicationFields {
  /** How many keys were written. */
  readonly writes: number
  /** How many keys were deleted. */
  readonly deletes: number
  /** Bytes of the values that were sent. */
  readonly bytes: number
  /** How many keys the destination holds under its prefix as the source has them. */
  readonly totalKeys: number
  /** `X-Consul-Index` of the source up to which changes have landed. */
  readonly index: number
  /** Whether nothing is left to do now, as there was before this event. */
  readonly inSync: boolean
}

/**
 * A comparison in full is complete. Its counts are those of all its passes; no `Applied` was emitted for them.
 *
 * @since 0.5.0
 * @category passes
 */
export interface ComparisonDone extends LandedFields {
  readonly _tag: "ComparisonDone"
  /** Since the comparison began: ms. */
  readonly duration: number
  readonly drift: DriftCounts
}

/**
 * Changes have landed at the destination.
 *
 * @since 0.5.0
 * @category passes
 */
export interface Applied extends LandedFields {
  readonly _tag: "Applied"
  /** How long it took to write them: ms. The destination lagged so far behind what was known of the source. */
  readonly duration: number
}

/**
 * A scan of the destination has met keys that others changed. They are named as at the destination.
 *
 * @since 0.5.0
 * @category passes
 */
export interface DriftFound extends ReplicationFields {
  readonly _tag: "DriftFound"
  /** Keys with another value or other flags. */
  readonly changed: ReadonlyArray<string>
  /** Keys that the destination did not have any more. */
  readonly missing: ReadonlyArray<string>
  /** Keys that the source does not have. */
  readonly extra: ReadonlyArray<string>
  /** Whether all of them are as at the source now. False if deletes are held back or turned off. */
  readonly repaired: boolean
}

/** How a request to write ended. */
interface SentFields extends ReplicationFields {
  /** From the first byte to the end of the answer: ms. */
  readonly duration: number
  /** `Interrupted`: the request was given up, and may still land until the next writer has moved the status key. */
  readonly outcome: "Landed" | "Failed" | "Interrupted"
  /** Tag of the error, if it failed. */
  readonly cause?: string | undefined
  /** Message of that error. */
  readonly message?: string | undefined
}

/**
 * One operation of a transaction. `key` is that of the destination.
 *
 * @since 0.5.0
 * @category models
 */
export interface SentOperation {
  readonly kind: "write" | "delete" | "check"
  readonly key: string
}

/**
 * A transaction was sent to the destination. Emitted only if the stream of events has a subscriber, or if the minimum log level
 * is `Debug` or lower.
 *
 * @since 0.5.0
 * @category passes
 */
export interface TransactionSent extends SentFields {
  readonly _tag: "TransactionSent"
  /** In their order, the fence and the guard of the status included. */
  readonly operations: ReadonlyArray<SentOperation>
  /** Bytes of the request's body, about. */
  readonly bytes: number
}

/**
 * A value that fits no transaction was sent to the destination by a PUT of its own. Emitted as `TransactionSent` is.
 *
 * @since 0.5.0
 * @category passes
 */
export interface LargeValueSent extends SentFields {
  readonly _tag: "LargeValueSent"
  /** Its name at the destination. */
  readonly key: string
  /** Bytes of the value. */
  readonly bytes: number
}

/**
 * A subscriber was so slow that events were dropped for it. Only that subscriber gets this event, in their place.
 *
 * @since 0.5.0
 * @category passes
 */
export interface EventsLost extends EventFields {
  readonly _tag: "EventsLost"
  /** How many events were dropped. */
  readonly count: number
}

/**
 * @since 0.5.0
 * @category models
 */
export type PassEvent =
  | AgentAnswered
  | ComparisonBegan
  | FirstComparison
  | ComparisonProgressed
  | ComparisonDone
  | Applied
  | DriftFound
  | TransactionSent
  | LargeValueSent
  | EventsLost
