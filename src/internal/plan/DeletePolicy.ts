/**
 * Decides which keys of the destination may be deleted because the source does not have them. The functions are pure: `Deletion`
 * calls them, and then asks the source by name for each key that may be deleted.
 *
 * The rule: between two complete views of the source, no more keys are deleted than the limit allows. If more are missing, all
 * missing keys are held. While keys are held, no key is deleted, also under the next leader, until the source is complete again.
 * So a source that loses its keys little by little, or gets them back little by little, costs the destination nothing beyond the
 * limit.
 */
import * as Option from "effect/Option"
import * as DeleteLimit from "../../DeleteLimit.js"
import { contains, type KeyRange } from "../../KeyRange.js"
import type { DestinationKey } from "./Mapping.js"

/** The state of deletion from pass to pass. Keys are named as at the destination. */
export interface DeleteLedger {
  /** Keys that the source does not have, and that stay because of the limit. */
  readonly held: ReadonlySet<DestinationKey>
  /** Keys that the source did not list, and that may be deleted when their own shard lacks them too. */
  readonly approved: ReadonlySet<DestinationKey>
  /**
   * Keys that their shard lacked, and that the destination still has. A key that the source has again may have a new value, which
   * no answer has shown: it is read again.
   */
  readonly toReread: ReadonlySet<DestinationKey>
  /** Number of keys that were deleted since the source was last seen complete. */
  readonly deletesSinceComplete: number
}

/** The numbers that the limit is applied to. */
export interface View {
  readonly limit: DeleteLimit.DeleteLimit
  /** Number of keys that the destination had when the pass began. During the first comparison: when the comparison began. */
  readonly keysBefore: number
  /** Number of keys that were deleted since the source was last seen complete, when the pass began. */
  readonly deletesBefore: number
  /** Present during the comparison that begins a leadership. */
  readonly comparison: Option.Option<ComparisonView>
}

/** The part of a {@link View} that a comparison adds. */
export interface ComparisonView {
  /** Whether the leader before held deletes. */
  readonly wasHolding: boolean
  /** Keys that the comparison has created at the destination. */
  readonly created: ReadonlySet<DestinationKey>
  /** Number of keys that the destination has now. */
  readonly keysNow: number
}

const noKeys: ReadonlySet<DestinationKey> = new Set()

/** Nothing is held, approved or to be read again. */
export const nothing: Omit<DeleteLedger, "deletesSinceComplete"> = {
  held: noKeys,
  approved: noKeys,
  toReread: noKeys
}

/** The ledger without the keys that others have deleted at the destination: there is nothing left to decide about them. */
export const withoutDeleted = (
  { approved, held, toReread }: DeleteLedger,
  contents: { readonly has: (key: DestinationKey) => boolean }
): Omit<DeleteLedger, "deletesSinceComplete"> => {
  const existing = (keys: ReadonlySet<DestinationKey>) =>
    new Set([...keys].filter((key) => contents.has(key)))
  return { held: existing(held), approved: existing(approved), toReread: existing(toReread) }
}

/**
 * The keys that are missing at the source after a range of them (named as at the destination) was read again. The latest read
 * of a key counts. After a change of layout, the answer of a former shard may still be queued ahead of the answers of its
 * successors.
 */
export const missingAfter = (
  before: ReadonlyArray<DestinationKey>,
  range: KeyRange,
  missing: ReadonlyArray<DestinationKey>
): ReadonlyArray<DestinationKey> => [...before.filter((key) => !contains(range, key)), ...missing]

/**
 * Whether so few keys are missing that any limit allows to delete them. Approved keys count: each may be deleted at any moment.
 */
export const isFew = (
  { approved, deletesSinceComplete }: DeleteLedger,
  missing: ReadonlyArray<DestinationKey>
): boolean => {
  if (missing.length > DeleteLimit.alwaysAllowed) return false
  let count = deletesSinceComplete + approved.size
  for (const key of missing) if (!approved.has(key)) count += 1
  return count <= DeleteLimit.alwaysAllowed
}

const isHolding = ({ held }: DeleteLedger, { comparison }: View): boolean =>
  held.size > 0 || Option.exists(comparison, ({ wasHolding }) => wasHolding)

/**
 * The decision about keys that shards of the source lack:
 *
 * | decision | the keys                                                                         |
 * | -------- | -------------------------------------------------------------------------------- |
 * | `delete` | may be deleted now                                                               |
 * | `list`   | may be part of a larger loss: list all keys of the source, and judge all missing |
 * | `hold`   | are held                                                                         |
 * | `wait`   | are judged when the first comparison is complete                                 |
 */
export type PartDecision = "delete" | "list" | "hold" | "wait"

/** Decides on keys that shards lack. If a shard has lost all of its keys (`lostAll`), other shards may have lost theirs too. */
export const ofParts = (
  ledger: DeleteLedger,
  view: View,
  missing: ReadonlyArray<DestinationKey>,
  lostAll: boolean
): PartDecision => {
  if (Option.isSome(view.comparison)) return "wait"
  if (ledger.held.size > 0) return "hold"
  const isDecided = (!lostAll && isFew(ledger, missing)) || missing.every((key) => ledger.approved.has(key))
  return isDecided ? "delete" : "list"
}

/**
 * Decides on all keys that the source lacks: all of them may be deleted, or none. During the first comparison the limit is
 * checked twice. Keys that were at the destination before the comparison began count against the number of keys then. All
 * missing keys, with the keys that the comparison has created, count against the number of keys now.
 */
export const ofListing = (
  ledger: DeleteLedger,
  view: View,
  missing: ReadonlyArray<DestinationKey>
): Pick<DeleteLedger, "held" | "approved"> => {
  const { comparison, deletesBefore, keysBefore, limit } = view
  const old = Option.match(comparison, {
    onNone: () => missing,
    onSome: ({ created }) => missing.filter((key) => !created.has(key))
  })
  const allowsAll =
    old.length === missing.length ||
    Option.exists(comparison, ({ keysNow }) => DeleteLimit.allows(limit, missing.length, keysNow))
  const allowsOld = DeleteLimit.allows(
    limit,
    ledger.deletesSinceComplete + old.length,
    deletesBefore + keysBefore
  )
  return !isHolding(ledger, view) && allowsAll && allowsOld
    ? { held: noKeys, approved: new Set(missing) }
    : { held: new Set(missing), approved: noKeys }
}
