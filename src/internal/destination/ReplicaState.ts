/**
 * The state of a replication under one leader. Each pass gets a state and returns the next one.
 *
 * `contents`, `consistentReads` and `comparison.createdByComparison` are changed in place: they may have a million keys. A state
 * must not be used after a pass has begun with it. After a failed pass the replica is taken over again.
 */
import * as Option from "effect/Option"
import type { Leadership } from "../../LeaderLock.js"
import * as Comparison from "../plan/Comparison.js"
import { ConsistentReads } from "../plan/ConsistentReads.js"
import * as DeletePolicy from "../plan/DeletePolicy.js"
import type { DestinationIndex } from "../plan/DestinationIndex.js"
import type { ScanCursor } from "./DriftScan.js"
import type { FencedWriter } from "./FencedWriter.js"
import * as RefusedKeys from "./RefusedKeys.js"

export interface ReplicaState extends DeletePolicy.DeleteLedger {
  /** The leadership that the state lives in. */
  readonly leader: Leadership
  /** Writes to the destination, until its first failure. */
  readonly writer: FencedWriter
  /** The keys of the destination, without our lock and status, and without excluded keys. */
  readonly contents: DestinationIndex
  /** The ranges of the source that were read consistently in the last minutes. */
  readonly consistentReads: ConsistentReads
  /** Keys that the destination rejected, or that cannot be read at the source. They are not tried again with each pass. */
  readonly refused: RefusedKeys.RefusedKeys
  /** Index of the source up to which everything has landed; none before the first comparison is complete. */
  readonly index: Option.Option<number>
  /** Whether changes newer than `index` have landed. */
  readonly aheadOfCheckpoint: boolean
  /** The progress of the comparison that began with this leadership. */
  readonly comparison: Comparison.Comparison
  /** The result of the last scan for drift. */
  readonly cursor: ScanCursor
}

/** The state when the destination has just been read, and nothing has been compared. */
export const uncompared = (
  destination: Pick<ReplicaState, "contents" | "cursor" | "leader" | "writer">,
  start: Omit<Comparison.Start, "keysAtStart">
): ReplicaState => ({
  ...destination,
  ...DeletePolicy.nothing,
  deletesSinceComplete: 0,
  consistentReads: new ConsistentReads(),
  refused: RefusedKeys.none,
  index: Option.none(),
  aheadOfCheckpoint: false,
  comparison: Comparison.begin({ ...start, keysAtStart: destination.contents.size })
})

/** Whether the first comparison of this leadership is not complete. */
export const isComparing = ({ index }: Pick<ReplicaState, "index">): boolean => Option.isNone(index)
