/**
 * What the two ways to watch a prefix have in common: as a whole, and in parts.
 */
import type * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Endpoint } from "../../ConsulHttp.js"
import type { News } from "../../Watcher.js"
import * as Layout from "../Layout.js"
import type { Parked } from "./Parked.js"

export interface Watch {
  readonly source: Partial<Endpoint>
  readonly prefix: string
  readonly shards: number
  readonly keysEach: number
}

/** The blocking queries of one prefix, which outlive whoever asked them. */
export interface Queries {
  readonly whole: Parked
  readonly parts: Parked
}

/** Waits until it has been dealt with. */
export type Say = (news: News) => Effect.Effect<void>

/** A prefix must shrink or grow by a part before it is watched in the other way. */
export const isSmall = (keys: number, keysEach: number): boolean => keys < keysEach * 0.75
export const isLarge = (keys: number, keysEach: number): boolean => keys > keysEach * 1.25

/**
 * The parts to watch these keys in; none where they are better watched as a whole, and where they are just as well and
 * are so already, as `isNew` says.
 */
export const layoutFor = (
  { keysEach, prefix, shards }: Watch,
  names: ReadonlyArray<string>,
  isNew: boolean
): Option.Option<Layout.Layout> =>
  shards === 1 || names.length <= keysEach
    ? Option.none()
    : Option.liftPredicate(Layout.make(prefix, names, { shards, keysEach }), (layout) =>
        Layout.isWorthwhile(prefix, layout, isNew)
      )
