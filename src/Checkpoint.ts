/**
 * The status key: what has been replicated, for people, monitors and the next leader.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { ConsulError } from "./ConsulError.js"
import { ConsulHttp } from "./ConsulHttp.js"
import { Operation } from "./Operation.js"
import type { Replication } from "./Replication.js"

/**
 * The value of the status key. Field names are those of the Go tool where it has them.
 *
 * `LastReplicated` is the index of the source's last snapshot of which everything has landed, 0 when none has.
 * `State` is `comparing` from the moment an instance takes over until the destination equals a snapshot, `deletes-held`
 * while it does so but for `HeldDeletes` keys, whose deletion the limit `MaxDeletes` holds back, and `writes-refused`
 * while it does so but for those and for `RefusedWrites` keys, which the destination refuses to write or to delete. While
 * `comparing`, `HeldDeletes` are those of before, if that limit is the same still. `Session` is that of the instance's
 * `Lock`: while it holds that, whoever leads by another lock leaves the key alone; otherwise its successor ends it before
 * it writes. A status without a lock (before 0.2.0) is taken for one by the successor's.
 *
 * @since 0.1.0
 * @category schemas
 */
export class Status extends Schema.Class<Status>("consul-replicate/Checkpoint/Status")({
  LastReplicated: Schema.NonNegativeInt,
  Source: Schema.String,
  Prefix: Schema.String,
  DestinationPrefix: Schema.String,
  State: Schema.Literal("comparing", "in-sync", "deletes-held", "writes-refused"),
  HeldDeletes: Schema.optionalWith(Schema.NonNegativeInt, { default: () => 0 }),
  // Absent before 0.2.0, like the lock.
  MaxDeletes: Schema.optional(Schema.String),
  RefusedWrites: Schema.optionalWith(Schema.NonNegativeInt, { default: () => 0 }),
  Instance: Schema.String,
  Session: Schema.UUID,
  Lock: Schema.optional(Schema.NonEmptyString),
  Time: Schema.DateTimeUtc
}) {}

const StatusJson = Schema.parseJson(Status)

/**
 * Whether a status tells of a replication: that of the same source and prefixes.
 *
 * @since 0.2.0
 * @category predicates
 */
export const isAbout = (
  status: Status,
  { destinationPrefix, prefix, source }: Pick<Replication, "destinationPrefix" | "prefix" | "source">
): boolean =>
  status.Source === source && status.Prefix === prefix && status.DestinationPrefix === destinationPrefix

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
 */
export class Checkpoint extends Context.Tag("consul-replicate/Checkpoint")<
  Checkpoint,
  {
    /** The key that holds the status. */
    readonly key: string
    /** Never stale. */
    readonly read: Effect.Effect<Stored, ConsulError>
    /**
     * The operation that writes the status, for the transaction that it reports on; that transaction is void when
     * the key is not at `index` any more.
     */
    readonly operation: (status: Status, index: number) => Operation
  }
>() {}

/** None for anything else, be it an older tool's `{"LastReplicated":123}` or no JSON at all. */
const decode = (value: string): Option.Option<Status> =>
  Option.flatMap(Option.getRight(Encoding.decodeBase64String(value)), Schema.decodeOption(StatusJson))

const encode = Schema.encodeSync(StatusJson)

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (key: string): Layer.Layer<Checkpoint, never, ConsulHttp> =>
  Layer.effect(
    Checkpoint,
    Effect.map(ConsulHttp, (consul) => ({
      key,
      read: Effect.map(
        consul.kv.get(key, { consistency: "consistent" }),
        ({ value }): Stored => ({
          status: Option.flatMap(value, (entry) => decode(entry.value)),
          index: Option.match(value, { onNone: () => 0, onSome: (entry) => entry.modifyIndex })
        })
      ).pipe(Effect.withSpan("Checkpoint.read")),
      operation: (status, index) =>
        Operation.Cas({ key, value: Encoding.encodeBase64(encode(status)), flags: 0n, index })
    }))
  )
