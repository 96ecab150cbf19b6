/**
 * How a prefix is watched.
 */
import type { Endpoint } from "../../Consul.js"
import type { Liveness } from "./Liveness.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface WatchOptions {
  /** What differs from the client's own endpoint: another datacenter, or an agent of its own. */
  readonly source: Partial<Endpoint>
  /** Keys that start with this are watched. */
  readonly prefix: string
  /** How many blocking queries there may be for the shards of the prefix. 1: it is never divided. */
  readonly shards?: number | undefined
  /** About how many keys a shard holds, and up to how many keys a prefix is not divided. */
  readonly keysEach?: number | undefined
  /** Made by the caller with `Liveness.make`. The stream of `events` keeps it up to date. */
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
 * With 64 connections to the agent in all: beside these queries go one for the whole, one for the lock, and all that is
 * answered at once. A part of 1,000 keys of 100 bytes is read in about 3 ms.
 *
 * @since 0.5.0
 * @category models
 */
export const defaults = { shards: 56, keysEach: 1_500 } as const
