/** Adds a difference to the change set of a pass, and to the state that follows it. */
import type * as KeyRange from "../../KeyRange.js"
import * as RefusedKeys from "../destination/RefusedKeys.js"
import { isComparing, type ReplicaState } from "../destination/ReplicaState.js"
import type { ChangeSet } from "./ChangeSet.js"
import * as Diff from "./Diff.js"
import type { DestinationKey } from "./Mapping.js"

/** The result of planning the writes of a difference. */
export interface PlannedWrites {
  /** The state after the writes. */
  readonly state: ReplicaState
  /** The difference without the keys that the destination is known to refuse. */
  readonly difference: Diff.Difference
}

/** Adds to the drift that a comparison counts. A change after the comparison is no drift. */
export const withDrift = (state: ReplicaState, more: Partial<Diff.Drift>): ReplicaState => {
  const { comparison } = state
  return isComparing(state)
    ? { ...state, comparison: { ...comparison, drift: Diff.add(comparison.drift, more) } }
    : state
}

/** Plans the writes of a difference in a range, which is named as at the destination. */
export const planWrites = (
  state: ReplicaState,
  changes: ChangeSet,
  range: KeyRange.KeyRange,
  compared: Diff.Difference
): PlannedWrites => {
  const { difference, refused } = RefusedKeys.skipRefused(state.refused, range, compared)
  const { writes } = difference
  let missing = 0
  for (const write of writes) {
    if (state.contents.set(write.key, write.print)) {
      missing += 1
      if (isComparing(state)) state.comparison.createdByComparison.add(write.key)
    }
    changes.write(write)
  }
  return {
    state: withDrift({ ...state, refused }, { changed: writes.length - missing, missing }),
    difference
  }
}

/** Plans to delete keys of the destination. Ignores keys that the destination does not have. */
export const planDeletes = (
  state: ReplicaState,
  changes: ChangeSet,
  keys: Iterable<DestinationKey>
): ReplicaState => {
  let { deletesSinceComplete } = state
  for (const key of keys) {
    if (!state.contents.delete(key)) continue
    changes.delete(key)
    deletesSinceComplete += 1
  }
  return { ...state, deletesSinceComplete, refused: RefusedKeys.forget(state.refused, keys) }
}
