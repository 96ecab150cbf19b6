/** All kinds of events, as one type. */
import * as Data from "effect/Data"
import type { KeyEvent } from "./KeyEvent.js"
import type { LockEvent } from "./LockEvent.js"
import type { PassEvent } from "./PassEvent.js"
import type { TroubleEvent } from "./TroubleEvent.js"

export type * from "./Common.js"
export type * from "./KeyEvent.js"
export type * from "./LockEvent.js"
export type * from "./PassEvent.js"
export type * from "./TroubleEvent.js"

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
