/**
 * Reads what the destination holds, part by part, and of what was read before only what has moved since.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ConsulError } from "../ConsulError.js"
import type { Consul } from "../ConsulHttp.js"
import type { Contents } from "../Contents.js"
import * as Diff from "../Diff.js"
import { id, type KeyRange } from "../KeyRange.js"
import { isOwned, type Mapping } from "../Mapping.js"
import * as Schedules from "../Schedules.js"
import * as Layout from "./Layout.js"
import { sorted } from "./sorted.js"

/**
 * The index of the prefix, and of its parts, when they were last looked at, and when that was (ms). `separator` is what
 * folds the names of its keys best.
 */
export interface Looked {
  readonly index: number
  readonly at: number
  readonly parts: ReadonlyMap<string, number>
  readonly separator: string
}

export const never: Looked = { index: 0, at: 0, parts: new Map(), separator: "/" }

/** A range of the destination that holds something other than was believed. */
export interface Drifted {
  readonly range: KeyRange
  readonly found: Diff.Found
}

/** Reads at once. */
const concurrency = 4

const current = { consistency: "consistent" } as const

const union = (names: ReadonlyArray<string>, contents: Contents): ReadonlyArray<string> => {
  const unknown = names.filter((name) => !contents.has(name))
  if (contents.size === 0) return sorted(names)
  return unknown.length === 0 ? [...contents.keys()] : [...contents.keys(), ...unknown].sort()
}

/**
 * Brings `contents` up to date with the destination, and says where it was not. A part that is read at once holds about
 * `keysEach` keys.
 */
export const survey = Effect.fn("Survey")(function* (
  { kv }: Consul,
  mapping: Mapping,
  contents: Contents,
  looked: Looked,
  keysEach: number
): Effect.fn.Return<{ readonly looked: Looked; readonly drifted: ReadonlyArray<Drifted> }, ConsulError> {
  const { destinationPrefix } = mapping
  const at = yield* Clock.currentTimeMillis
  const isTrusted = looked.index > 0 && at - looked.at < Duration.toMillis(Schedules.indexTrust)
  if (isTrusted) {
    // Folded, an answer is small, and its index that of the whole prefix all the same.
    const { index } = yield* kv.keys(destinationPrefix, { separator: looked.separator })
    if (index === looked.index) return { looked: { ...looked, at }, drifted: [] }
  }
  const { index, value } = yield* kv.keys(destinationPrefix, current)
  const names = union(
    value.filter((name) => !isOwned(mapping, name)),
    contents
  )
  const ranges = Layout.ranges(destinationPrefix, names, { keysEach }, kv.isNameable)
  const parts = new Map<string, number>()
  const read = Effect.fnUntraced(function* (range: KeyRange) {
    const { exact, prefix } = range
    const known = isTrusted ? looked.parts.get(id(range)) : undefined
    if (known !== undefined && !exact && ranges.length > 1) {
      const { index } = yield* kv.moved(prefix, { ...current, separator: looked.separator })
      if (index === known) {
        parts.set(id(range), index)
        return []
      }
    }
    const { entries, index } = exact
      ? yield* Effect.map(kv.get(prefix, current), ({ index, value }) => ({
          index,
          entries: Option.toArray(value)
        }))
      : yield* Effect.map(kv.list(prefix, current), ({ index, value }) => ({ index, entries: value.entries }))
    parts.set(id(range), index)
    const found = Diff.learn(contents, mapping, range, entries)
    return found.changed.length + found.missing.length + found.extra.length === 0 ? [] : [{ range, found }]
  })
  const drifted = yield* Effect.forEach(ranges, read, { concurrency })
  const separator = Layout.separator(destinationPrefix, names)
  return { looked: { index, at, parts, separator }, drifted: drifted.flat() }
})
