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
import type { ConsulError } from "../../ConsulError.js"
import type { Consul } from "../../ConsulHttp.js"
import { contains, id, type KeyRange } from "../../KeyRange.js"
import * as PiecewiseRead from "../consul/PiecewiseRead.js"
import * as RangeVersion from "../consul/RangeVersion.js"
import { inTurns, type Steps, stepSize } from "../effect/EventLoop.js"
import * as Monotonic from "../effect/Monotonic.js"
import type { DestinationIndex } from "../plan/DestinationIndex.js"
import * as Diff from "../plan/Diff.js"
import {
  type DestinationKey,
  destinationKey,
  destinationKeys,
  isReplicated,
  type Mapping
} from "../plan/Mapping.js"
import { sorted } from "../plan/SortKeys.js"
import * as Schedules from "../Schedules.js"
import * as Sample from "../source/Sample.js"
import * as ShardLayout from "../source/ShardLayout.js"
import * as Weights from "../source/Weights.js"

/** What a look that was interrupted has still to do. */
interface Rest {
  readonly ranges: ReadonlyArray<KeyRange>
  /** Names in order that were known or listed, but not both. */
  readonly different: ReadonlyArray<DestinationKey>
  /** Versions of ranges in the look before. */
  readonly known: ReadonlyMap<string, RangeVersion.RangeVersion>
  /** When that look began (ms, monotonic). */
  readonly knownAt: number
}

/** What the last look at the destination has shown. */
export interface ScanCursor {
  /** Of the prefix; none before the first look. */
  readonly version: RangeVersion.RangeVersion | undefined
  /** When it began (ms, monotonic). */
  readonly at: number
  /** Versions of the ranges that the prefix was read in, by their ids. */
  readonly parts: ReadonlyMap<string, RangeVersion.RangeVersion>
  /** What folds the names of the keys best. */
  readonly separator: string
  /** About how many keys a range has, fewer where they are heavy; none while that is not known. */
  readonly keysEach: number | undefined
  /** None if the look is complete. */
  readonly rest: Rest | undefined
}

export const startOfScan: ScanCursor = {
  version: undefined,
  at: 0,
  parts: new Map(),
  separator: "/",
  keysEach: undefined,
  rest: undefined
}

/** A range of the destination that holds something other than was believed. */
export interface DriftedRange {
  readonly range: KeyRange
  readonly found: Diff.DriftedKeys
}

/** Reads at once. */
const concurrency = 4

/** The most bytes of one answer: what is read at once holds four times as many. */
const readBytes = 4 * 1024 * 1024

const current = { consistency: "consistent" } as const

/** All keys that were known or are listed, in order, and those that were only either, in order. */
function* compareNames(
  mapping: Mapping,
  listed: ReadonlyArray<DestinationKey>,
  contents: DestinationIndex
): Steps<{
  readonly names: ReadonlyArray<DestinationKey>
  readonly different: ReadonlyArray<DestinationKey>
}> {
  const names: Array<DestinationKey> = []
  const different: Array<DestinationKey> = []
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
const hasAny = (names: ReadonlyArray<DestinationKey>, range: KeyRange): boolean => {
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

const nothingKnown: Rest["known"] = new Map()

/**
 * Brings `contents` up to date with the destination, and says where it was not. A part that is read at once holds about
 * `mostKeys` keys, or fewer where they are heavy. After about `mostBytes` of answers the look is interrupted: who goes on
 * with what it has shown (`cursor`) has the rest.
 */
export const scan = Effect.fn("Survey")(function* (
  kv: Pick<Consul["kv"], "entry" | "isNameable" | "keys" | "list" | "moved">,
  mapping: Mapping,
  contents: DestinationIndex,
  cursor: ScanCursor,
  mostKeys: number,
  mostBytes: number = Number.POSITIVE_INFINITY
): Effect.fn.Return<
  { readonly cursor: ScanCursor; readonly drifted: ReadonlyArray<DriftedRange> },
  ConsulError
> {
  const { destinationPrefix } = mapping
  const at = yield* Monotonic.now
  const isRecent = (then: number) => at - then < Duration.toMillis(Schedules.indexMaxAge)
  if (cursor.version !== undefined && cursor.rest === undefined && isRecent(cursor.at)) {
    // Folded, an answer is small, and its index that of the whole prefix all the same.
    const now = RangeVersion.of(yield* kv.moved(destinationPrefix, { separator: cursor.separator }))
    if (RangeVersion.equals(cursor.version, now)) return { cursor: { ...cursor, at }, drifted: [] }
  }
  const reads: PiecewiseRead.Reads = {
    read: ({ exact, prefix }, options) => (exact ? kv.entry(prefix, options) : kv.list(prefix, options)),
    names: kv.keys,
    isNameable: kv.isNameable
  }
  const begin = Effect.gen(function* () {
    const listing = yield* kv.keys(destinationPrefix, current)
    const version = RangeVersion.of({ ...listing, value: listing.value.length > 0 })
    const { different, names } = yield* inTurns(() =>
      compareNames(mapping, destinationKeys(listing.value), contents)
    )
    const entryBytes = cursor.keysEach === undefined ? yield* Sample.entryBytes(reads.read, names) : undefined
    const sampledEach =
      entryBytes === undefined ? undefined : Sample.keysWithin(readBytes / 2, entryBytes, mostKeys)
    const keysEach = cursor.keysEach ?? sampledEach
    const size = { keysEach: keysEach ?? mostKeys }
    const ranges = ShardLayout.ranges(destinationPrefix, names, size, kv.isNameable)
    // One range has the version of the prefix.
    const known = ranges.length > 1 ? cursor.parts : nothingKnown
    const separator = ShardLayout.separator(destinationPrefix, names)
    return {
      cursor: { version, at, separator, keysEach },
      rest: { ranges, different, known, knownAt: cursor.at }
    }
  })
  const begun =
    cursor.rest !== undefined
      ? { cursor, rest: cursor.rest, done: cursor.parts }
      : { ...(yield* begin), done: nothingKnown }
  const { different, known, knownAt, ranges } = begun.rest
  const parts = new Map(begun.done)
  const left: Array<KeyRange> = []
  // To list and compare many names has taken a turn.
  const isTurnOver = cursor.rest === undefined && contents.size > stepSize && Number.isFinite(mostBytes)
  let bytes = isTurnOver ? mostBytes : 0
  const read = Effect.fnUntraced(function* (range: KeyRange) {
    const { exact, prefix } = range
    if (bytes > 0 && bytes >= mostBytes) {
      left.push(range)
      return []
    }
    const before = isRecent(knownAt) && !hasAny(different, range) ? known.get(id(range)) : undefined
    if (before !== undefined && !exact) {
      const now = RangeVersion.of(yield* kv.moved(prefix, { ...current, separator: cursor.separator }))
      if (RangeVersion.equals(before, now)) {
        parts.set(id(range), now)
        return []
      }
    }
    const found: Array<Diff.DriftedKeys> = []
    const there: Array<DestinationKey> = []
    let hasKeys = false
    const index = yield* PiecewiseRead.readInPieces(reads, range, readBytes, (piece, { value }) =>
      Effect.sync(() => {
        bytes += Weights.bytesOf(value)
        hasKeys ||= RangeVersion.hasKeys(value)
        found.push(Diff.updateContents(contents, mapping, piece, value.entries, value.malformed))
        for (const { key } of value.entries) there.push(destinationKey(key))
        for (const { key } of value.malformed) there.push(destinationKey(key))
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
  const rest = left.length === 0 ? undefined : { ...begun.rest, ranges: left }
  return { cursor: { ...begun.cursor, parts, rest }, drifted: drifted.flat() }
})
