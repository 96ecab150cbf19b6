/** Events about comparisons and writes. */
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
  /** The datacenter of the agent: the destination. */
  readonly datacenter: string
}

/**
 * A comparison of both sides in full has begun, and the destination was read for it. Each leadership begins so, and each attempt
 * after a failure to write.
 *
 * @since 0.5.0
 * @category passes
 */
export interface ComparisonBegan extends ReplicationFields {
  readonly _tag: "ComparisonBegan"
  /** Whether no instance has completed a comparison of this replication yet. */
  readonly isFirst: boolean
  /** How many keys the destination has under its prefix. */
  readonly totalKeys: number
}

/**
 * The first comparison of a replication will overwrite or delete keys of the destination. Emitted before anything is written. All
 * keys are named as at the destination.
 *
 * @since 0.5.0
 * @category passes
 */
export interface FirstComparison extends ReplicationFields {
  readonly _tag: "FirstComparison"
  /** Keys that will be overwritten. */
  readonly overwritten: ReadonlyArray<string>
  /** Keys that will be deleted. */
  readonly deleted: ReadonlyArray<string>
}

/**
 * A comparison has made progress. Emitted after each batch of keys except the last.
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
  /** How many of the compared keys had to be written. */
  readonly writes: number
  /** Time since the comparison began: ms. */
  readonly elapsed: number
}

/**
 * Numbers of keys by which the destination was not as the source.
 *
 * @since 0.5.0
 * @category models
 */
export interface DriftCounts {
  /** Number of keys with another value or other flags. */
  readonly changed: number
  /** Number of keys that the destination did not have. */
  readonly missing: number
  /** Number of keys that the source does not have. */
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
  /** How many keys the destination has under its prefix as at the source. */
  readonly totalKeys: number
  /** The `X-Consul-Index` of the source up to which all changes have landed. */
  readonly index: number
  /** Whether the destination is in sync since this event: nothing is left to do, and something was before it. */
  readonly inSync: boolean
}

/**
 * A comparison in full is complete. The counts are those of all passes of the comparison, for which no `Applied` was emitted.
 *
 * @since 0.5.0
 * @category passes
 */
export interface ComparisonDone extends LandedFields {
  readonly _tag: "ComparisonDone"
  /** How long the comparison took: ms. */
  readonly duration: number
  /** How many keys were not as at the source when the comparison began. */
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
  /** How long it took to write the changes: ms. That was the lag behind the snapshot of the source. */
  readonly duration: number
}

/**
 * A scan of the destination has read keys that others changed. All keys are named as at the destination.
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
  /** Whether all these keys are as at the source now. False if deletes are held back or turned off. */
  readonly repaired: boolean
}

/** Fields of events about a request to write. */
interface SentFields extends ReplicationFields {
  /** From the first byte to the end of the answer: ms. */
  readonly duration: number
  /** `Interrupted`: the request was given up, and may still land until the next writer has moved the status key. */
  readonly outcome: "Landed" | "Failed" | "Interrupted"
  /** Tag of the error, if the request failed. */
  readonly cause?: string | undefined
  /** Message of the error, if the request failed. */
  readonly message?: string | undefined
}

/**
 * One operation of a transaction.
 *
 * @since 0.5.0
 * @category models
 */
export interface SentOperation {
  /** What the operation does to the key. */
  readonly kind: "write" | "delete" | "check"
  /** The name of the key at the destination. */
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
  /** All operations in their order, with the fence and the guard of the status. */
  readonly operations: ReadonlyArray<SentOperation>
  /** About how many bytes the request's body had. */
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
  /** The name of the key at the destination. */
  readonly key: string
  /** Bytes of the value. */
  readonly bytes: number
}

/**
 * A subscriber was so slow that events were dropped for it. Only that subscriber gets this event, in place of the dropped ones.
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
