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
}

/** A plan in progress: what it changes so far, and the state after that. */
export interface Draft {
  readonly state: ReplicaState
  readonly changes: ChangeSet
}

type Decided = Effect.Effect<ReplicaState, ConsulError>

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

/** Reads keys again, consistently, and plans what that changes. Returns also which of them are missing. */
const reread = Effect.fnUntraced(function* (
  { check, mapping, replication }: Deciding,
  { changes, state }: Draft,
  keys: ReadonlyArray<DestinationKey>
) {
  const missing: Array<DestinationKey> = []
  let read = state
  const ranges =
    keys.length > mostReadAlone ? [KeyRange.under(replication.destinationPrefix)] : keys.map(KeyRange.only)
  for (const range of ranges) {
    const atSource = rangeAtSource(mapping, range)
    if (Option.isNone(atSource)) continue
    const { difference } = yield* check.confirm(read, atSource.value)
    const planned = planWrites(read, changes, range, difference)
    read = planned.state
    missing.push(...planned.difference.missing)
  }
  return { state: read, missing }
})

/**
 * Reads keys that answers of the source lacked, and that it says exist. If an answer lacks a key once more, the source
 * contradicts itself, and the key counts as unreadable.
 */
const rereadPresent = Effect.fnUntraced(function* (
  deciding: Deciding,
  draft: Draft,
  present: ReadonlyArray<DestinationKey>
) {
  if (present.length === 0) return draft.state
  const asked = new Set(present)
  const { missing, state } = yield* reread(deciding, draft, present)
  const reason = "a read of it finds nothing, but the source says that it exists"
  const lacking = missing.filter((key) => asked.has(key)).map((key) => ({ key, reason }))
  return {
    ...state,
    toReread: new Set(without(state.toReread, asked)),
    refused: RefusedKeys.withUnreadable(state.refused, lacking)
  }
})

/**
 * Plans to delete keys that answers of the source lacked, if the source says by name that they do not exist. A key that the
 * token may not read is in no answer: it stays.
 */
const deleteAbsent = Effect.fnUntraced(function* (
  deciding: Deciding,
  { changes, state }: Draft,
  missing: Iterable<DestinationKey>
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
  const isLater = (key: SourceKey) => (created.get(key) ?? 0) > changes.index
  const present = those((key) => !absent.has(key) && !unreadable.has(key) && !isLater(key))
  const toReread = new Set(without(state.toReread, new Set(those((key) => unreadable.has(key)))))
  const read = yield* rereadPresent(deciding, { state: { ...state, toReread }, changes }, present)
  const gone = those((key) => absent.has(key) || isLater(key))
  return planDeletes(read, changes, gone)
})

/** Decides on keys that shards of the source lack. `lostAll` says that one of the shards has lost every key. */
export const decideOnShards = Effect.fnUntraced(function* (
  deciding: Deciding,
  draft: Draft,
  missing: ReadonlyArray<DestinationKey>,
  lostAll: boolean
): Effect.fn.Return<ReplicaState, ConsulError> {
  const { changes } = draft
  if (missing.length === 0) return draft.state
  const state = { ...draft.state, toReread: new Set([...draft.state.toReread, ...missing]) }
  if (!deciding.replication.deletes) return state
  const view = viewOf(deciding, draft)
  const decision = DeletePolicy.ofParts(state, view, missing, lostAll)
  if (decision === "wait") return state
  if (decision === "hold") return { ...state, held: new Set([...state.held, ...missing]) }
  let judged = state
  let doomed = missing
  let present: ReadonlyArray<DestinationKey> = []
  if (decision === "list") {
    const names = sourceKeys(yield* deciding.watcher.names(watched(deciding.replication)))
    const gone = yield* missingFrom(deciding, state, names)
    const { approved, held } = DeletePolicy.ofListing(state, view, gone)
    judged = { ...state, approved, held }
    doomed = missing.filter((key) => approved.has(key))
    present = without(missing, new Set(gone))
  }
  const read = yield* rereadPresent(deciding, { state: judged, changes }, present)
  const left = yield* deleteAbsent(deciding, { state: read, changes }, doomed)
  return { ...left, toReread: new Set([...left.toReread].filter((key) => left.contents.has(key))) }
})

/**
 * Decides on all keys that the source lacks now, or lacked when every shard had been read; `names` is the listing of then.
 */
export const decideOnComplete = Effect.fnUntraced(function* (
  deciding: Deciding,
  { changes, state }: Draft,
  names: ReadonlyArray<SourceKey>
): Effect.fn.Return<ReplicaState, ConsulError> {
  const { replication, watcher } = deciding
  const before = yield* missingFrom(deciding, state, names)
  // Shards told of deletes while they were compared: those keys are in the listing of then.
  const now = sourceKeys(yield* watcher.names({ ...watched(replication), before: names }))
  const missing = new Set(now === names ? before : yield* missingFrom(deciding, state, now))
  // A key that is back may hold another value, which no shard may have brought; or it is gone once more.
  const back = [...new Set([...before, ...state.toReread])].filter(
    (key) => !missing.has(key) && state.contents.has(key)
  )
  const read = yield* reread(deciding, { state, changes }, back)
  for (const key of read.missing) missing.add(key)
  const counted = withDrift(read.state, { extra: missing.size })
  if (!replication.deletes || missing.size === 0) return { ...counted, ...DeletePolicy.nothing }
  const { approved, held } = DeletePolicy.ofListing(counted, viewOf(deciding, { state: counted, changes }), [
    ...missing
  ])
  const judged = { ...counted, approved, held }
  const left = yield* deleteAbsent(deciding, { state: judged, changes }, approved)
  return { ...left, toReread: held }
})

/** Decides on all keys that a snapshot of the whole prefix lacks. */
export const decideOnWhole = (
  deciding: Deciding,
  { changes, state }: Draft,
  missing: ReadonlyArray<DestinationKey>
): Decided => {
  const cleared: ReplicaState = { ...state, ...DeletePolicy.nothing }
  if (!deciding.replication.deletes) return Effect.succeed(cleared)
  return DeletePolicy.allowsWhole(state, viewOf(deciding, { state, changes }), missing.length)
    ? deleteAbsent(deciding, { state: cleared, changes }, missing)
    : Effect.succeed({ ...cleared, held: new Set(missing) })
}
