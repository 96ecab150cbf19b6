/**
 * Reads what the destination holds, part by part, and of what was read before only what has moved since.
 *
 * What the index of a prefix proves. Consul gives a prefix the highest index among its keys and among the tombstones of
 * keys under it; a tombstone lives for 15 minutes. A write under the prefix, and a delete of a key or of a tree under it,
 * raise that index. One change does not: a recursive delete of a shorter prefix leaves a single tombstone there, above.
 * It empties the whole range, and the index stays or goes back. So an equal index proves nothing by itself, but an equal
 * index together with the same emptiness proves that the keys are the same:
 *
 * - A range that held keys and holds some has lost none by a delete from above, which leaves none; and keys that were
 *   written after such a delete have later indexes.
 * - A range that was empty and is empty holds the same.
 * - Any other change left a key or a tombstone with a later index, and no tombstone is forgotten within the 10 minutes
 *   from one look to the next ({@link Schedules.indexTrust}).
 *
 * All of that is about one history. `consul snapshot restore` begins another, in which the indexes of before may come
 * again: the status key moves with it unless nothing was written since the snapshot, and whoever reconciles asks for that
 * first.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ConsulError } from "../ConsulError.js"
import type { Answer, Consul } from "../ConsulHttp.js"
import type { Contents } from "../Contents.js"
import * as Diff from "../Diff.js"
import { contains, id, type KeyRange, under } from "../KeyRange.js"
import { isReplicated, type Mapping } from "../Mapping.js"
import * as Schedules from "../Schedules.js"
import * as Monotonic from "./effect/Monotonic.js"
import * as Layout from "./Layout.js"
import { sorted } from "./sorted.js"

/** What tells two states of a range apart, as said above: its index, and whether it holds keys, ours included. */
export interface Version {
  readonly index: number
  readonly hasKeys: boolean
}

const isSame = (a: Version | undefined, b: Version): boolean =>
  a !== undefined && a.index === b.index && a.hasKeys === b.hasKeys

/**
 * The version of the prefix, none before the first look, and those of its parts, when they were last looked at, and when
 * that was (ms, monotonic). `separator` is what folds the names of its keys best.
 */
export interface Looked {
  readonly version: Version | undefined
  readonly at: number
  readonly parts: ReadonlyMap<string, Version>
  readonly separator: string
}

export const never: Looked = { version: undefined, at: 0, parts: new Map(), separator: "/" }

/** A range of the destination that holds something other than was believed. */
export interface Drifted {
  readonly range: KeyRange
  readonly found: Diff.Found
}

/** Reads at once. */
const concurrency = 4

const current = { consistency: "consistent" } as const

/** Whether there are keys, and the index of that answer. */
const versionOf = ({ index, value }: Answer<boolean>): Version => ({ index, hasKeys: value })

/** All keys that were known or are listed, in order, and those that were only either, in order. */
const compareNames = (
  listed: ReadonlyArray<string>,
  contents: Contents
): { readonly names: ReadonlyArray<string>; readonly different: ReadonlyArray<string> } => {
  if (contents.size === 0) {
    const names = sorted(listed)
    return { names, different: names }
  }
  const unknown = listed.filter((name) => !contents.has(name))
  const isComplete = listed.length - unknown.length === contents.size
  const gone = isComplete ? [] : contents.absent(under(""), listed)
  return {
    names: unknown.length === 0 ? [...contents.keys()] : [...contents.keys(), ...unknown].sort(),
    different: [...unknown, ...gone].sort()
  }
}

/** Whether one of these names, which are in order, is in the range. */
const hasAny = (names: ReadonlyArray<string>, range: KeyRange): boolean => {
  let low = 0
  let high = names.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((names[middle] ?? "") < range.prefix) low = middle + 1
    else high = middle
  }
  const name = names[low]
  return name !== undefined && contains(range, name)
}

/**
 * Brings `contents` up to date with the destination, and says where it was not. A part that is read at once holds about
 * `keysEach` keys.
 */
export const survey = Effect.fn("Survey")(function* (
  kv: Pick<Consul["kv"], "get" | "keys" | "list" | "moved">,
  mapping: Mapping,
  contents: Contents,
  looked: Looked,
  keysEach: number
): Effect.fn.Return<{ readonly looked: Looked; readonly drifted: ReadonlyArray<Drifted> }, ConsulError> {
  const { destinationPrefix } = mapping
  const at = yield* Monotonic.now
  const isTrusted = looked.version !== undefined && at - looked.at < Duration.toMillis(Schedules.indexTrust)
  if (isTrusted) {
    // Folded, an answer is small, and its index that of the whole prefix all the same.
    const now = versionOf(yield* kv.moved(destinationPrefix, { separator: looked.separator }))
    if (isSame(looked.version, now)) return { looked: { ...looked, at }, drifted: [] }
  }
  const listing = yield* kv.keys(destinationPrefix, current)
  const version = versionOf({ ...listing, value: listing.value.length > 0 })
  const listed = listing.value.filter((name) => isReplicated(mapping, name))
  const { different, names } = compareNames(listed, contents)
  const ranges = Layout.ranges(destinationPrefix, names, keysEach)
  const parts = new Map<string, Version>()
  const read = Effect.fnUntraced(function* (range: KeyRange) {
    const { exact, prefix } = range
    const known = isTrusted && !hasAny(different, range) ? looked.parts.get(id(range)) : undefined
    if (known !== undefined && !exact && ranges.length > 1) {
      const now = versionOf(yield* kv.moved(prefix, { ...current, separator: looked.separator }))
      if (isSame(known, now)) {
        parts.set(id(range), now)
        return []
      }
    }
    const { entries, ...answer } = exact
      ? yield* Effect.map(kv.get(prefix, current), ({ index, value }) => ({
          index,
          hasKeys: Option.isSome(value),
          entries: Option.toArray(value)
        }))
      : yield* Effect.map(kv.list(prefix, current), ({ index, value }) => ({
          index,
          hasKeys: value.entries.length + value.unnameable.length > 0,
          entries: value.entries
        }))
    parts.set(id(range), answer)
    const found = Diff.learn(contents, mapping, range, entries)
    return found.changed.length + found.missing.length + found.extra.length === 0 ? [] : [{ range, found }]
  })
  const drifted = yield* Effect.forEach(ranges, read, { concurrency })
  const separator = Layout.separator(destinationPrefix, names)
  return { looked: { version, at, parts, separator }, drifted: drifted.flat() }
})
