/**
 * Turns events of the watcher into a plan: the changes that make the destination equal to the snapshots of the source. The
 * planner writes nothing.
 */

import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ConsulError } from "../../ConsulError.js"
import * as KeyRange from "../../KeyRange.js"
import type { Replication } from "../../Replication.js"
import { Watcher } from "../../Watcher.js"
import { isComparing, type ReplicaState } from "../destination/ReplicaState.js"
import type { Oddities } from "../report/Oddities.js"
import type { CaughtUp, WatchEvent } from "../source/WatchEvent.js"
import { ChangeSet } from "./ChangeSet.js"
import type { Compared } from "./Compared.js"
import type { Deciding } from "./Deciding.js"
import * as DeletePolicy from "./DeletePolicy.js"
import * as Deletion from "./Deletion.js"
import type { EmptySource } from "./EmptySource.js"
import * as Exclusion from "./Exclusion.js"
import type { FirstComparison } from "./FirstComparison.js"
import { type Mapping, rangeAtDestination, sourceKeys } from "./Mapping.js"
import { planWrites } from "./PlannedChanges.js"
import type * as SnapshotCheck from "./SnapshotCheck.js"
import type { SourceUnreadable } from "./SourceUnreadable.js"

/** The changes of one pass. */
export interface Plan {
  /** The state after the pass, except `index` and the `writes` of the comparison, which `Replica.applyPlan` sets. */
  readonly state: ReplicaState
  /** The changes of the destination. */
  readonly changes: ChangeSet
  /** Index of the source up to which the plan has every change; none if the plan is about some ranges only. */
  readonly index: Option.Option<number>
  /** Whether the plan has changes newer than `index`. */
  readonly aheadOfCheckpoint: boolean
}

export interface Planner {
  /** Plans the changes that events of the watcher make. */
  readonly planEvents: (
    state: ReplicaState,
    events: ReadonlyArray<WatchEvent>
  ) => Effect.Effect<Plan, ConsulError | SourceUnreadable>
  /** Plans the changes that consistent reads of ranges make. The ranges have no key in common. */
  readonly planConfirmed: (
    state: ReplicaState,
    confirmed: ReadonlyArray<Compared>
  ) => Effect.Effect<Plan, ConsulError>
}

/** A plan in progress. */
interface DraftPlan extends Plan {
  /** `deletesSinceComplete` of the state at the last `CaughtUp` of this plan. */
  readonly completedDeletes: number
  /** The keys that snapshots of the source have lacked since that `CaughtUp`. */
  readonly lacking: Deletion.Lacking
  /** Index of the last snapshot of the whole prefix that was added since that `CaughtUp`, if any was. */
  readonly wholeIndex: Option.Option<number>
}

const emptyDraft = (state: ReplicaState, changes: ChangeSet): DraftPlan => ({
  state,
  changes,
  index: Option.none(),
  aheadOfCheckpoint: false,
  completedDeletes: 0,
  lacking: Deletion.nothingLacking,
  wholeIndex: Option.none()
})

const begin = (state: ReplicaState): DraftPlan => {
  const keys = isComparing(state) ? state.comparison.keysAtStart : state.contents.size
  return emptyDraft(state, new ChangeSet(keys, state.deletesSinceComplete))
}

/** The draft when every change up to `index` is decided: keys that shards lacked before do not count any more. */
const completedAt = (state: ReplicaState, changes: ChangeSet, index: number): DraftPlan => {
  state.comparison.createdByComparison.clear()
  return {
    ...emptyDraft(state, changes),
    index: Option.some(index),
    completedDeletes: state.deletesSinceComplete
  }
}

const addSnapshot = Effect.fnUntraced(function* (
  deciding: Deciding,
  draft: DraftPlan,
  { difference: compared, snapshot }: Compared
): Effect.fn.Return<DraftPlan, ConsulError> {
  yield* deciding.oddities.snapshot(snapshot)
  const { changes, lacking } = draft
  const { entries, index, range, totalKeys } = snapshot
  const atDestination = rangeAtDestination(deciding.mapping, range)
  if (Option.isNone(atDestination)) return draft
  const { difference, state } = planWrites(draft.state, changes, atDestination.value, compared)
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
      missing: DeletePolicy.missingAfter(lacking.missing, atDestination.value, missing),
      ranges: missing.length === 0 ? lacking.ranges : [...lacking.ranges, range],
      lostAll:
        lacking.lostAll ||
        (missing.length > 0 && Exclusion.coversAll(deciding.mapping.excluded.atSource, entries))
    },
    wholeIndex: KeyRange.equals(range, KeyRange.under(deciding.replication.prefix))
      ? Option.some(index)
      : draft.wholeIndex
  }
})

/** The most reads of the whole prefix before keys that were created again are read alone. */
const mostWholeReads = 3

const readWhole = ({ check, replication }: Deciding, { state }: DraftPlan) =>
  check.confirm(state, KeyRange.under(replication.prefix))

/** Decides on the keys that a snapshot of the whole prefix at `index` lacked, or that a later read of the prefix lacks. */
const decideOnWhole = Effect.fnUntraced(function* (
  deciding: Deciding,
  draft: DraftPlan,
  index: number
): Effect.fn.Return<DraftPlan, ConsulError> {
  let latest = { draft, index }
  for (let reads = 1; ; reads++) {
    const { changes, lacking } = latest.draft
    const state = yield* Deletion.decideOnWhole(deciding, latest.draft, lacking, reads < mostWholeReads)
    if (Option.isSome(state)) return completedAt(state.value, changes, latest.index)
    const compared = yield* readWhole(deciding, latest.draft)
    const before = { ...latest.draft, lacking: Deletion.nothingLacking }
    latest = { draft: yield* addSnapshot(deciding, before, compared), index: compared.snapshot.index }
  }
})

/** Every range was read up to an index: decides on the keys that the ranges lacked, and on the keys that no range covers. */
const addCaughtUp = Effect.fnUntraced(function* (
  deciding: Deciding,
  draft: DraftPlan,
  { index, layoutChanged, names }: CaughtUp
) {
  const { changes, lacking } = draft
  if (Option.isSome(draft.wholeIndex)) return yield* decideOnWhole(deciding, draft, draft.wholeIndex.value)
  const decided = yield* Deletion.decideOnShards(deciding, draft, lacking)
  const isUnsettled =
    layoutChanged || isComparing(draft.state) || decided.held.size + decided.toReread.size > 0
  const state = isUnsettled
    ? yield* Deletion.decideOnListing(deciding, { state: decided, changes }, sourceKeys(names))
    : decided
  return completedAt({ ...state, approved: DeletePolicy.nothing.approved }, changes, index)
})

/**
 * Reads the source again, consistently, if its answers had no keys although it lists some. Keys that were created after the
 * answers are no contradiction: their own answer brings them.
 */
const addOverlooked = Effect.fnUntraced(function* (
  deciding: Deciding,
  draft: DraftPlan,
  event: CaughtUp
): Effect.fn.Return<readonly [DraftPlan, CaughtUp], ConsulError> {
  yield* deciding.pass.pause
  const compared = yield* readWhole(deciding, draft)
  const names = compared.snapshot.entries.map(({ key }) => key)
  const overlooked = compared.snapshot.entries.filter(({ createIndex }) => createIndex <= event.index)
  if (overlooked.length === 0) return [draft, event]
  yield* deciding.pass.contradicted(overlooked.length)
  return [yield* addSnapshot(deciding, draft, compared), { ...event, names }]
})

const finish = Effect.fnUntraced(function* (
  deciding: Deciding,
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
  readonly emptySource: EmptySource
  readonly firstComparison: FirstComparison
}): Effect.Effect<Planner, never, Watcher> =>
  Effect.map(Watcher, (watcher): Planner => {
    const { check, emptySource, firstComparison, ...others } = options
    const beginDeciding = Effect.map(
      check.beginPass,
      (pass): Deciding => ({ ...others, check, pass, watcher })
    )
    return {
      planEvents: Effect.fnUntraced(function* (state, events) {
        const deciding = yield* beginDeciding
        let draft = begin(state)
        for (const event of events) {
          if (event._tag === "CaughtUp") {
            let caughtUp = event
            const listed = yield* emptySource.examine(event)
            if (listed.length > 0) [draft, caughtUp] = yield* addOverlooked(deciding, draft, event)
            draft = yield* addCaughtUp(deciding, draft, caughtUp)
          } else {
            const { comparison, contents } = draft.state
            if (isComparing(draft.state) && comparison.isFirst) yield* firstComparison.announce(contents)
            // A source whose answers contradict each other, so that its watch restarts again and again, is read seldom.
            if (event.restarted) yield* deciding.pass.pause
            const compared = yield* check.compare(draft.state, event)
            draft = yield* addSnapshot(deciding, draft, compared)
          }
        }
        const plan = yield* finish(deciding, draft)
        // A range that was read after a restart shows nothing about the answers to blocking queries.
        if (events.some((event) => event._tag === "Snapshot" && !event.restarted)) yield* deciding.pass.end
        return plan
      }),
      planConfirmed: Effect.fnUntraced(function* (state, confirmed) {
        const deciding = yield* beginDeciding
        let draft = begin(state)
        for (const compared of confirmed) draft = yield* addSnapshot(deciding, draft, compared)
        // The ranges were just read consistently: a second read would show nothing new.
        return yield* finish(deciding, { ...draft, lacking: { ...draft.lacking, ranges: [] } })
      })
    }
  })
