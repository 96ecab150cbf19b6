/**
 * Which keys a replication leaves alone on both sides: those whose names at the source begin with an exclude.
 */

/** An exclude is the front of a key, as it was typed: no pattern, and no folder unless it ends with a slash. */
export interface Exclusion {
  /** Fronts of keys of the source. */
  readonly atSource: ReadonlyArray<string>
  /** Fronts of keys of the destination: what stands there for a key that is excluded at the source. */
  readonly atDestination: ReadonlyArray<string>
}

export const none: Exclusion = { atSource: [], atDestination: [] }

/** An exclude that `prefix` begins with excludes all that is replicated, and one beside `prefix` excludes nothing. */
export const make = (
  { destinationPrefix, prefix }: { readonly prefix: string; readonly destinationPrefix: string },
  excludes: ReadonlyArray<string>
): Exclusion => ({
  atSource: excludes,
  atDestination: excludes.flatMap((exclude) => {
    if (exclude.startsWith(prefix)) return [destinationPrefix + exclude.slice(prefix.length)]
    return prefix.startsWith(exclude) ? [destinationPrefix] : []
  })
})

/** Whether a key begins with one of these fronts. For hot loops: it makes no object, and costs nothing if there are none. */
export const covers = (fronts: ReadonlyArray<string>, key: string): boolean => {
  for (let i = 0; i < fronts.length; i++) if (key.startsWith(fronts[i] ?? "")) return true
  return false
}

/** These keys without the covered ones. */
export const without = (fronts: ReadonlyArray<string>, keys: ReadonlyArray<string>): ReadonlyArray<string> =>
  fronts.length === 0 ? keys : keys.filter((key) => !covers(fronts, key))

/** Whether all of these entries are covered, or there are none. */
export const coversAll = (
  fronts: ReadonlyArray<string>,
  entries: ReadonlyArray<{ readonly key: string }>
): boolean => entries.every(({ key }) => covers(fronts, key))
