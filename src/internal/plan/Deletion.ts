/**
 * What becomes of keys of the destination that the source does not have: {@link DeletePolicy} decides, and the source is
 * asked by name for each key before it goes.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ConsulError } from "../../ConsulError.js"
import * as KeyRange from "../../KeyRange.js"
import { type Replication, watched } from "../../Replication.js"
import type { Watcher } from "../../Watcher.js"
import * as RefusedKeys from "../destination/RefusedKeys.js"
import { isComparing, type ReplicaState } from "../destination/ReplicaState.js"
import { inTurns } from "../effect/EventLoop.js"
import type { Oddities } from "../report/Oddities.js"
import type { ChangeSet } from "./ChangeSet.js"
import * as DeletePolicy from "./DeletePolicy.js"
import * as Diff from "./Diff.js"
import {
  type DestinationKey,
  type Mapping,
  nameAtSource,
  rangeAtDestination,
  rangeAtSource,
  type SourceKey,
  sourceKeys
} from "./Mapping.js"
import { planDeletes, planWrites, withDrift } from "./PlannedChanges.js"
import type * as SnapshotCheck from "./SnapshotCheck.js"

/** What deciding needs beside the state. */
export interface Deciding {
  readonly replication: Replication
  readonly mapping: Mapping
  readonly watcher: Watcher["Type"]
  readonly check: SnapshotCheck.SnapshotCheck
  readonly oddities: Oddities
  readonly pass: SnapshotCheck.Pass
}

/** What snapshots of the source lacked. */
export interface Lacking {
  /** Keys of the destination. */
  readonly missing: ReadonlyArray<DestinationKey>
  /** The ranges of the source that lacked them. */
  readonly ranges: ReadonlyArray<KeyRange.KeyRange>
  /** Whether one of the ranges has lost every key. */
  readonly lostAll: boolean
}

export const nothingLacking: Lacking = { missing: [], ranges: [], lostAll: false }

/** A plan in progress: what it changes so far, and the state after that. */
export interface Draft {
  readonly state: ReplicaState
  readonly changes: ChangeSet
}

/** Keys are read one by one up to so many. Of more, the whole prefix is read. */
const mostReadAlone = 64

const viewOf = ({ replication }: Deciding, { changes, state }: Draft): DeletePolicy.View => {
  const { comparison, contents } = state
  return {
    limit: replication.maxDeletes,
    keysBefore: changes.keysBefore,
    deletesBefore: changes.deletesBefore,
    comparison: isComparing(state)
      ? Option.some({
          wasHolding: comparison.wasHolding,
          created: comparison.createdByComparison,
          keysNow: contents.size
        })
      : Option.none()
  }
}

const without = (
  keys: Iterable<DestinationKey>,
  others: ReadonlySet<DestinationKey>
): ReadonlyArray<DestinationKey> => Array.from(keys).filter((key) => !others.has(key))

/** Keys of the destination that a listing of the source lacks, except those that the destination refuses to delete. */
const missingFrom = (
  { mapping }: Deciding,
  { contents, refused }: ReplicaState,
  names: ReadonlyArray<SourceKey>
): Effect.Effect<ReadonlyArray<DestinationKey>> =>
  Effect.map(
    inTurns(() => Diff.goneInSteps(contents, mapping, names)),
    (missing) => missing.filter((key) => !RefusedKeys.isDelete(refused, key))
  )

/** Reads ranges of the source again, consistently, and plans what that changes. Returns also which keys are missing. */
const rereadRanges = Effect.fnUntraced(function* (
  { check, mapping }: Deciding,
  { changes, state }: Draft,
  ranges: ReadonlyArray<KeyRange.KeyRange>
) {
  const missing: Array<DestinationKey> = []
  let read = state
  for (const range of ranges) {
    const here = rangeAtDestination(mapping, range)
    if (Option.isNone(here)) continue
    const { difference, snapshot } = yield* check.confirm(read, range)
    changes.reach(snapshot.index)
    const planned = planWrites(read, changes, here.value, difference)
    read = planned.state
    missing.push(...planned.difference.missing)
  }
  return { state: read, missing }
})

/** The ranges of the source in which to read keys of the destination again. */
const rangesOf = (
  { mapping, replication }: Deciding,
  keys: ReadonlyArray<DestinationKey>
): ReadonlyArray<KeyRange.KeyRange> =>
  keys.length > mostReadAlone
    ? [KeyRange.under(replication.prefix)]
    : keys.flatMap((key) => Option.toArray(rangeAtSource(mapping, KeyRange.only(key))))

/**
 * Reads again what lacked keys that the source says exist: first the `doubtful` ranges, which may lack more than these keys, and
 * then each key that is missing still. If a read of it alone lacks it once more, the source contradicts itself, and the key
 * counts as unreadable.
 */
const rereadPresent = Effect.fnUntraced(function* (
  deciding: Deciding,
  { changes, state }: Draft,
  present: ReadonlyArray<DestinationKey>,
  doubtful: ReadonlyArray<KeyRange.KeyRange>
) {
  if (present.length === 0) return state
  if (doubtful.length > 0) yield* deciding.pass.contradicted(present.length)
  const holds = (range: KeyRange.KeyRange) => (key: string) =>
    Option.exists(rangeAtDestination(deciding.mapping, range), (here) => KeyRange.contains(here, key))
  const lacked = doubtful.filter((range) => present.some(holds(range)))
  const first = yield* rereadRanges(deciding, { state, changes }, lacked)
  const missing = new Set(first.missing)
  const left = present.filter((key) => missing.has(key) || !lacked.some((range) => holds(range)(key)))
  const second = yield* rereadRanges(deciding, { state: first.state, changes }, rangesOf(deciding, left))
  const asked = new Set(left)
  const reason = "a read of it finds nothing, but the source says that it exists"
  const lacking = second.missing.filter((key) => asked.has(key)).map((key) => ({ key, reason }))
  const toReread: ReplicaState["toReread"] = new Set(without(second.state.toReread, new Set(present)))
  return {
    ...second.state,
    toReread,
    refused: RefusedKeys.withUnreadable(second.state.refused, lacking)
  }
})

/**
 * Plans to delete keys that answers of the source lacked, if the source says by name that they do not exist. A key that the
 * token may not read is in no answer: it stays.
 */
const deleteAbsent = Effect.fnUntraced(function* (
  deciding: Deciding,
  { changes, state }: Draft,
  missing: Iterable<DestinationKey>,
  doubtful: ReadonlyArray<KeyRange.KeyRange>
) {
  const { mapping, oddities, replication, watcher } = deciding
  const keys = new Map<SourceKey, DestinationKey>()
  for (const key of missing) {
    const atSource = nameAtSource(mapping, key)
    // The source cannot be asked for a key that is not in the destination prefix: such a key stays.
    if (Option.isSome(atSource)) keys.set(atSource.value, key)
  }
  if (keys.size === 0) return state
  const { absent, created, unreadable } = yield* watcher.presence({
    ...watched(replication),
    keys: [...keys.keys()]
  })
  yield* oddities.hidden([...unreadable])
  const those = (isSo: (atSource: SourceKey) => boolean) =>
    Array.from(keys).flatMap(([atSource, key]) => (isSo(atSource) ? [key] : []))
  // A key that was created since did not exist when the source was read. Its next answer brings it: to land it now would mix
  // two states of the source.
  const readUpTo = changes.index
  const isLater = (key: SourceKey) => (created.get(key) ?? 0) > readUpTo
  const present = those((key) => !absent.has(key) && !unreadable.has(key) && !isLater(key))
  const toReread = new Set(without(state.toReread, new Set(those((key) => unreadable.has(key)))))
  const read = yield* rereadPresent(deciding, { state: { ...state, toReread }, changes }, present, doubtful)
  const gone = those((key) => absent.has(key) || isLater(key))
  return planDeletes(read, changes, gone)
})

/** Lists the source. Returns the keys that it lacks, and the state after those of `lacked` were read again that it lists. */
const listAgain = Effect.fnUntraced(function* (
  deciding: Deciding,
  { changes, state }: Draft,
  lacked: ReadonlyArray<DestinationKey>,
  doubtful: ReadonlyArray<KeyRange.KeyRange>
) {
  const names = sourceKeys(yield* deciding.watcher.names(watched(deciding.replication)))
  const gone = yield* missingFrom(deciding, state, names)
  const present = without(lacked, new Set(gone))
  const read: ReplicaState = yield* rereadPresent(deciding, { state, changes }, present, doubtful)
  return { gone, state: read }
})

/** Without deletes, an empty answer is doubtful all the same: it may lack changes. */
const confirmEmptied = (deciding: Deciding, draft: Draft, { lostAll, missing, ranges }: Lacking) =>
  lostAll
    ? Effect.zipRight(
        deciding.pass.pause,
        Effect.map(listAgain(deciding, draft, missing, ranges), ({ state }) => state)
      )
    : Effect.succeed(draft.state)

/** Decides on keys that shards of the source lack. */
export const decideOnShards = Effect.fnUntraced(function* (
  deciding: Deciding,
  draft: Draft,
  lacking: Lacking
): Effect.fn.Return<ReplicaState, ConsulError> {
  const { lostAll, missing, ranges } = lacking
  const { changes } = draft
  if (missing.length === 0) return draft.state
  const state: ReplicaState = {
    ...draft.state,
    toReread: new Set([...draft.state.toReread, ...missing])
  }
  if (!deciding.replication.deletes) return yield* confirmEmptied(deciding, { state, changes }, lacking)
  const view = viewOf(deciding, draft)
  const decision = DeletePolicy.ofParts(state, view, missing, lostAll)
  if (decision === "wait") return state
  if (decision === "hold") return { ...state, held: new Set([...state.held, ...missing]) }
  let judged = state
  let doomed = missing
  const doubtful = decision === "list" ? ranges : []
  if (decision === "list") {
    yield* deciding.pass.pause
    const listed = yield* listAgain(deciding, { state, changes }, missing, doubtful)
    const { approved, held } = DeletePolicy.ofListing(listed.state, view, listed.gone)
    judged = { ...listed.state, approved, held }
    doomed = missing.filter((key) => approved.has(key))
  }
  const left = yield* deleteAbsent(deciding, { state: judged, changes }, doomed, doubtful)
  return { ...left, toReread: new Set([...left.toReread].filter((key) => left.contents.has(key))) }
})

/** Decides on all keys that the source lacks now, or lacked when every shard had been read; `names` is the listing of then. */
export const decideOnListing = Effect.fnUntraced(function* (
  deciding: Deciding,
  { changes, state }: Draft,
  names: ReadonlyArray<SourceKey>
): Effect.fn.Return<ReplicaState, ConsulError> {
  const { replication, watcher } = deciding
  const before = yield* missingFrom(deciding, state, names)
  // Shards lacked keys while they were compared that are in the listing of then.
  const now = sourceKeys(yield* watcher.names({ ...watched(replication), before: names }))
  const missing = new Set(now === names ? before : yield* missingFrom(deciding, state, now))
  // A key that is back may hold another value, which no shard may have brought; or it is gone once more.
  const back = [...new Set([...before, ...state.toReread])].filter(
    (key) => !missing.has(key) && state.contents.has(key)
  )
  const read = yield* rereadRanges(deciding, { state, changes }, rangesOf(deciding, back))
  for (const key of read.missing) missing.add(key)
  const counted = withDrift(read.state, { extra: missing.size })
  if (!replication.deletes || missing.size === 0) return { ...counted, ...DeletePolicy.nothing }
  const { approved, held } = DeletePolicy.ofListing(counted, viewOf(deciding, { state: counted, changes }), [
    ...missing
  ])
  const judged = { ...counted, approved, held }
  const left = yield* deleteAbsent(deciding, { state: judged, changes }, approved, [])
  return { ...left, toReread: held }
})

/**
 * Decides on all keys that the source lacks, when a snapshot of the whole prefix was read: no key has another range, so nothing
 * has to be listed, unless keys are to be held that were not held before.
 */
export const decideOnWhole = Effect.fnUntraced(function* (
  deciding: Deciding,
  draft: Draft,
  lacking: Lacking
): Effect.fn.Return<ReplicaState, ConsulError> {
  const { lostAll, missing, ranges } = lacking
  const { changes } = draft
  const counted = withDrift(draft.state, { extra: missing.length })
  const settled: ReplicaState = { ...counted, ...DeletePolicy.nothing }
  if (missing.length === 0) return settled
  if (!deciding.replication.deletes)
    return yield* confirmEmptied(deciding, { state: settled, changes }, lacking)
  const view = viewOf(deciding, { state: counted, changes })
  const isSuspicious = lostAll || !DeletePolicy.isFew(counted, missing)
  const isHeldAlready = missing.every((key) => counted.held.has(key))
  if (isSuspicious && !isHeldAlready) yield* deciding.pass.pause
  let judged = DeletePolicy.ofListing(counted, view, missing)
  let state = settled
  if (judged.held.size > 0 && !isHeldAlready) {
    const listed = yield* listAgain(deciding, { state, changes }, missing, ranges)
    state = listed.state
    judged = DeletePolicy.ofListing(counted, view, listed.gone)
  }
  const doomed = missing.filter((key) => judged.approved.has(key))
  const left = yield* deleteAbsent(deciding, { state, changes }, doomed, isSuspicious ? ranges : [])
  return { ...left, held: judged.held, toReread: judged.held }
})
