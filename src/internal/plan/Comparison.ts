/**
 * The progress of the full comparison that begins each leadership.
 */
import type * as Diff from "./Diff.js"
import type { DestinationKey } from "./Mapping.js"

export interface Comparison {
  /** When the comparison began: ms, monotonic. */
  readonly startedAt: number
  /** Number of keys that the destination had when the comparison began. */
  readonly keysAtStart: number
  /** Whether no instance has completed a comparison of this replication before. */
  readonly isFirst: boolean
  /** Whether the leader before held deletes. */
  readonly wasHolding: boolean
  /** Number of keys of the source that were compared. */
  readonly compared: number
  /** Number of keys that the source has, as far as its snapshots have shown. */
  readonly expectedKeys: number
  /** Number of keys that the comparison has written. */
  readonly writes: number
  /** Bytes of the values that the comparison has written. */
  readonly bytes: number
  /** Numbers of keys that differed from the source. A key that changes at the source again counts again. */
  readonly drift: Diff.Drift
  /** The keys that the comparison has created at the destination. Empty when the comparison is complete. */
  readonly createdByComparison: Set<DestinationKey>
}

/** The fields of a comparison that stay as they are from its begin. */
export type Start = Pick<Comparison, "isFirst" | "keysAtStart" | "startedAt" | "wasHolding">

/** A comparison that has compared nothing yet. */
export const begin = (start: Start): Comparison => ({
  ...start,
  compared: 0,
  expectedKeys: 0,
  writes: 0,
  bytes: 0,
  drift: { changed: 0, missing: 0, extra: 0 },
  createdByComparison: new Set()
})
