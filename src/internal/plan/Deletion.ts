/**
 * Plans deletes of keys that the source does not have: {@link DeletePolicy} decides, and the source is asked by name for each key
 * before it is deleted.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ConsulError } from "../../ConsulError.js"
import type * as KeyRange from "../../KeyRange.js"
import { watched } from "../../Replication.js"
import * as RefusedKeys from "../destination/RefusedKeys.js"
import { isComparing, type ReplicaState } from "../destination/ReplicaState.js"
import { inTurns } from "../effect/EventLoop.js"
import type { Deciding, Draft } from "./Deciding.js"
import * as DeletePolicy from "./DeletePolicy.js"
import * as Diff from "./Diff.js"
import { type DestinationKey, nameAtSource, type SourceKey, sourceKeys } from "./Mapping.js"
import { planDeletes, withDrift } from "./PlannedChanges.js"
import {
  type Answers,
  type Existing,
  isInAny,
  rangesOf,
  rereadExisting,
  rereadRanges,
  without
} from "./Reread.js"

/** The keys of the destination that snapshots of the source lacked. */
export interface Lacking {
  readonly missing: ReadonlyArray<DestinationKey>
  /** The ranges of the source that lacked `missing` keys. */
  readonly ranges: ReadonlyArray<KeyRange.KeyRange>
  /** Whether one of the ranges has lost every key. */
  readonly lostAll: boolean
}

export const nothingLacking: Lacking = { missing: [], ranges: [], lostAll: false }

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

/** The answers of the source about keys of the destination, for which it was asked by name. */
interface ByName extends Existing {
  readonly absent: ReadonlyArray<DestinationKey>
  /** The token may not read these keys, so that they are in no answer. */
  readonly unreadable: ReadonlySet<DestinationKey>
}

/** Asks the source by name for keys that its answers lacked. The second time, a key that exists was not created after them. */
const askByName = Effect.fnUntraced(function* (
  { mapping, oddities, replication, watcher }: Deciding,
  readUpTo: number,
  missing: Iterable<DestinationKey>,
  isSecondTime = false
): Effect.fn.Return<ByName, ConsulError> {
  const keys = new Map<SourceKey, DestinationKey>()
  for (const key of missing) {
    const atSource = nameAtSource(mapping, key)
    // The source cannot be asked for a key that is not in the destination prefix: such a key stays.
    if (Option.isSome(atSource)) keys.set(atSource.value, key)
  }
  const absent: Array<DestinationKey> = []
  const unreadable = new Set<DestinationKey>()
  const contradicting: Array<DestinationKey> = []
  const created: Array<DestinationKey> = []
  if (keys.size === 0) return { absent, unreadable, contradicting, created }
  const presence = yield* watcher.presence({ ...watched(replication), keys: [...keys.keys()] })
  yield* oddities.hidden([...presence.unreadable])
  for (const [atSource, key] of keys) {
    if (presence.absent.has(atSource)) absent.push(key)
    else if (presence.unreadable.has(atSource)) unreadable.add(key)
    else if (!isSecondTime && (presence.created.get(atSource) ?? 0) > readUpTo) created.push(key)
    else contradicting.push(key)
  }
  return { absent, unreadable, contradicting, created }
})

/**
 * Plans to delete keys that answers of the source lacked, if the source says by name that they do not exist. A key that the
 * token may not read is in no answer: it stays. A key that was created after its range was read stays, and its range is read
 * again: the key alone, beside the earlier content of its range, would mix two states of the source. If the key is deleted again
 * before that, the source is asked for it by name a second time.
 */
const deleteAnswered = Effect.fnUntraced(function* (
  deciding: Deciding,
  { changes, state }: Draft,
  { absent, contradicting, created, unreadable }: ByName,
  lackedBy: Answers
): Effect.fn.Return<ReplicaState, ConsulError> {
  const asked = { ...state, toReread: new Set(without(state.toReread, unreadable)) }
  const existing = { contradicting, created }
  const reread = yield* rereadExisting(deciding, { state: asked, changes }, existing, lackedBy)
  const missingStill = new Set(reread.missing)
  const isRead = isInAny(reread.ranges)
  const gone = absent.filter((key) => missingStill.has(key) || !isRead(key))
  const planned = planDeletes(reread.state, changes, gone)
  const goneAgain = created.filter((key) => missingStill.has(key))
  if (goneAgain.length === 0) return planned
  const answer = yield* askByName(deciding, changes.index, goneAgain, true)
  const noAnswers = { ranges: [], doubtful: false }
  return yield* deleteAnswered(deciding, { state: planned, changes }, answer, noAnswers)
})

const deleteAbsent = (
  deciding: Deciding,
  draft: Draft,
  missing: Iterable<DestinationKey>,
  lackedBy: Answers
): Effect.Effect<ReplicaState, ConsulError> =>
  Effect.flatMap(askByName(deciding, draft.changes.index, missing), (answer) =>
    deleteAnswered(deciding, draft, answer, lackedBy)
  )

/** Lists the source. Returns the keys that the list lacks. Reads `lacked` keys again that it has. */
const listAgain = Effect.fnUntraced(function* (
  deciding: Deciding,
  { changes, state }: Draft,
  lacked: ReadonlyArray<DestinationKey>,
  ranges: ReadonlyArray<KeyRange.KeyRange>
) {
  const names = sourceKeys(yield* deciding.watcher.names(watched(deciding.replication)))
  const gone = yield* missingFrom(deciding, state, names)
  const present = without(lacked, new Set(gone))
  const existing = { contradicting: present, created: [] }
  const reread = yield* rereadExisting(deciding, { state, changes }, existing, { ranges, doubtful: true })
  return { gone, state: reread.state }
})

/** An empty answer is doubtful also without deletes: it may lack changes. */
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
  const doubtful = decision === "list"
  if (doubtful) {
    yield* deciding.pass.pause
    const listed = yield* listAgain(deciding, { state, changes }, missing, ranges)
    const { approved, held } = DeletePolicy.ofListing(listed.state, view, listed.gone)
    judged = { ...listed.state, approved, held }
    doomed = missing.filter((key) => approved.has(key))
  }
  const left = yield* deleteAbsent(deciding, { state: judged, changes }, doomed, { ranges, doubtful })
  return { ...left, toReread: new Set([...left.toReread].filter((key) => left.contents.has(key))) }
})

/** Decides on all keys that the source lacks now, or lacked in `names`, the listing of when every shard had been read. */
export const decideOnListing = Effect.fnUntraced(function* (
  deciding: Deciding,
  { changes, state }: Draft,
  names: ReadonlyArray<SourceKey>
): Effect.fn.Return<ReplicaState, ConsulError> {
  const { replication, watcher } = deciding
  const before = yield* missingFrom(deciding, state, names)
  // A shard may have lacked, while it was compared, a key that this listing has.
  const now = sourceKeys(yield* watcher.names({ ...watched(replication), before: names }))
  const missing = new Set(now === names ? before : yield* missingFrom(deciding, state, now))
  // A key that the source has again may have another value, which no shard has shown, or it may be deleted again.
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
  const left = yield* deleteAbsent(deciding, { state: judged, changes }, approved, {
    ranges: [],
    doubtful: false
  })
  return { ...left, toReread: held }
})

/**
 * Decides on all keys that the source lacks, when a snapshot of the whole prefix was read. That snapshot covers every key, so the
 * source is listed only before keys are held that were not held before. If the source has created some of the keys again, and
 * the prefix `mayBeRead` once more, returns none: another snapshot is to decide, so that the destination is as the source was at
 * one index.
 */
export const decideOnWhole = Effect.fnUntraced(function* (
  deciding: Deciding,
  draft: Draft,
  lacking: Lacking,
  mayBeRead: boolean
): Effect.fn.Return<Option.Option<ReplicaState>, ConsulError> {
  const { lostAll, missing, ranges } = lacking
  const { changes } = draft
  const counted = withDrift(draft.state, { extra: missing.length })
  const settled: ReplicaState = { ...counted, ...DeletePolicy.nothing }
  if (missing.length === 0) return Option.some(settled)
  if (!deciding.replication.deletes) {
    return Option.some(yield* confirmEmptied(deciding, { state: settled, changes }, lacking))
  }
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
  const answer = yield* askByName(deciding, changes.index, doomed)
  if (mayBeRead && answer.created.length > 0) return Option.none()
  const left = yield* deleteAnswered(deciding, { state, changes }, answer, {
    ranges,
    doubtful: isSuspicious
  })
  return Option.some({ ...left, held: judged.held, toReread: judged.held })
})
