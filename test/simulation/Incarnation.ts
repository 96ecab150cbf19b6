/** A process of the simulation, as the judge and the network know it. */
import { contains, type KeyRange } from "../../src/KeyRange.js"
import type { Route } from "./Route.js"

/** One process, from its start to its end. An instance that is started again is another one. */
export interface Incarnation {
  readonly name: string
  readonly agent: string
  readonly datacenter: string
  /** The sessions and services that it created. */
  readonly sessions: Set<string>
  readonly services: Set<string>
  /** How many requests it has sent. */
  sent: number
  /**
   * How many it had sent when its destination was restored: one of those may land late, since the restore can bring back the
   * index of the status key that voids it. The next look at the destination repairs what it does.
   */
  pardoned: number
  /** Whether it was told to stop. */
  isStopping: boolean
  /** What it knows of each replication, by the key of its status. */
  readonly views: Map<string, View>
}

/** One replication in one process. */
export interface View {
  /**
   * How many requests the process had sent when it last read the destination, or wrote that the replication has stopped: none
   * of those may change anything any more.
   */
  barrier: number
  /** When the process last read each range of the source, the latest first, and the names of all keys. */
  readonly reads: Map<string, { readonly range: KeyRange; readonly at: ReadonlyArray<number> }>
  names: ReadonlyArray<number>
  /** Whether a reload under way ends the replication, for good or to begin it anew. */
  isEnding: boolean
  /** How many requests the process had sent when a reload had ended the replication; none while it is to run. */
  endedAt: number | undefined
}

export const viewOf = ({ views }: Incarnation, { status }: Route): View => {
  const known = views.get(status)
  if (known !== undefined) return known
  const view: View = { barrier: 0, reads: new Map(), names: [], isEnding: false, endedAt: undefined }
  views.set(status, view)
  return view
}

/**
 * As of when a process knows a key of the source: a snapshot may have waited for its turn while two more were read, each by
 * another query, and while the first comparison read all values to count what it overwrites. What it deletes it may also have
 * missed among the names of all keys.
 */
export const knownSince = ({ names, reads }: View, key: string, isDelete: boolean): number | undefined => {
  const all = Array.from(reads.values())
    .filter(({ range }) => contains(range, key))
    .flatMap(({ at }) => at)
    .sort((a, b) => b - a)
    .slice(0, 4)
  const moments = isDelete ? [...all, ...names] : all
  return moments.length === 0 ? undefined : Math.min(...moments)
}

/** When a process last read all keys under the prefix, or their names. */
export const completeViewAt = ({ names, reads }: View, prefix: string): number =>
  Math.max(
    ...names,
    ...Array.from(reads.values()).flatMap(({ at, range }) =>
      range.prefix === prefix && !range.exact ? at : []
    ),
    Number.NEGATIVE_INFINITY
  )
