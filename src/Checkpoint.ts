/**
 * The status key: what has been replicated, for people, monitors and the next leader.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { ConsulError } from "./ConsulError.js"
import { ConsulHttp } from "./ConsulHttp.js"
import { Operation } from "./Operation.js"
import { type Replication, sourceName } from "./Replication.js"
import * as StatusFolder from "./StatusFolder.js"
import * as Value from "./Value.js"

/**
 * What a status says of the destination, beside its counts:
 *
 * | state            | the destination                                                                             |
 * | ---------------- | ------------------------------------------------------------------------------------------- |
 * | `comparing`      | is being compared with the source, from the moment an instance takes over                   |
 * | `in-sync`        | equals the source's snapshot `LastReplicated`                                               |
 * | `deletes-held`   | equals it except for `HeldDeletes` keys, whose deletion the limit `MaxDeletes` holds back   |
 * | `writes-refused` | equals it except for those, and `RefusedWrites` keys that it refuses to write or to delete  |
 * | `source-silent`  | is as it was, and nothing has been heard of a part of the source for two minutes or longer  |
 * | `stopped`        | is as the instance left it when it was stopped, then in the state `LastState`               |
 *
 * `source-silent` and `stopped` are new in 0.5.0. An older release that reads one takes it for no status at all. Nothing
 * is written or deleted wrongly then, since both sides are compared in full. But it does not know of `HeldDeletes`: a
 * source that has got some of its keys back by then may be below the limit, and lose the copies of the others. So no
 * older release should take over while deletes are held.
 *
 * @since 0.5.0
 * @category schemas
 */
export const State = Schema.Literal(
  "comparing",
  "in-sync",
  "deletes-held",
  "writes-refused",
  "source-silent",
  "stopped"
)

/**
 * @since 0.5.0
 * @category models
 */
export type State = typeof State.Type

/**
 * The value of the status key. Field names are those of the Go tool where it has them.
 *
 * | field               | is                                                                                            |
 * | ------------------- | --------------------------------------------------------------------------------------------- |
 * | `LastReplicated`    | index of the source's last snapshot of which everything has landed, 0 when none has           |
 * | `Source`            | datacenter that is replicated from, or its address, or both: `dc1 at https://consul.example`; |
 * |                     | with `Destination`, the prefix at the source                                                  |
 * | `Destination`       | what takes its place here; only of a status in a folder, as in consul-replicate 0.4.0         |
 * | `Datacenter`        | what `Source` is without `Destination`; only with it                                          |
 * | `Prefix`            | prefix that is copied, at the source                                                          |
 * | `DestinationPrefix` | what takes its place here                                                                     |
 * | `State`             | one of {@link State}; a later release may write others                                        |
 * | `LastState`         | the state in which the instance was stopped; only with `stopped`, absent before 0.5.0         |
 * | `HeldDeletes`       | number of keys whose deletion is held back; until a comparison is complete, that of before    |
 * | `MaxDeletes`        | the limit that holds them, as `50%` or `200`; with another, they are judged anew              |
 * | `RefusedWrites`     | number of keys that the destination refuses                                                   |
 * | `Instance`          | id of the instance's service in the catalog                                                   |
 * | `Session`           | the session that holds `Lock` while the instance leads                                        |
 * | `Lock`              | key of the instance's lock; absent before 0.5.0, when it was the successor's                  |
 * | `Time`              | when this was written, which is when something changed and not when all was last well         |
 *
 * Nothing is written while nothing changes, so the status alone does not tell whether it is current: it is as long as
 * `Session` holds `Lock` (`consul kv get -detailed <Lock>` shows who holds it). That session ends within seconds of its
 * instance. While it lasts, whoever leads by another lock leaves the key alone; afterwards its successor ends it before
 * it writes.
 *
 * @since 0.1.0
 * @category schemas
 */
export class Status extends Schema.Class<Status>("consul-replicate/Checkpoint/Status")({
  LastReplicated: Schema.NonNegativeInt,
  Source: Schema.String,
  Destination: Schema.optional(Schema.String),
  Datacenter: Schema.optional(Schema.NonEmptyString),
  Prefix: Schema.String,
  DestinationPrefix: Schema.String,
  State: Schema.Union(State, Schema.NonEmptyString),
  LastState: Schema.optional(Schema.NonEmptyString),
  HeldDeletes: Schema.optionalWith(Schema.NonNegativeInt, { default: () => 0 }),
  // Absent before 0.5.0, like the lock.
  MaxDeletes: Schema.optional(Schema.String),
  RefusedWrites: Schema.optionalWith(Schema.NonNegativeInt, { default: () => 0 }),
  Instance: Schema.String,
  Session: Schema.UUID,
  Lock: Schema.optional(Schema.NonEmptyString),
  Time: Schema.DateTimeUtc
}) {}

/**
 * What an instance leaves when it is stopped: all else stays as it is in its last status.
 *
 * @since 0.5.0
 * @category constructors
 */
export const stopped = (last: Status, time: DateTime.Utc): Status =>
  new Status({ ...last, State: "stopped", LastState: last.State, Time: time })

const StatusJson = Schema.parseJson(Status)

/**
 * The fields of a status that say which replication it is about. One in a folder has those of consul-replicate 0.4.0.
 *
 * @since 0.5.0
 * @category constructors
 */
export const fieldsOf = (
  replication: Pick<Replication, "destinationPrefix" | "prefix" | "source" | "sourceAgent" | "status">
): Pick<Status, "Datacenter" | "Destination" | "DestinationPrefix" | "Prefix" | "Source"> => {
  const { destinationPrefix: DestinationPrefix, prefix: Prefix } = replication
  const source = sourceName(replication)
  return StatusFolder.has(replication)
    ? { Source: Prefix, Destination: DestinationPrefix, Datacenter: source, Prefix, DestinationPrefix }
    : { Source: source, Prefix, DestinationPrefix }
}

/**
 * From where to where the replication of a status copies. `source` is as `Replication.sourceName` has it.
 *
 * @since 0.5.0
 * @category accessors
 */
export const routeOf = ({
  Datacenter,
  DestinationPrefix,
  Prefix,
  Source
}: Status): Pick<Replication, "destinationPrefix" | "prefix" | "source"> => ({
  source: Datacenter ?? Source,
  prefix: Prefix,
  destinationPrefix: DestinationPrefix
})

/**
 * Whether a status tells of a replication: that of the same source and prefixes.
 *
 * @since 0.5.0
 * @category predicates
 */
export const isAbout = (
  status: Status,
  replication: Pick<Replication, "destinationPrefix" | "prefix" | "source" | "sourceAgent">
): boolean => {
  const { destinationPrefix, prefix, source } = routeOf(status)
  return (
    source === sourceName(replication) &&
    prefix === replication.prefix &&
    destinationPrefix === replication.destinationPrefix
  )
}

/**
 * `status` is none when the key is absent or holds something that this release did not write. `index` is the key's
 * modify index, 0 when it is absent.
 *
 * @since 0.1.0
 * @category models
 */
export interface Stored {
  readonly status: Option.Option<Status>
  readonly index: number
}

/**
 * @since 0.1.0
 * @category tags
 * @example
 * ```ts
 * import * as assert from "node:assert"
 * import { Checkpoint, Replication, Replicator } from "consul-replicate"
 * import { World } from "consul-replicate/testing"
 * import { Effect, Option } from "effect"
 *
 * export const program = Effect.gen(function* () {
 *   const instance = yield* World.instance()
 *   yield* instance.run(Replicator.runOnce(instance.replication))
 *   const { status } = yield* instance.run(Checkpoint.read(Replication.defaults.status))
 *   const { LastState, Source, State } = Option.getOrThrow(status)
 *   assert.deepStrictEqual([Source, State, LastState], ["nyc1", "stopped", "in-sync"])
 * }).pipe(Effect.scoped, Effect.provide(World.layer))
 * ```
 */
export class Checkpoint extends Context.Tag("consul-replicate/Checkpoint")<
  Checkpoint,
  {
    /** What the key of a status holds. Never stale. */
    readonly read: (key: string) => Effect.Effect<Stored, ConsulError>
    /**
     * The operation that writes a status to its key, for the transaction that the status reports on. That transaction is
     * void when the key is not at `index` any more.
     */
    readonly operation: (key: string, status: Status, index: number) => Operation
  }
>() {}

/** None for anything else, be it an older tool's `{"LastReplicated":123}` or no JSON at all. */
const decode = (value: Value.Value): Option.Option<Status> =>
  Option.flatMap(Value.toText(value), Schema.decodeOption(StatusJson))

const encode = Schema.encodeSync(StatusJson)

/**
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Checkpoint, never, ConsulHttp> = Layer.effect(
  Checkpoint,
  Effect.map(ConsulHttp, (consul) => ({
    read: Effect.fn("Checkpoint.read")(function* (key: string) {
      const { value } = yield* consul.kv.get(key, { consistency: "consistent" })
      return {
        status: Option.flatMap(value, (entry) => decode(entry.value)),
        index: Option.match(value, { onNone: () => 0, onSome: (entry) => entry.modifyIndex })
      } satisfies Stored
    }),
    operation: (key, status, index) =>
      Operation.Cas({ key, value: Value.fromText(encode(status)), flags: 0n, index })
  }))
)

/**
 * `read` of the service in the environment.
 *
 * @since 0.5.0
 * @category accessors
 */
export const { read } = Effect.serviceFunctions(Checkpoint)
