/**
 * What the two ways to watch a prefix have in common: as a whole, and in parts.
 */
import type * as Arr from "effect/Array"
import type * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Endpoint } from "../../ConsulHttp.js"
import type { WatchEvent } from "../../WatchEvent.js"
import type * as WaitLimit from "../consul/WaitLimit.js"
import type { Liveness } from "./Liveness.js"
import type { WatchBudget } from "./QueryBudget.js"
import type { QueryPool } from "./QueryPool.js"
import * as ShardLayout from "./ShardLayout.js"
import * as Weights from "./Weights.js"

export interface WatchSettings {
  readonly source: Partial<Endpoint>
  readonly prefix: string
  readonly shards: number
  readonly keysEach: number
}

/** What outlives a watch of one prefix of a source: the next one begins with it. */
export interface QueryPools {
  /** The blocking queries, which outlive whoever asked them: for the prefix, and for its parts. */
  readonly whole: QueryPool
  readonly parts: QueryPool
  /** How long they may wait. */
  readonly limit: WaitLimit.WaitLimit
  /** What answers weigh. */
  readonly weights: Weights.Weights
}

/** What a watch works with: what outlives it, and its own share of the queries. */
export interface WatchMeans extends QueryPools {
  readonly budget: WatchBudget
}

/** What a watch reports to. */
export interface Emit {
  /** Emits events in one batch. Returns when the consumer has processed it. */
  readonly emit: (...events: Arr.NonEmptyReadonlyArray<WatchEvent>) => Effect.Effect<void>
  readonly liveness: Liveness
}

/** A prefix must shrink or grow by a part before it is watched in the other way. */
export const isSmall = (
  keys: number,
  { keysEach, shards }: WatchSettings,
  weights: Weights.Weights
): boolean => (shards === 1 || keys < keysEach * 0.75) && weights.total(keys) < Weights.wholeBytes * 0.75

export const isLarge = (keys: number, { keysEach, shards }: WatchSettings): boolean =>
  shards > 1 && keys > keysEach * 1.25

/**
 * The parts to watch these keys in, each so small that it can be read at once. None if the prefix can be read as a whole,
 * and is better watched so. With `isNew` (it is watched as a whole now) the parts must be clearly better, so that a key
 * that comes and goes does not switch back and forth.
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
