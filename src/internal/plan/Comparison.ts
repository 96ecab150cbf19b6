/**
 * What the full comparison that begins with each leadership has done so far.
 */
import type * as Diff from "./Diff.js"
import type { DestinationKey } from "./Mapping.js"

export interface Comparison {
  /** When it began: ms, monotonic. */
  readonly startedAt: number
  /** How many keys the destination held then. */
  readonly keysAtStart: number
  /** Whether no comparison of this replication has been completed before, by any instance. */
  readonly isFirst: boolean
  /** Whether deletes were held back before. */
  readonly wasHolding: boolean
  /** How many keys of the source it has compared. */
  readonly compared: number
  /** About how many keys the source has. */
  readonly expectedKeys: number
  /** How many keys it has written. */
  readonly writes: number
  /** Bytes of their values. */
  readonly bytes: number
  /** How many keys were not as at the source. A key that changes there again counts again. */
  readonly drift: Diff.Drift
  /** The keys that it wrote and that were not there, until it is complete. */
  readonly createdByComparison: Set<DestinationKey>
}

/** What is known of a comparison when it begins. */
export type Begin = Pick<Comparison, "isFirst" | "keysAtStart" | "startedAt" | "wasHolding">

export const begin = (known: Begin): Comparison => ({
  ...known,
  compared: 0,
  expectedKeys: 0,
  writes: 0,
  bytes: 0,
  drift: { changed: 0, missing: 0, extra: 0 },
  createdByComparison: new Set()
})
