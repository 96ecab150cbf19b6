/**
 * Scans the destination for drift: reads the ranges that have moved since the scan before.
 *
 * A range that has the same version ({@link RangeVersion}) as in the scan before is not read again, except if the listed names
 * differ from the names in the contents. Versions belong to one history. `consul snapshot restore` begins another history, in
 * which the same indexes may come again. But the status key goes back with it, unless nothing was written since the snapshot:
 * `Replica.reconcile` verifies the status key before each scan.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { ConsulError } from "../../ConsulError.js"
import type { Consul } from "../../ConsulHttp.js"
import { contains, id, type KeyRange } from "../../KeyRange.js"
import * as PiecewiseRead from "../consul/PiecewiseRead.js"
import * as RangeVersion from "../consul/RangeVersion.js"
import * as RequestTimes from "../consul/RequestTimes.js"
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
import * as Sample from "../source/Sample.js"
import * as ShardLayout from "../source/ShardLayout.js"
import * as Weights from "../source/Weights.js"

/** The rest of a scan that was interrupted. */
interface Rest {
  /** The ranges that were not read yet. */
  readonly ranges: ReadonlyArray<KeyRange>
  /** Names, in order, that were either in the contents or in the listing, but not in both. */
  readonly different: ReadonlyArray<DestinationKey>
  /** Versions of ranges in the scan before, by the ids of the ranges. */
  readonly before: ReadonlyMap<string, RangeVersion.RangeVersion>
  /** When the scan before began: ms, monotonic. */
  readonly beforeAt: number
}

/** The result of the last scan that the next one begins with. */
export interface ScanCursor {
  /** Version of the prefix; none before the first scan. */
  readonly version: RangeVersion.RangeVersion | undefined
  /** When the scan began: ms, monotonic. */
  readonly at: number
  /** Versions of the ranges that the prefix was read in, by their ids. */
  readonly parts: ReadonlyMap<string, RangeVersion.RangeVersion>
  /** The separator that folds the names of the keys to the shortest list. */
  readonly separator: string
  /** About how many keys a range has, fewer if their values are heavy; none before the weight of the values was sampled. */
  readonly keysEach: number | undefined
  /** None if the scan is complete. */
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

/** A range of the destination with keys that differ from the contents. */
export interface DriftedRange {
  readonly range: KeyRange
  readonly keys: Diff.DriftedKeys
}

/** The members of the client that a scan calls. */
type DestinationReads = Pick<Consul["kv"], "entry" | "isNameable" | "keys" | "list" | "moved">

/** The services and settings of a scan. */
interface Scan {
  readonly kv: DestinationReads
  readonly reads: PiecewiseRead.Reads
  readonly mapping: Mapping
  readonly contents: DestinationIndex
  /** The most keys of a range. */
  readonly mostKeys: number
  /** After about so many bytes of answers, the scan is interrupted. */
  readonly mostBytes: number
  /** When the scan began: ms, monotonic. */
  readonly at: number
}

/** A scan in progress. Mutable: the reads that run at the same time share it. */
interface Progress {
  /** Versions of the ranges that were read, by their ids. */
  readonly parts: Map<string, RangeVersion.RangeVersion>
  /** Ranges that were left for the next scan. */
  readonly left: Array<KeyRange>
  /** Bytes of the answers. */
  bytes: number
}

/** The most ranges that are read at the same time. */
const concurrency = 4

/** The most bytes of one answer: the reads that run at the same time hold four times as many. */
const readBytes = 4 * 1024 * 1024

const current = { consistency: "consistent" } as const

/** The names that are in the contents or in the listing, in order, and the names that are not in both, in order. */
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
  const keys = contents.keys()
  let next = keys.next()
  let count = 0
  for (const name of sorted(listed)) {
    if (++count % stepSize === 0) yield
    if (!isReplicated(mapping, name)) continue
    for (; next.done !== true && next.value < name; next = keys.next()) {
      names.push(next.value)
      different.push(next.value)
    }
    names.push(name)
    if (next.done !== true && next.value === name) next = keys.next()
    else different.push(name)
  }
  for (; next.done !== true; next = keys.next()) {
    names.push(next.value)
    different.push(next.value)
  }
  return { names, different }
}

/** Whether one of `names`, which are in order, is in the range. */
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

const noVersions: Rest["before"] = new Map()

const isRecent = ({ at }: Scan, before: number): boolean =>
  at - before < Duration.toMillis(RequestTimes.indexMaxAge)

/** Whether the prefix has the version that a complete scan has read. */
const isUnchanged = Effect.fnUntraced(function* (
  scan: Scan,
  { at, rest, separator, version }: ScanCursor
): Effect.fn.Return<boolean, ConsulError> {
  if (version === undefined || rest !== undefined || !isRecent(scan, at)) return false
  // A folded answer is small, and has the index of the whole prefix all the same.
  const now = RangeVersion.of(yield* scan.kv.moved(scan.mapping.destinationPrefix, { separator }))
  return RangeVersion.equals(version, now)
})

/** Lists the destination, and divides it into ranges. */
const begin = Effect.fnUntraced(function* (
  { at, contents, kv, mapping, mostKeys, reads }: Scan,
  { at: beforeAt, keysEach: keysBefore, parts }: ScanCursor
): Effect.fn.Return<ScanCursor & { readonly rest: Rest }, ConsulError> {
  const { destinationPrefix } = mapping
  const listing = yield* kv.keys(destinationPrefix, current)
  const version = RangeVersion.of({ ...listing, value: listing.value.length > 0 })
  const { different, names } = yield* inTurns(() =>
    compareNames(mapping, destinationKeys(listing.value), contents)
  )
  const entryBytes = keysBefore === undefined ? yield* Sample.entryBytes(reads.read, names) : undefined
  const sampledEach =
    entryBytes === undefined ? undefined : Sample.keysWithin(readBytes / 2, entryBytes, mostKeys)
  const keysEach = keysBefore ?? sampledEach
  const size = { keysEach: keysEach ?? mostKeys }
  const ranges = ShardLayout.ranges(destinationPrefix, names, size, kv.isNameable)
  // A single range is the whole prefix, whose version has changed.
  const before = ranges.length > 1 ? parts : noVersions
  const separator = ShardLayout.separator(destinationPrefix, names)
  const rest = { ranges, different, before, beforeAt }
  return { version, at, separator, keysEach, parts: noVersions, rest }
})

/** The version of a range that the scan before has read, if that is recent and no name of the range differs. */
const versionBefore = (scan: Scan, { before, beforeAt, different }: Rest, range: KeyRange) =>
  isRecent(scan, beforeAt) && !hasAny(different, range) ? before.get(id(range)) : undefined

/** Reads a range, and brings the contents up to date with it. */
const readRange = Effect.fnUntraced(function* (
  { contents, mapping, reads }: Scan,
  progress: Progress,
  range: KeyRange
): Effect.fn.Return<ReadonlyArray<DriftedRange>, ConsulError> {
  const drifted: Array<Diff.DriftedKeys> = []
  const present: Array<DestinationKey> = []
  let hasKeys = false
  const index = yield* PiecewiseRead.readInPieces(reads, range, readBytes, (piece, { value }) =>
    Effect.sync(() => {
      progress.bytes += Weights.bytesOf(value)
      hasKeys ||= RangeVersion.hasKeys(value)
      drifted.push(Diff.updateContents(contents, mapping, piece, value.entries, value.malformed))
      for (const { key } of value.entries) present.push(destinationKey(key))
      for (const { key } of value.malformed) present.push(destinationKey(key))
    })
  )
  progress.parts.set(id(range), { index, hasKeys })
  // A key of the contents that was not listed when the range was divided is in none of the pieces.
  const between = drifted.length > 1 ? contents.absent(range, present) : []
  for (const key of between) contents.delete(key)
  const changed = drifted.flatMap(({ changed }) => changed)
  const missing = [...drifted.flatMap(({ missing }) => missing), ...between]
  const extra = drifted.flatMap(({ extra }) => extra)
  return changed.length + missing.length + extra.length === 0
    ? []
    : [{ range, keys: { changed, missing, extra } }]
})

/** Reads a range, unless it has the version of the scan before, or the scan has read enough. */
const scanRange = Effect.fnUntraced(function* (
  scan: Scan,
  { rest, separator }: ScanCursor & { readonly rest: Rest },
  progress: Progress,
  range: KeyRange
): Effect.fn.Return<ReadonlyArray<DriftedRange>, ConsulError> {
  const { bytes, left, parts } = progress
  if (bytes > 0 && bytes >= scan.mostBytes) {
    left.push(range)
    return []
  }
  const before = versionBefore(scan, rest, range)
  if (before !== undefined && !range.exact) {
    const now = RangeVersion.of(yield* scan.kv.moved(range.prefix, { ...current, separator }))
    if (RangeVersion.equals(before, now)) {
      parts.set(id(range), now)
      return []
    }
  }
  return yield* readRange(scan, progress, range)
})

/**
 * Brings `contents` up to date with the destination, and returns the ranges that differed. A range that is read at once has
 * about `mostKeys` keys, or fewer if their values are heavy. After about `mostBytes` of answers the scan is interrupted: a call
 * with the returned cursor does the rest.
 */
export const scan = Effect.fn("DriftScan.scan")(function* (
  kv: DestinationReads,
  mapping: Mapping,
  contents: DestinationIndex,
  cursor: ScanCursor,
  mostKeys: number,
  mostBytes: number = Number.POSITIVE_INFINITY
): Effect.fn.Return<
  { readonly cursor: ScanCursor; readonly drifted: ReadonlyArray<DriftedRange> },
  ConsulError
> {
  const reads: PiecewiseRead.Reads = {
    read: ({ exact, prefix }, options) => (exact ? kv.entry(prefix, options) : kv.list(prefix, options)),
    names: kv.keys,
    isNameable: kv.isNameable
  }
  const at = yield* Monotonic.now
  const scanning: Scan = { kv, reads, mapping, contents, mostKeys, mostBytes, at }
  if (yield* isUnchanged(scanning, cursor)) return { cursor: { ...cursor, at }, drifted: [] }
  const { rest } = cursor
  const begun = rest === undefined ? yield* begin(scanning, cursor) : { ...cursor, rest }
  // The listing and the comparison of many names count as the whole work of a call.
  const isTurnOver = rest === undefined && contents.size > stepSize && Number.isFinite(mostBytes)
  const progress: Progress = { parts: new Map(begun.parts), left: [], bytes: isTurnOver ? mostBytes : 0 }
  const drifted = yield* Effect.forEach(
    begun.rest.ranges,
    (range) => scanRange(scanning, begun, progress, range),
    { concurrency }
  )
  const { left, parts } = progress
  const unread = left.length === 0 ? undefined : { ...begun.rest, ranges: left }
  return { cursor: { ...begun, parts, rest: unread }, drifted: drifted.flat() }
})
