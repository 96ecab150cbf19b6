/**
 * Turns events of the watcher into a plan: what must change at the destination so that it equals what was read of the source.
 * Nothing is written here.
 */

import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ConsulError } from "../../ConsulError.js"
import * as KeyRange from "../../KeyRange.js"
import type { Replication } from "../../Replication.js"
import type { CaughtUp, WatchEvent } from "../../WatchEvent.js"
import { Watcher } from "../../Watcher.js"
import { isComparing, type ReplicaState } from "../destination/ReplicaState.js"
import type { Oddities } from "../report/Oddities.js"
import { ChangeSet } from "./ChangeSet.js"
import type { Compared } from "./Compared.js"
import * as DeletePolicy from "./DeletePolicy.js"
import * as Deletion from "./Deletion.js"
import * as Exclusion from "./Exclusion.js"
import { type Mapping, rangeAtDestination, sourceKeys } from "./Mapping.js"
import { planWrites } from "./PlannedChanges.js"
import type * as SnapshotCheck from "./SnapshotCheck.js"
import type { SourceUnreadable } from "./SourceUnreadable.js"

/** The changes of one pass. */
export interface Plan {
  /** The state after the pass. Whoever applies the plan sets `index`, and the `writes` of the comparison. */
  readonly state: ReplicaState
  readonly changes: ChangeSet
  /** Index of the source up to which the plan holds everything; none if it holds parts only. */
  readonly index: Option.Option<number>
  /** Whether the plan holds changes newer than `index`. */
  readonly aheadOfCheckpoint: boolean
}

/**
 * Looks at an event before it is added to a plan. The contents of `state` are those before that. Returns the names that the
 * source lists although the answers of the event had no keys.
 */
export type Examine = (
  state: ReplicaState,
  event: WatchEvent
) => Effect.Effect<ReadonlyArray<string>, ConsulError | SourceUnreadable>

export interface Planner {
  /** Plans what events change. */
  readonly planEvents: (
    state: ReplicaState,
    events: ReadonlyArray<WatchEvent>
  ) => Effect.Effect<Plan, ConsulError | SourceUnreadable>
  /** Plans what consistent reads of ranges change. The ranges have no key in common. */
  readonly planConfirmed: (
    state: ReplicaState,
    confirmed: ReadonlyArray<Compared>
  ) => Effect.Effect<Plan, ConsulError>
}

/** A plan in progress. */
interface DraftPlan extends Plan {
  /** Number of deletes that were made complete by a `CaughtUp` of this plan. */
  readonly completedDeletes: number
  /** What snapshots of the source lacked, since then. */
  readonly lacking: Deletion.Lacking
  /** Whether every key was read since then, by a snapshot of the whole prefix. */
  readonly isWhole: boolean
}

const emptyDraft = (state: ReplicaState, changes: ChangeSet): DraftPlan => ({
  state,
  changes,
  index: Option.none(),
  aheadOfCheckpoint: false,
  completedDeletes: 0,
  lacking: Deletion.nothingLacking,
  isWhole: false
})

const begin = (state: ReplicaState): DraftPlan => {
  const keys = isComparing(state) ? state.comparison.keysAtStart : state.contents.size
  return emptyDraft(state, new ChangeSet(keys, state.deletesSinceComplete))
}

/** Everything up to `index` was read and decided: what shards lacked before does not count any more. */
const completedAt = (state: ReplicaState, changes: ChangeSet, index: number): DraftPlan => {
  state.comparison.createdByComparison.clear()
  return {
    ...emptyDraft(state, changes),
    index: Option.some(index),
    completedDeletes: state.deletesSinceComplete
  }
}

/** Every range was read up to an index: decides on what the ranges lacked, and on what no range covers. */
const addCaughtUp = Effect.fnUntraced(function* (
  deciding: Deletion.Deciding,
  draft: DraftPlan,
  { index, layoutChanged, names }: CaughtUp
) {
  const { changes, isWhole, lacking } = draft
  if (isWhole) return completedAt(yield* Deletion.decideOnWhole(deciding, draft, lacking), changes, index)
  const decided = yield* Deletion.decideOnShards(deciding, draft, lacking)
  const isUnsettled =
    layoutChanged || isComparing(draft.state) || decided.held.size + decided.toReread.size > 0
  const state = isUnsettled
    ? yield* Deletion.decideOnListing(deciding, { state: decided, changes }, sourceKeys(names))
    : decided
  return completedAt({ ...state, approved: DeletePolicy.nothing.approved }, changes, index)
})

const addSnapshot = Effect.fnUntraced(function* (
  deciding: Deletion.Deciding,
  draft: DraftPlan,
  { difference: found, snapshot }: Compared
): Effect.fn.Return<DraftPlan, ConsulError> {
  yield* deciding.oddities.snapshot(snapshot)
  const { changes, lacking } = draft
  const { entries, index, range, totalKeys } = snapshot
  const here = rangeAtDestination(deciding.mapping, range)
  if (Option.isNone(here)) return draft
  const { difference, state } = planWrites(draft.state, changes, here.value, found)
  const { missing, writes } = difference
  changes.reach(index)
  const { comparison } = state
  return {
    ...draft,
    state: {
      ...state,
      comparison: {
        ...comparison,
        compared: comparison.compared + entries.length,
        expectedKeys: Math.max(comparison.expectedKeys, totalKeys)
      }
    },
    aheadOfCheckpoint: draft.aheadOfCheckpoint || writes.length + missing.length > 0,
    lacking: {
      missing: DeletePolicy.missingAfter(lacking.missing, here.value, missing),
      ranges: missing.length === 0 ? lacking.ranges : [...lacking.ranges, range],
      lostAll:
        lacking.lostAll ||
        (missing.length > 0 && Exclusion.coversAll(deciding.mapping.excluded.atSource, entries))
    },
    isWhole: draft.isWhole || KeyRange.equals(range, KeyRange.under(deciding.replication.prefix))
  }
})

/**
 * Reads the source again, consistently, if its answers had no keys although it lists some. Keys that were created after the
 * answers are no contradiction: their own answer brings them.
 */
const addOverlooked = Effect.fnUntraced(function* (
  deciding: Deletion.Deciding,
  draft: DraftPlan,
  event: CaughtUp
): Effect.fn.Return<readonly [DraftPlan, CaughtUp], ConsulError> {
  yield* deciding.pass.pause
  const all = KeyRange.under(deciding.replication.prefix)
  const compared = yield* deciding.check.confirm(draft.state, all)
  const names = compared.snapshot.entries.map(({ key }) => key)
  const overlooked = compared.snapshot.entries.filter(({ createIndex }) => createIndex <= event.index)
  if (overlooked.length === 0) return [draft, event]
  yield* deciding.pass.contradicted(overlooked.length)
  return [yield* addSnapshot(deciding, draft, compared), { ...event, names }]
})

const finish = Effect.fnUntraced(function* (
  deciding: Deletion.Deciding,
  draft: DraftPlan
): Effect.fn.Return<Plan, ConsulError> {
  const { aheadOfCheckpoint, changes, completedDeletes, index, lacking } = draft
  const decided = yield* Deletion.decideOnShards(deciding, draft, lacking)
  const deletesSinceComplete = decided.deletesSinceComplete - completedDeletes
  return { state: { ...decided, deletesSinceComplete }, changes, index, aheadOfCheckpoint }
})

export const make = (options: {
  readonly replication: Replication
  readonly mapping: Mapping
  readonly check: SnapshotCheck.SnapshotCheck
  readonly oddities: Oddities
  readonly examine: Examine
}): Effect.Effect<Planner, never, Watcher> =>
  Effect.map(Watcher, (watcher): Planner => {
    const { check, examine, ...others } = options
    const beginDeciding = Effect.map(
      check.beginPass,
      (pass): Deletion.Deciding => ({ ...others, check, pass, watcher })
    )
    return {
      planEvents: Effect.fnUntraced(function* (state, events) {
        const deciding = yield* beginDeciding
        let draft = begin(state)
        for (const event of events) {
          const listed = yield* examine(draft.state, event)
          if (event._tag === "CaughtUp") {
            let caughtUp = event
            if (listed.length > 0) [draft, caughtUp] = yield* addOverlooked(deciding, draft, event)
            draft = yield* addCaughtUp(deciding, draft, caughtUp)
          } else {
            // A source that restarts again and again, because its answers contradict each other, is read seldom.
            if (event.restarted) yield* deciding.pass.pause
            const compared = yield* check.compare(draft.state, event)
            draft = yield* addSnapshot(deciding, draft, compared)
          }
        }
        const plan = yield* finish(deciding, draft)
        // A range that was read anew shows nothing about the answers to blocking queries.
        if (events.some((event) => event._tag === "Snapshot" && !event.restarted)) yield* deciding.pass.end
        return plan
      }),
      planConfirmed: Effect.fnUntraced(function* (state, confirmed) {
        const deciding = yield* beginDeciding
        let draft = begin(state)
        for (const compared of confirmed) draft = yield* addSnapshot(deciding, draft, compared)
        // To read a range consistently once more would not show more.
        return yield* finish(deciding, { ...draft, lacking: { ...draft.lacking, ranges: [] } })
      })
    }
  })
