/**
 * Reads what the destination holds, part by part, and of what was read before only what has moved since.
 *
 * A range that has the version of before ({@link RangeVersion}) is not read again, and a range whose listed names differ
 * from the known ones always is. Versions belong to one history. `consul snapshot restore` begins another, in which the
 * indexes of before may come again: the status key goes back with it unless nothing was written since the snapshot, and
 * whoever reconciles asks for that first.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { ConsulError } from "../ConsulError.js"
import type { Consul } from "../ConsulHttp.js"
import type { Contents } from "../Contents.js"
import * as Diff from "../Diff.js"
import { contains, id, type KeyRange } from "../KeyRange.js"
import { isReplicated, type Mapping } from "../Mapping.js"
import * as Schedules from "../Schedules.js"
import { inTurns, type Steps, stepSize } from "./effect/EventLoop.js"
import * as Monotonic from "./effect/Monotonic.js"
import * as Layout from "./Layout.js"
import * as PiecewiseRead from "./PiecewiseRead.js"
import * as RangeVersion from "./RangeVersion.js"
import * as Sample from "./Sample.js"
import { sorted } from "./sorted.js"

/**
 * The version of the prefix, none before the first look, and those of its parts, when they were last looked at, and when
 * that was (ms, monotonic). `separator` is what folds the names of its keys best. `keysEach` is about how many keys a part
 * has, fewer where they are heavy; none while that is not known.
 */
export interface Looked {
  readonly version: RangeVersion.RangeVersion | undefined
  readonly at: number
  readonly parts: ReadonlyMap<string, RangeVersion.RangeVersion>
  readonly separator: string
  readonly keysEach: number | undefined
}

export const never: Looked = {
  version: undefined,
  at: 0,
  parts: new Map(),
  separator: "/",
  keysEach: undefined
}

/** A range of the destination that holds something other than was believed. */
export interface Drifted {
  readonly range: KeyRange
  readonly found: Diff.Found
}

/** Reads at once. */
const concurrency = 4

/** The most bytes of one answer: what is read at once holds four times as many. */
const readBytes = 4 * 1024 * 1024

const current = { consistency: "consistent" } as const

/** All keys that were known or are listed, in order, and those that were only either, in order. */
function* compareNames(
  mapping: Mapping,
  listed: ReadonlyArray<string>,
  contents: Contents
): Steps<{ readonly names: ReadonlyArray<string>; readonly different: ReadonlyArray<string> }> {
  const names: Array<string> = []
  const different: Array<string> = []
  const known = contents.keys()
  let next = known.next()
  let count = 0
  for (const name of sorted(listed)) {
    if (++count % stepSize === 0) yield
    if (!isReplicated(mapping, name)) continue
    for (; next.done !== true && next.value < name; next = known.next()) {
      names.push(next.value)
      different.push(next.value)
    }
    names.push(name)
    if (next.done !== true && next.value === name) next = known.next()
    else different.push(name)
  }
  for (; next.done !== true; next = known.next()) {
    names.push(next.value)
    different.push(next.value)
  }
  return { names, different }
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
 * `mostKeys` keys, or fewer where they are heavy.
 */
export const survey = Effect.fn("Survey")(function* (
  kv: Pick<Consul["kv"], "entry" | "isNameable" | "keys" | "list" | "moved">,
  mapping: Mapping,
  contents: Contents,
  looked: Looked,
  mostKeys: number
): Effect.fn.Return<{ readonly looked: Looked; readonly drifted: ReadonlyArray<Drifted> }, ConsulError> {
  const { destinationPrefix } = mapping
  const at = yield* Monotonic.now
  const isTrusted = looked.version !== undefined && at - looked.at < Duration.toMillis(Schedules.indexTrust)
  if (isTrusted) {
    // Folded, an answer is small, and its index that of the whole prefix all the same.
    const now = RangeVersion.of(yield* kv.moved(destinationPrefix, { separator: looked.separator }))
    if (RangeVersion.equals(looked.version, now)) return { looked: { ...looked, at }, drifted: [] }
  }
  const listing = yield* kv.keys(destinationPrefix, current)
  const version = RangeVersion.of({ ...listing, value: listing.value.length > 0 })
  const { different, names } = yield* inTurns(() => compareNames(mapping, listing.value, contents))
  const parts = new Map<string, RangeVersion.RangeVersion>()
  const reads: PiecewiseRead.Reads = {
    read: ({ exact, prefix }, options) => (exact ? kv.entry(prefix, options) : kv.list(prefix, options)),
    names: kv.keys,
    isNameable: kv.isNameable
  }
  const entryBytes = looked.keysEach === undefined ? yield* Sample.entryBytes(reads.read, names) : undefined
  const sampledEach =
    entryBytes === undefined ? undefined : Sample.keysWithin(readBytes / 2, entryBytes, mostKeys)
  const keysEach = looked.keysEach ?? sampledEach
  const ranges = Layout.ranges(destinationPrefix, names, { keysEach: keysEach ?? mostKeys }, kv.isNameable)
  const read = Effect.fnUntraced(function* (range: KeyRange) {
    const { exact, prefix } = range
    const known = isTrusted && !hasAny(different, range) ? looked.parts.get(id(range)) : undefined
    if (known !== undefined && !exact && ranges.length > 1) {
      const now = RangeVersion.of(yield* kv.moved(prefix, { ...current, separator: looked.separator }))
      if (RangeVersion.equals(known, now)) {
        parts.set(id(range), now)
        return []
      }
    }
    const found: Array<Diff.Found> = []
    const there: Array<string> = []
    let hasKeys = false
    const index = yield* PiecewiseRead.readInPieces(reads, range, readBytes, (piece, { value }) =>
      Effect.sync(() => {
        hasKeys ||= RangeVersion.hasKeys(value)
        found.push(Diff.learn(contents, mapping, piece, value.entries, value.malformed))
        for (const { key } of value.entries) there.push(key)
        for (const { key } of value.malformed) there.push(key)
      })
    )
    parts.set(id(range), { index, hasKeys })
    // What was known and was not listed when the range was divided is in none of its pieces.
    const between = found.length > 1 ? contents.absent(range, there) : []
    for (const key of between) contents.delete(key)
    const changed = found.flatMap(({ changed }) => changed)
    const missing = [...found.flatMap(({ missing }) => missing), ...between]
    const extra = found.flatMap(({ extra }) => extra)
    return changed.length + missing.length + extra.length === 0
      ? []
      : [{ range, found: { changed, missing, extra } }]
  })
  const drifted = yield* Effect.forEach(ranges, read, { concurrency })
  const separator = Layout.separator(destinationPrefix, names)
  return { looked: { version, at, parts, separator, keysEach }, drifted: drifted.flat() }
})
