/**
 * The status key: how far a replication is, for people, monitors and the next leader.
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
import * as StatusFolder from "./internal/destination/StatusFolder.js"
import { Operation } from "./Operation.js"
import { type Replication, sourceName } from "./Replication.js"
import * as Value from "./Value.js"

/**
 * The state of the destination in a status:
 *
 * | state            | the destination                                                                             |
 * | ---------------- | ------------------------------------------------------------------------------------------- |
 * | `comparing`      | is being compared with the source, since an instance began to lead                          |
 * | `in-sync`        | equals the source's snapshot `LastReplicated`                                               |
 * | `deletes-held`   | equals that snapshot except for `HeldDeletes` keys, which `MaxDeletes` keeps                |
 * | `writes-refused` | in addition differs in `RefusedWrites` keys that it refuses to write or to delete           |
 * | `source-silent`  | is unchanged, because a part of the source has not answered for two minutes or longer       |
 * | `stopped`        | is as the instance left it when it was stopped in the state `LastState`                     |
 *
 * `source-silent` and `stopped` are new in 0.5.0. An older release ignores a status with one of them. It writes and deletes
 * nothing wrongly then, since it compares both sides in full. But it ignores `HeldDeletes` too: if the source has some of its
 * keys again by then, the missing ones may be below the limit, and the older release deletes their copies. So no older release
 * should lead while deletes are held.
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
 * The value of the status key. A field that the Go tool has too has its name.
 *
 * | field               | is                                                                                            |
 * | ------------------- | --------------------------------------------------------------------------------------------- |
 * | `LastReplicated`    | index of the source up to which everything has landed, 0 before the first comparison          |
 * | `Source`            | datacenter that is replicated from, or its address, or both: `dc1 at https://consul.example`; |
 * |                     | with `Destination`, the prefix at the source                                                  |
 * | `Destination`       | the prefix here; only in a status in a folder, as in consul-replicate 0.4.0                   |
 * | `Datacenter`        | the datacenter that is replicated from; only with `Destination`                               |
 * | `Prefix`            | the prefix at the source                                                                      |
 * | `DestinationPrefix` | the prefix here                                                                               |
 * | `State`             | one of {@link State}; a later release may write others                                        |
 * | `LastState`         | the state in which the instance was stopped; only with `stopped`, absent before 0.5.0         |
 * | `HeldDeletes`       | number of held deletes; until a comparison is complete, the number of the leader before       |
 * | `MaxDeletes`        | the limit, as `50%` or `200`; a leader with another limit decides on the deletes again        |
 * | `RefusedWrites`     | number of keys that the destination refuses                                                   |
 * | `Instance`          | id of the instance's service in the catalog                                                   |
 * | `Session`           | the session that holds `Lock` while the instance leads                                        |
 * | `Lock`              | key of the instance's lock; absent before 0.5.0: then it is the lock of the next leader       |
 * | `Time`              | when the status was written, which is when something changed                                  |
 *
 * The status is not written while nothing changes. It is current as long as `Session` holds `Lock` (`consul kv get -detailed
 * <Lock>` shows the session that holds it). That session ends within seconds of its instance. While the session holds `Lock`,
 * an instance with another lock does not write the status key. The next leader ends the session before it writes.
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
 * The status of an instance that is stopped: the other fields stay as in its last status.
 *
 * @since 0.5.0
 * @category constructors
 */
export const stopped = (last: Status, time: DateTime.Utc): Status =>
  new Status({ ...last, State: "stopped", LastState: last.State, Time: time })

const StatusJson = Schema.parseJson(Status)

/**
 * The status key of one of several replications: the folder without slashes at its end, a slash, and the MD5 of the source
 * prefix, a dash and the destination prefix, in hexadecimal digits (consul-replicate 0.4.0, `statusPath` in `runner.go`).
 *
 * @since 0.5.0
 * @category accessors
 * @example
 * ```ts
 * import * as assert from "node:assert"
 * import { Checkpoint } from "consul-replicate"
 *
 * const route = { prefix: "global/", destinationPrefix: "global/" }
 * assert.strictEqual(Checkpoint.keyIn("statuses/", route), "statuses/a23b7dbbd70bfb79686eb0625532abf7")
 * ```
 */
export const keyIn = (folder: string, route: Pick<Replication, "destinationPrefix" | "prefix">): string =>
  StatusFolder.keyOf(folder, route)

/**
 * The fields of a status that name its replication. A status in a folder has those of consul-replicate 0.4.0.
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
 * The source and the prefixes of the replication of a status. `source` is as `Replication.sourceName` has it.
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
 * Whether a status is about a replication: both have the same source and prefixes.
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
 * The status key as it was read.
 *
 * @since 0.1.0
 * @category models
 */
export interface Stored {
  /** None if the key does not exist, or its value is no status of this release. */
  readonly status: Option.Option<Status>
  /** Modify index of the key; 0 if it does not exist. */
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
    /** Reads the key of a status. Never stale. */
    readonly read: (key: string) => Effect.Effect<Stored, ConsulError>
    /**
     * The operation that writes a status to its key. It belongs into the transaction that the status reports on, which is void if
     * the modify index of the key is not `index` any more.
     */
    readonly operation: (key: string, status: Status, index: number) => Operation
  }
>() {}

/** The status in a value; none for any other value, such as an older tool's `{"LastReplicated":123}`. */
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
