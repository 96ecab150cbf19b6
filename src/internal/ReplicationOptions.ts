/**
 * The fields of a replication, the options that it is made from, and their defaults.
 *
 * @since 0.5.0
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import * as DeleteLimit from "../DeleteLimit.js"
import * as HalfCharacter from "./consul/HalfCharacter.js"
import { DurationFromInput } from "./effect/DurationFromInput.js"
import * as Quiescence from "./source/Quiescence.js"
import { SourceAgent, type SourceAgentOptions } from "./source/SourceAgent.js"
import * as WatchOptions from "./source/WatchOptions.js"

/**
 * The fields of a replication.
 *
 * @since 0.5.0
 * @category models
 */
export interface ReplicationFields {
  /** The datacenter that is authoritative. If empty: the datacenter of the agent at the address of `sourceAgent`. */
  readonly source: string
  /** How the source is reached. Settings that are not given are those of the destination. */
  readonly sourceAgent: SourceAgent
  /** The keys of the source that begin with this are replicated. If empty: the whole store. */
  readonly prefix: string
  /** Replaces `prefix` in the keys of the destination. */
  readonly destinationPrefix: string
  /**
   * Beginnings of keys of the source, as they are typed. A key that begins with one of them is not copied, and its counterpart
   * at the destination is not overwritten or deleted. It counts for no limit.
   */
  readonly exclude: ReadonlyArray<string>
  /** Key of the status, at the destination. */
  readonly status: string
  /** Whether keys that the source does not have are deleted at the destination. */
  readonly deletes: boolean
  /** The most keys that one pass may delete. */
  readonly maxDeletes: DeleteLimit.DeleteLimit
  /**
   * The time between two scans of the destination for drift. With zero there is none: the destination is only read when an
   * instance begins to lead, and after a failed pass.
   */
  readonly reconcile: Duration.Duration
  /**
   * Changes of the source are replicated when no other change has come for `min`, or `max` after the first one. With zero: at
   * once. A full comparison does not wait.
   */
  readonly wait: Quiescence.Wait
  /** The most blocking queries of a prefix of many keys. With 1 every prefix has a single query. */
  readonly watchShards: number
  /** About how many keys are read at once. A prefix with more keys is watched in shards. */
  readonly shardKeys: number
}

/**
 * The options of `Replication.make` and of a configuration file. {@link defaults} are in place of fields that are not given.
 *
 * @since 0.5.0
 * @category models
 */
export interface ReplicationOptions {
  /**
   * Name of the datacenter that is authoritative, in any case of letters. It may be left out if `sourceAgent` has an
   * address.
   */
  readonly source?: string | undefined
  /** See {@link ReplicationFields}. Unless given, the source is reached through the agent of the destination. */
  readonly sourceAgent?: SourceAgentOptions | undefined
  /** See {@link ReplicationFields}. */
  readonly prefix?: string | undefined
  /** See {@link ReplicationFields}. The same as `prefix` unless given. */
  readonly destinationPrefix?: string | undefined
  /** See {@link ReplicationFields}. An exclude must not be empty. No key is excluded unless given. */
  readonly exclude?: ReadonlyArray<string> | undefined
  /** See {@link ReplicationFields}. */
  readonly status?: string | undefined
  /** See {@link ReplicationFields}. */
  readonly deletes?: boolean | undefined
  /** A limit, or its text as in `DeleteLimit.parse`. */
  readonly maxDeletes?: DeleteLimit.DeleteLimit | string | undefined
  /** At least 100 ms, or zero. A number is ms. */
  readonly reconcile?: Duration.DurationInput | undefined
  /** See {@link ReplicationFields}. Numbers are ms. `max` is four times `min` unless given, as in the Go tool. */
  readonly wait?:
    | { readonly min: Duration.DurationInput; readonly max?: Duration.DurationInput | undefined }
    | undefined
  /** From 1 to 90. */
  readonly watchShards?: number | undefined
  /** At least 1. */
  readonly shardKeys?: number | undefined
}

/**
 * The defaults of the options. Keys and prefix are those of the Go tool.
 *
 * @since 0.1.0
 * @category models
 */
export const defaults = {
  prefix: "global/",
  exclude: [] as ReadonlyArray<string>,
  status: "service/consul-replicate/status",
  deletes: true,
  maxDeletes: DeleteLimit.defaultLimit,
  reconcile: Duration.minutes(1),
  wait: { min: Duration.zero, max: Duration.zero },
  watchShards: WatchOptions.defaults.shards,
  shardKeys: WatchOptions.defaults.keysEach
} as const

/**
 * The most blocking queries. Consul (1.8.7) refuses connections from an address that has 200, and keeps the connections of
 * blocking queries for a minute after their client has gone: a process that was just restarted needs its own connections beside
 * the former ones.
 */
const mostShards = 90

/** The shortest time between two scans. With a shorter one, an idle replicator would only scan. */
const shortestReconcile = Duration.millis(100)

/** Consul refuses to start with another name, and keeps it in lower case; a query in upper case finds no path. */
const datacenterName = /^[a-z0-9_-]+$/

const sourceProblem = (source: string): string | undefined => {
  return source === "" || datacenterName.test(source)
    ? undefined
    : `${JSON.stringify(source)} cannot be the name of a datacenter`
}

const reconcileProblem = (reconcile: Duration.Duration): string | undefined =>
  Duration.isFinite(reconcile) &&
  (Duration.isZero(reconcile) || Duration.greaterThanOrEqualTo(reconcile, shortestReconcile))
    ? undefined
    : "the interval is at least 100ms, or 0 for never"

const excludeProblem = (exclude: string): string | undefined =>
  exclude === "" ? "an empty exclude would exclude every key" : undefined

const Text = Schema.String.pipe(Schema.filter(HalfCharacter.problemOf))

/** @internal */
export const FieldsSchema = Schema.Struct({
  source: Schema.String.pipe(Schema.filter(sourceProblem)),
  sourceAgent: Schema.typeSchema(SourceAgent),
  prefix: Text,
  destinationPrefix: Text,
  exclude: Schema.Array(Text.pipe(Schema.filter(excludeProblem))),
  status: Text.pipe(Schema.filter((status) => (status === "" ? "the status needs a key" : undefined))),
  deletes: Schema.Boolean,
  maxDeletes: DeleteLimit.DeleteLimitFromSelf,
  reconcile: Schema.DurationFromSelf.pipe(Schema.filter(reconcileProblem)),
  wait: Schema.Struct({ min: Schema.DurationFromSelf, max: Schema.DurationFromSelf }).pipe(
    Schema.filter(Quiescence.problemOf)
  ),
  watchShards: Schema.Number.pipe(
    Schema.filter((shards) =>
      Number.isInteger(shards) && shards >= 1 && shards <= mostShards
        ? undefined
        : `the number of queries is from 1 to ${mostShards}`
    )
  ),
  shardKeys: Schema.Number.pipe(
    Schema.filter((keys) =>
      Number.isInteger(keys) && keys >= 1 ? undefined : "the number of keys is at least 1"
    )
  )
}).pipe(
  Schema.filter(({ source, sourceAgent }) =>
    source === "" && sourceAgent.address === undefined
      ? { path: ["source"], message: "name the datacenter to replicate from" }
      : undefined
  )
)

/** @internal */
export const OptionsSchema = Schema.Struct({
  source: Schema.optional(Schema.String),
  sourceAgent: Schema.optional(SourceAgent),
  prefix: Schema.optional(Schema.String),
  destinationPrefix: Schema.optional(Schema.String),
  exclude: Schema.optional(Schema.Array(Schema.String)),
  status: Schema.optional(Schema.String),
  deletes: Schema.optional(Schema.Boolean),
  maxDeletes: Schema.optional(
    Schema.Union(DeleteLimit.DeleteLimitFromString, DeleteLimit.DeleteLimitFromSelf)
  ),
  reconcile: Schema.optional(DurationFromInput),
  wait: Schema.optional(Schema.Struct({ min: DurationFromInput, max: Schema.optional(DurationFromInput) })),
  watchShards: Schema.optional(Schema.Number),
  shardKeys: Schema.optional(Schema.Number)
})
