/**
 * Which keys of the destination may be deleted because the source does not have them. All of it is pure: the planner asks,
 * and then asks the source by name for each key that may go.
 *
 * The rule: between two complete views of the source, no more keys go than the limit allows. If more are missing, all of them
 * are held. While keys are held, no others go, also under the next leader, until the source is complete again. So a source
 * that loses its keys little by little, or gets them back little by little, costs the destination nothing beyond the limit.
 */
import * as Option from "effect/Option"
import * as DeleteLimit from "../../DeleteLimit.js"
import { contains, type KeyRange } from "../../KeyRange.js"
import type { DestinationKey } from "./Mapping.js"

/** What deletion remembers from pass to pass. Keys are named as at the destination. */
export interface DeleteLedger {
  /** Keys that the source does not have, and that stay because of the limit. */
  readonly held: ReadonlySet<DestinationKey>
  /** Keys that the source did not list, and that may go when their own shard lacks them too. */
  readonly approved: ReadonlySet<DestinationKey>
  /**
   * Keys that their shard lacked, and that the destination still has. One that comes back may hold a value that nobody has
   * read: it is read again.
   */
  readonly toReread: ReadonlySet<DestinationKey>
  /** Number of keys that were deleted since the source was last seen complete. */
  readonly deletesSinceComplete: number
}

/** What the limit is a share of, and on what else it depends. */
export interface View {
  readonly limit: DeleteLimit.DeleteLimit
  /** Number of keys that the destination had when the pass began; during the first comparison: when that began. */
  readonly keysBefore: number
  /** Number of keys that were deleted since the source was last seen complete, when the pass began. */
  readonly deletesBefore: number
  /** Set during the comparison that begins a leadership. */
  readonly comparison: Option.Option<ComparisonView>
}

export interface ComparisonView {
  /** Whether the leader before held deletes. */
  readonly wasHolding: boolean
  /** Keys that the comparison has created itself. */
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

/** What is left to decide when others have deleted keys of the destination: nothing about the keys that it no longer has. */
export const withoutDeleted = (
  { approved, held, toReread }: DeleteLedger,
  contents: { readonly has: (key: DestinationKey) => boolean }
): Omit<DeleteLedger, "deletesSinceComplete"> => {
  const left = (keys: ReadonlySet<DestinationKey>) => new Set([...keys].filter((key) => contents.has(key)))
  return { held: left(held), approved: left(approved), toReread: left(toReread) }
}

/**
 * The keys that are missing at the source after a range of them (named as at the destination) was read again. The latest read
 * of a key counts. After a change of layout, the answer of a former shard may still be queued ahead of those of its successors.
 */
export const missingAfter = (
  before: ReadonlyArray<DestinationKey>,
  range: KeyRange,
  missing: ReadonlyArray<DestinationKey>
): ReadonlyArray<DestinationKey> => [...before.filter((key) => !contains(range, key)), ...missing]

/** Whether so few keys are missing that they may go under any limit. Approved keys count: they may go at any moment. */
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
 * What becomes of keys that shards of the source lack:
 *
 * | decision | the keys                                                                         |
 * | -------- | -------------------------------------------------------------------------------- |
 * | `delete` | may go now                                                                       |
 * | `list`   | may be part of a larger loss: list all keys of the source, and judge all of them |
 * | `hold`   | are held                                                                         |
 * | `wait`   | are judged when the first comparison is complete                                 |
 */
export type PartDecision = "delete" | "list" | "hold" | "wait"

/** `lostAll` says that a shard has lost every key. Then others may have lost theirs too, and few are not few. */
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
 * Judges all keys that the source lacks: all of them may go, or none. In the first comparison the limit is
 * checked twice: keys that were there before it began, against the number of keys then; and all keys to delete, with those
 * that the comparison created itself, against the number of keys now.
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
