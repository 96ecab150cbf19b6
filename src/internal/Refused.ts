/**
 * Values that the destination does not take. What it refused, it is given again only when that has changed at the
 * source, or from time to time.
 */
import type { Difference } from "../Diff.js"
import { contains, type KeyRange } from "../KeyRange.js"
import type { Refusal } from "../Writer.js"

/** By key of the destination: the fingerprint of what the source holds, and why that did not land. */
export type Refused = ReadonlyMap<string, { readonly print: string; readonly refusal: Refusal }>

export const none: Refused = new Map()

/**
 * Parts what differs in a range, as it was just compared: what is worth trying, and what is still refused. A key that
 * does not differ any more is forgotten.
 */
export const sift = (
  refused: Refused,
  range: KeyRange,
  found: Difference["writes"]
): { readonly refused: Refused; readonly writes: Difference["writes"] } => {
  if (refused.size === 0) return { refused, writes: found }
  const isRefused = ({ key, print }: Difference["writes"][number]) => refused.get(key)?.print === print
  const still = new Set(found.filter(isRefused).map(({ key }) => key))
  return {
    refused: new Map([...refused].filter(([key]) => still.has(key) || !contains(range, key))),
    writes: found.filter((write) => !isRefused(write))
  }
}

/** Forgets some keys, so that they are tried again. */
export const without = (refused: Refused, keys: Iterable<string>): Refused => {
  if (refused.size === 0) return refused
  const left = new Map(refused)
  for (const key of keys) left.delete(key)
  return left
}

export const refusals = (refused: Refused): ReadonlyArray<Refusal> =>
  Array.from(refused.values(), ({ refusal }) => refusal)

/** The same for the same keys that are refused for the same reasons. */
export const kind = (refused: Refused): string =>
  refusals(refused)
    .map(({ _tag, key }) => `${_tag} ${key}`)
    .sort()
    .join("\n")
