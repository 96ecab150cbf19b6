/**
 * Which keys a replication leaves alone on both sides: those whose names at the source begin with an exclude.
 */

import * as StatusFolder from "../../StatusFolder.js"

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

/**
 * What a replication leaves alone: the keys that it excludes, and the statuses in the folder of its own, which are those of other
 * replications.
 */
export const ofReplication = (replication: {
  readonly prefix: string
  readonly destinationPrefix: string
  readonly exclude: ReadonlyArray<string>
  readonly status: string
}): Exclusion => {
  const { destinationPrefix, exclude, prefix } = replication
  const statuses = StatusFolder.frontOf(replication)
  return make(
    replication,
    statuses?.startsWith(destinationPrefix)
      ? [...exclude, prefix + statuses.slice(destinationPrefix.length)]
      : exclude
  )
}

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
