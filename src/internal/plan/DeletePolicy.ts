/**
 * What is decided on keys of the destination that the source has not: which of them may go, and which the limit holds
 * back.
 */
import * as DeleteLimit from "../../DeleteLimit.js"
import { contains, type KeyRange } from "../../KeyRange.js"

export interface Verdict {
  /** Keys that the source has not, as was confirmed, and that stay because of the limit. */
  readonly held: ReadonlySet<string>
  /** Keys that the source has not, as was confirmed, and that may go. */
  readonly condemned: ReadonlySet<string>
  /**
   * Keys that their part of the source did not have, and that are here still. One that comes back holds something that
   * nobody has read.
   */
  readonly absent: ReadonlySet<string>
  /** How many keys have gone since everything was said for the last time. */
  readonly deleted: number
}

const nobody: ReadonlySet<string> = new Set()

/** On nothing. */
export const none: Omit<Verdict, "deleted"> = { held: nobody, condemned: nobody, absent: nobody }

/** All that are gone are held back. */
export const hold = (gone: ReadonlyArray<string>): Pick<Verdict, "held" | "condemned"> => ({
  held: new Set(gone),
  condemned: nobody
})

/** All that are gone may go. */
export const condemn = (gone: ReadonlyArray<string>): Pick<Verdict, "held" | "condemned"> => ({
  held: nobody,
  condemned: new Set(gone)
})

/**
 * The keys that are missing at the source once a range of them (as it is here) was read again: the last that was read of
 * a key counts. A part that is watched no more may have spoken just before those that took its place.
 */
export const missingAfter = (
  before: ReadonlyArray<string>,
  range: KeyRange,
  missing: ReadonlyArray<string>
): ReadonlyArray<string> => [...before.filter((key) => !contains(range, key)), ...missing]

/** Whether keys that are `missing` from a part of the source are so few that they go without being looked for. */
export const isFew = ({ deleted }: Verdict, missing: ReadonlyArray<string>): boolean =>
  deleted + missing.length <= DeleteLimit.alwaysAllowed

/** Whether a snapshot, of everything or of a part, may delete what is `missing` in it, as far as is known already. */
export const allows = (
  limit: DeleteLimit.DeleteLimit,
  verdict: Verdict,
  missing: ReadonlyArray<string>,
  isAll: boolean,
  keys: number
): boolean =>
  isAll
    ? DeleteLimit.allows(limit, missing.length, keys) || missing.every((key) => verdict.held.has(key))
    : isFew(verdict, missing) || missing.every((key) => verdict.condemned.has(key) || verdict.held.has(key))
