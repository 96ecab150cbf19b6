/**
 * Keys that do not land: the destination refuses to change them, or they cannot be read at the source. A refused change is sent
 * again only when the key has changed at the source, or from time to time.
 */
import * as Arr from "effect/Array"
import { alwaysAllowed } from "../../DeleteLimit.js"
import { contains, type KeyRange } from "../../KeyRange.js"
import type { Difference, Unreadable } from "../plan/Diff.js"
import type { DestinationKey } from "../plan/Mapping.js"
import { KeyUnreadable, type Obstacle } from "./Refusal.js"

/** A change that did not land. */
export interface RefusedChange {
  /** Fingerprint of the content of the source; none if the source does not have the key, or it cannot be read there. */
  readonly print: string | undefined
  /** Why the change did not land. */
  readonly refusal: Obstacle
}

/** By key of the destination. */
export type RefusedKeys = ReadonlyMap<DestinationKey, RefusedChange>

const isUnreadable = ({ refusal }: { readonly refusal: Obstacle }): boolean =>
  refusal._tag === "KeyUnreadable"

export const none: RefusedKeys = new Map()

/**
 * Splits the difference of a range that was just compared: returns the changes to try, and the keys that are still refused. A key
 * that does not differ any more is not refused any more.
 */
export const skipRefused = (
  refused: RefusedKeys,
  range: KeyRange,
  compared: Difference
): { readonly refused: RefusedKeys; readonly difference: Difference } => {
  const { missing, unreadable, writes } = compared
  if (refused.size + unreadable.length === 0) return { refused, difference: compared }
  const still = new Set<DestinationKey>()
  const isNew = (key: DestinationKey, print: string | undefined): boolean => {
    const before = refused.get(key)
    if (before === undefined || isUnreadable(before) || before.print !== print) return true
    still.add(key)
    return false
  }
  const difference: Difference = {
    missing: missing.filter((key) => isNew(key, undefined)),
    writes: writes.filter(({ key, print }) => isNew(key, print)),
    unreadable
  }
  const left = new Map([...refused].filter(([key]) => still.has(key) || !contains(range, key)))
  return { refused: withUnreadable(left, unreadable), difference }
}

/** Adds keys that the source has and that cannot be read there. */
export const withUnreadable = (refused: RefusedKeys, unreadable: ReadonlyArray<Unreadable>): RefusedKeys => {
  if (unreadable.length === 0) return refused
  const all = new Map(refused)
  for (const one of unreadable) all.set(one.key, { print: undefined, refusal: new KeyUnreadable(one) })
  return all
}

/** The refused keys without some of them, which are tried again. */
export const forget = (refused: RefusedKeys, keys: Iterable<DestinationKey>): RefusedKeys => {
  if (refused.size === 0) return refused
  const left = new Map(refused)
  for (const key of keys) left.delete(key)
  return left
}

/** Whether the destination refuses to delete a key. */
export const isDelete = (refused: RefusedKeys, key: DestinationKey): boolean => {
  const one = refused.get(key)
  return one !== undefined && one.print === undefined && !isUnreadable(one)
}

/** Number of keys that cannot be read at the source. */
export const countUnreadable = (refused: RefusedKeys): number => {
  let count = 0
  for (const one of refused.values()) if (isUnreadable(one)) count += 1
  return count
}

/** Why each key did not land, in the order of the keys. */
export const refusals = (refused: RefusedKeys): ReadonlyArray<Obstacle> =>
  Array.from(refused.values(), ({ refusal }) => refusal).sort((a, b) => (a.key < b.key ? -1 : 1))

/** The most keys that are tried at once. Their values have up to 512 kB each, and are read and sent in seconds. */
const mostTried = 64

/**
 * The keys to try next. So few deletes need no new decision: they were decided before they were refused. While deletes are
 * held, no delete is tried.
 */
export const nextToRetry = (refused: RefusedKeys, isHolding: boolean): ReadonlyArray<DestinationKey> => {
  const [writes, deletes] = Arr.partition([...refused.keys()], (key) => isDelete(refused, key))
  return [...(isHolding ? [] : deletes.slice(0, alwaysAllowed)), ...writes].slice(0, mostTried)
}
