/**
 * Keys that do not land: the destination refuses to change them, or the source has them and cannot be read there. What the
 * destination refused, it is given again only when that has changed at the source, or from time to time.
 */
import * as Arr from "effect/Array"
import { alwaysAllowed } from "../../DeleteLimit.js"
import { contains, type KeyRange } from "../../KeyRange.js"
import type { Difference, Unreadable } from "../plan/Diff.js"
import type { DestinationKey } from "../plan/Mapping.js"
import { KeyUnreadable, type Obstacle } from "./Refusal.js"

/**
 * By key of the destination: the fingerprint of what the source holds, none if it is gone or unreadable, and why that did
 * not land.
 */
export type RefusedKeys = ReadonlyMap<
  DestinationKey,
  { readonly print: string | undefined; readonly refusal: Obstacle }
>

const isUnreadable = ({ refusal }: { readonly refusal: Obstacle }): boolean =>
  refusal._tag === "KeyUnreadable"

export const none: RefusedKeys = new Map()

/**
 * Parts what differs in a range, as it was just compared: what is worth trying, and what is still refused. A key that
 * does not differ any more is forgotten.
 */
export const skipRefused = (
  refused: RefusedKeys,
  range: KeyRange,
  found: Difference
): { readonly refused: RefusedKeys; readonly difference: Difference } => {
  const { missing, unreadable, writes } = found
  if (refused.size + unreadable.length === 0) return { refused, difference: found }
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

/** Forgets some keys, so that they are tried again. */
export const forget = (refused: RefusedKeys, keys: Iterable<DestinationKey>): RefusedKeys => {
  if (refused.size === 0) return refused
  const left = new Map(refused)
  for (const key of keys) left.delete(key)
  return left
}

/** Whether what the destination refuses is the deletion of a key. */
export const isDelete = (refused: RefusedKeys, key: DestinationKey): boolean => {
  const one = refused.get(key)
  return one !== undefined && one.print === undefined && !isUnreadable(one)
}

/** How many of the keys cannot be read at the source. */
export const countUnreadable = (refused: RefusedKeys): number => {
  let count = 0
  for (const one of refused.values()) if (isUnreadable(one)) count += 1
  return count
}

/** In the order of the keys. */
export const refusals = (refused: RefusedKeys): ReadonlyArray<Obstacle> =>
  Array.from(refused.values(), ({ refusal }) => refusal).sort((a, b) => (a.key < b.key ? -1 : 1))

/** Values are up to 512 kB each: no more of them than are read and sent in seconds. */
const mostTried = 64

/**
 * Some that are worth another try. So few deletes need not be judged anew, which they were when they were refused; while
 * deletes are held, none is tried.
 */
export const nextToRetry = (refused: RefusedKeys, isHolding: boolean): ReadonlyArray<DestinationKey> => {
  const [writes, deletes] = Arr.partition([...refused.keys()], (key) => isDelete(refused, key))
  return [...(isHolding ? [] : deletes.slice(0, alwaysAllowed)), ...writes].slice(0, mostTried)
}
