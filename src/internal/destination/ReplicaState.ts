/**
 * What the leader knows of both sides. Each pass takes a state and returns the next one.
 *
 * `contents`, `consistentReads` and the keys that the comparison has created are changed in place: they may hold a million
 * keys. A state must not be used after a pass has begun with it; after a failed pass the replica is taken over anew.
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
  readonly leader: Leadership
  readonly writer: FencedWriter
  /** What the destination has, without our lock and status, and without excluded keys. */
  readonly contents: DestinationIndex
  /** Which ranges of the source were read consistently in the last minutes. */
  readonly consistentReads: ConsistentReads
  /** Keys that the destination rejected, or that cannot be read at the source. They are not tried again with each pass. */
  readonly refused: RefusedKeys.RefusedKeys
  /** Index of the source up to which everything has landed; none before the first comparison is complete. */
  readonly index: Option.Option<number>
  /** Whether changes newer than `index` have landed. */
  readonly aheadOfCheckpoint: boolean
  /** What the comparison that began with this leadership has done so far. */
  readonly comparison: Comparison.Comparison
  /** Where the last scan for drift has come to. */
  readonly cursor: ScanCursor
}

/** The state when the destination has just been read, and nothing has been compared. */
export const uncompared = (
  given: Pick<ReplicaState, "contents" | "cursor" | "leader" | "writer">,
  begun: Omit<Comparison.Start, "keysAtStart">
): ReplicaState => ({
  ...given,
  ...DeletePolicy.nothing,
  deletesSinceComplete: 0,
  consistentReads: new ConsistentReads(),
  refused: RefusedKeys.none,
  index: Option.none(),
  aheadOfCheckpoint: false,
  comparison: Comparison.begin({ ...begun, keysAtStart: given.contents.size })
})

export const isComparing = ({ index }: Pick<ReplicaState, "index">): boolean => Option.isNone(index)
