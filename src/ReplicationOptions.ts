/**
 * The fields of a replication, the options that it is made from, and their defaults.
 *
 * @since 0.5.0
 */
import * as Duration from "effect/Duration"
import * as DeleteLimit from "./DeleteLimit.js"
import type { SourceAgent, SourceAgentOptions } from "./SourceAgent.js"
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
  watchShards: Watcher.defaults.shards,
  shardKeys: Watcher.defaults.keysEach
} as const
