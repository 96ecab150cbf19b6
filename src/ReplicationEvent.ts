/**
 * Events of an instance that stands for leadership, leads and replicates. An event has names of keys, counts, indexes, bytes
 * and times, and never the value of a key.
 *
 * `Replicator.events` is a stream of them. Log lines, the output of the service's check and the progress line are made from
 * the same events.
 *
 * @since 0.5.0
 */
import * as Data from "effect/Data"
import type { KeyEvent } from "./internal/event/KeyEvent.js"
import type { LockEvent } from "./internal/event/LockEvent.js"
import type { PassEvent } from "./internal/event/PassEvent.js"
import type { TroubleEvent } from "./internal/event/TroubleEvent.js"

export type * from "./internal/event/Common.js"
export type * from "./internal/event/KeyEvent.js"
export type * from "./internal/event/LockEvent.js"
export type * from "./internal/event/PassEvent.js"
export type * from "./internal/event/TroubleEvent.js"

/**
 * One thing that happened. Later releases may add others: let a `switch` have a default.
 *
 * @since 0.5.0
 * @category models
 */
export type ReplicationEvent = LockEvent | TroubleEvent | PassEvent | KeyEvent

const { $is, $match } = Data.taggedEnum<ReplicationEvent>()

/**
 * Whether a value is an event with a tag.
 *
 * @since 0.5.0
 * @category guards
 * @example
 * ```ts
 * import { ReplicationEvent, Replicator } from "consul-replicate"
 * import { Stream } from "effect"
 *
 * Stream.filter(Replicator.events, ReplicationEvent.is("Leading"))
 * ```
 */
export const is = $is

/**
 * Handles an event by a function for each tag.
 *
 * @since 0.5.0
 * @category matching
 */
export const match = $match
