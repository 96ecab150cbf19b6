/** Types and rules that both ways to watch a prefix share: with one query, and in shards. */
import type * as Arr from "effect/Array"
import type * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Endpoint } from "../../ConsulHttp.js"
import type * as WaitLimit from "../consul/WaitLimit.js"
import type { Liveness } from "./Liveness.js"
import type { WatchBudget } from "./QueryBudget.js"
import type { QueryPool } from "./QueryPool.js"
import * as ShardLayout from "./ShardLayout.js"
import type { WatchEvent } from "./WatchEvent.js"
import * as Weights from "./Weights.js"

/** The options of a watch, with the defaults for those that were not given. */
export interface WatchSettings {
  /** The fields in which the source's endpoint differs from the client's. */
  readonly source: Partial<Endpoint>
  /** Keys that start with this are watched. */
  readonly prefix: string
  /** The most blocking queries for shards. With 1, the prefix is never divided into shards. */
  readonly shards: number
  /** About how many keys a part has, and up to how many keys a prefix is not divided. */
  readonly keysEach: number
}

/** The means that outlive a watch of one prefix of a source. The next watch begins with them. */
export interface QueryPools {
  /** Blocking queries for the whole prefix. */
  readonly whole: QueryPool
  /** Blocking queries for shards. */
  readonly shards: QueryPool
  /** How long blocking queries may wait. */
  readonly limit: WaitLimit.WaitLimit
  /** How many bytes the answers have. */
  readonly weights: Weights.Weights
}

/** The means of one watch. */
export interface WatchMeans extends QueryPools {
  /** How many blocking queries the watch may have. */
  readonly budget: WatchBudget
}

/** Where a watch reports to. */
export interface Emit {
  /** Emits events in one batch. Returns when the consumer has processed it. */
  readonly emit: (...events: Arr.NonEmptyReadonlyArray<WatchEvent>) => Effect.Effect<void>
  /** Hears of each answer of the source. */
  readonly liveness: Liveness
}

/**
 * Whether a prefix in shards has become so small that one query is better. There is a gap between this and `isLarge`, so that a
 * key that comes and goes does not switch back and forth.
 */
export const isSmall = (
  keys: number,
  { keysEach, shards }: WatchSettings,
  weights: Weights.Weights
): boolean => (shards === 1 || keys < keysEach * 0.75) && weights.total(keys) < Weights.wholeBytes * 0.75

/** Whether a prefix with one query has become so large that shards may be better. */
export const isLarge = (keys: number, { keysEach, shards }: WatchSettings): boolean =>
  shards > 1 && keys > keysEach * 1.25

/**
 * A layout for these keys, whose parts are so small that each can be read at once. None if the prefix can be read at once, and
 * one query is better. With `isNew` (the prefix has one query now) the layout must be clearly better, so that a key that comes
 * and goes does not switch back and forth.
 */
export const layoutFor = (
  { keysEach, prefix, shards }: WatchSettings,
  names: ReadonlyArray<string>,
  isNew: boolean,
  weights: Weights.Weights,
  isNameable: ShardLayout.IsNameable
): Option.Option<ShardLayout.Layout> => {
  const isLight = weights.total(names.length) <= Weights.wholeBytes
  if (isLight && (shards === 1 || names.length <= keysEach)) return Option.none()
  const bytesEach = Weights.readBytes / 2
  const cumulative = weights.cumulative(names, keysEach, bytesEach)
  const limits = { shards, keysEach, bytesEach, cumulative, isNameable }
  if (shards > 1) {
    const layout = ShardLayout.make(prefix, names, limits)
    if (ShardLayout.isBetterThanOneQuery(prefix, layout, isNew)) return Option.some(layout)
  }
  return isLight ? Option.none() : Option.some(ShardLayout.unwatched(prefix, names, limits))
}
