/**
 * The lock's value.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { KeyValue } from "../../KeyValue.js"
import * as Value from "../../Value.js"

/**
 * The lock's value: the instance that holds the lock, or, if no session holds it, the last instance that did.
 *
 * @since 0.1.0
 * @category schemas
 */
export class Holder extends Schema.Class<Holder>("consul-replicate/LeaderLock/Holder")({
  /** Name of its Consul node, or of its host if it has no agent. */
  node: Schema.String,
  /** Its process id. */
  pid: Schema.Number,
  /** Its version of consul-replicate. */
  version: Schema.String,
  /** When it acquired the lock. */
  since: Schema.DateTimeUtc,
  /**
   * When it gave the lock back. Absent while it holds the lock, and if it ended before it could write this. Absent before
   * 0.5.0.
   */
  until: Schema.optional(Schema.DateTimeUtc),
  /** What it leads for, in one line for people. Absent before 0.5.0. */
  purpose: Schema.optional(Schema.String)
}) {}

const HolderJson = Schema.parseJson(Holder)

export const encode = (holder: Holder): Effect.Effect<Value.Value> =>
  Effect.orDie(Effect.map(Schema.encode(HolderJson)(holder), Value.fromText))

/** None if another program wrote the value, or a release that wrote other fields. */
export const decode = (entry: KeyValue): Option.Option<Holder> =>
  Option.flatMap(Value.toText(entry.value), Schema.decodeOption(HolderJson))
