/** How a prefix is watched. */
import type { Endpoint } from "../consul/Consul.js"
import type { Liveness } from "./Liveness.js"

/**
 * Which prefix of which source is watched, and how.
 *
 * @since 0.1.0
 * @category models
 */
export interface WatchOptions {
  /** The fields in which the source's endpoint differs from the client's: another datacenter, or an agent of its own. */
  readonly source: Partial<Endpoint>
  /** Keys that start with this are watched. */
  readonly prefix: string
  /** The most blocking queries for shards of the prefix. With 1, the prefix is never divided into shards. */
  readonly shards?: number | undefined
  /** About how many keys a shard has, and up to how many keys a prefix is not divided. */
  readonly keysEach?: number | undefined
  /** How long the source has been silent, made by the caller with `Liveness.make`. The stream of `events` keeps it up to date. */
  readonly liveness?: Liveness | undefined
}

/**
 * How a prefix is watched. `source` is the client's own endpoint unless given.
 *
 * @since 0.5.0
 * @category models
 */
export type PrefixOptions = Partial<Omit<WatchOptions, "prefix">>

/**
 * So that there are 64 connections to the agent in all. The other 8 are for the query for the whole prefix, for the lock, and for
 * requests that are answered at once. A range of 1,000 keys of 100 bytes is read in about 3 ms.
 *
 * @since 0.5.0
 * @category models
 */
export const defaults = { shards: 56, keysEach: 1_500 } as const
