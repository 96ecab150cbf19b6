/**
 * The fields of a replication, the options that it is made from, and their defaults.
 *
 * @since 0.5.0
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import * as DeleteLimit from "./DeleteLimit.js"
import * as HalfCharacter from "./internal/consul/HalfCharacter.js"
import { DurationFromInput } from "./internal/effect/DurationFromInput.js"
import * as Quiescence from "./internal/source/Quiescence.js"
import { SourceAgent, type SourceAgentOptions } from "./SourceAgent.js"
import * as Watcher from "./Watcher.js"

/**
 * @since 0.5.0
 * @category models
 */
export interface ReplicationFields {
  /** The datacenter that is authoritative. Empty: that of the agent at the address of `sourceAgent`. */
  readonly source: string
  /** How the source is reached, where that differs from how the destination is. */
  readonly sourceAgent: SourceAgent
  /** Copied are the keys that start with this, at the source. Empty: the whole store. */
  readonly prefix: string
  /** What takes the place of `prefix` at the destination. */
  readonly destinationPrefix: string
  /**
   * Fronts of keys of the source, as they are typed. A key that begins with one of them is neither copied nor, by its name
   * at the destination, overwritten or deleted, and it counts for no limit. Another key with a part of such a name is none.
   */
  readonly exclude: ReadonlyArray<string>
  /** Key of the status, at the destination. */
  readonly status: string
  /** Whether keys that the source has not are deleted at the destination. */
  readonly deletes: boolean
  /** How many of them one pass may delete. */
  readonly maxDeletes: DeleteLimit.DeleteLimit
  /** How often the destination is looked at for what others changed; zero: not while all goes well. */
  readonly reconcile: Duration.Duration
  /**
   * Changes of the source are replicated when none has come for `min`, or `max` after the first of them. Zero: at once. A
   * comparison in full does not wait.
   */
  readonly wait: Quiescence.Wait
  /** How many blocking queries a prefix of many keys is watched with at most; 1: it is always watched as one. */
  readonly watchShards: number
  /** How many keys are read at once, about, and up to how many a prefix is watched as one. */
  readonly shardKeys: number
}

/**
 * What `Replication.make` is given, and what a configuration file has. {@link defaults} has what is not given.
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
  /** See {@link ReplicationFields}. Nothing differs unless given. */
  readonly sourceAgent?: SourceAgentOptions | undefined
  /** See {@link ReplicationFields}. */
  readonly prefix?: string | undefined
  /** See {@link ReplicationFields}. The same as `prefix` unless given. */
  readonly destinationPrefix?: string | undefined
  /** See {@link ReplicationFields}. None is empty. None unless given. */
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
 * Keys and names are those of the first consul-replicate.
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
  watchShards: Watcher.defaults.shards,
  shardKeys: Watcher.defaults.keysEach
} as const

/**
 * Consul (1.8.7) refuses an address that has 200 connections, and holds those of blocking queries for a minute after
 * their client has gone: a process that was just restarted must have room beside what it has left behind.
 */
const mostShards = 90

/** More often, an idle replicator would do nothing but look. */
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
