/**
 * The lock's value.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { KeyValue } from "../../KeyValue.js"
import * as Value from "../../Value.js"

/**
 * The lock's value: who holds it, or, when no session holds the key, who held it last. `until` when that instance gave it
 * back; absent while it is held, and after an instance that ended without a chance to write it.
 *
 * @since 0.1.0
 * @category schemas
 */
export class Holder extends Schema.Class<Holder>("consul-replicate/LeaderLock/Holder")({
  node: Schema.String,
  pid: Schema.Number,
  version: Schema.String,
  since: Schema.DateTimeUtc,
  // Absent before 0.5.0.
  until: Schema.optional(Schema.DateTimeUtc),
  // Absent before 0.5.0.
  purpose: Schema.optional(Schema.String)
}) {}

const HolderJson = Schema.parseJson(Holder)

export const encode = (holder: Holder): Effect.Effect<Value.Value> =>
  Effect.orDie(Effect.map(Schema.encode(HolderJson)(holder), Value.fromText))

/** None when the value is of another program or an older release. */
export const decode = (entry: KeyValue): Option.Option<Holder> =>
  Option.flatMap(Value.toText(entry.value), Schema.decodeOption(HolderJson))
