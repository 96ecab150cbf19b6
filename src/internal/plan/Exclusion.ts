/**
 * The keys that a replication leaves alone on both sides: every key whose name at the source begins with an exclude.
 */

import * as StatusFolder from "../destination/StatusFolder.js"

/** An exclude is the beginning of a key, as it was typed. It is no pattern, and no folder unless it ends with a slash. */
export interface Exclusion {
  /** Beginnings of keys of the source. */
  readonly atSource: ReadonlyArray<string>
  /** Beginnings of keys of the destination: the excludes, renamed as the keys of the replication are. */
  readonly atDestination: ReadonlyArray<string>
}

export const none: Exclusion = { atSource: [], atDestination: [] }

/** An exclude that `prefix` begins with excludes every key of the replication. An exclude beside `prefix` excludes no key. */
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
 * The keys that a replication leaves alone: the excluded keys, and all keys in the folder of its status, which are the statuses
 * of other replications.
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

/** Whether a key begins with one of `fronts`. For hot loops: it creates no object, and costs nothing without fronts. */
export const covers = (fronts: ReadonlyArray<string>, key: string): boolean => {
  for (let i = 0; i < fronts.length; i++) if (key.startsWith(fronts[i] ?? "")) return true
  return false
}

/** The keys that begin with none of `fronts`. */
export const without = (fronts: ReadonlyArray<string>, keys: ReadonlyArray<string>): ReadonlyArray<string> =>
  fronts.length === 0 ? keys : keys.filter((key) => !covers(fronts, key))

/** Whether each entry begins with one of `fronts`, or there are no entries. */
export const coversAll = (
  fronts: ReadonlyArray<string>,
  entries: ReadonlyArray<{ readonly key: string }>
): boolean => entries.every(({ key }) => covers(fronts, key))
