/** A process of the simulation, for the judge and the network. */
import { contains, type KeyRange } from "../../src/KeyRange.js"
import type { Route } from "./Route.js"

/** One process, from its start to its end. An instance that is started again has another process. */
export interface Incarnation {
  readonly name: string
  readonly agent: string
  readonly datacenter: string
  /** The sessions that the process created. */
  readonly sessions: Set<string>
  /** The services that the process registered. */
  readonly services: Set<string>
  /** The number of requests that the process has sent. */
  sent: number
  /**
   * The number of requests that the process had sent when its destination was restored. One of these requests may land late,
   * because the restore can bring back the index of the status key on which the request depends. The next scan of the destination
   * repairs that.
   */
  pardoned: number
  /** Whether the process was stopped by SIGTERM. */
  isStopping: boolean
  /** The view of each replication, by its status key. */
  readonly views: Map<string, View>
}

/** The judge's record of one replication in one process. */
export interface View {
  /**
   * The number of requests that the process had sent when it last read the destination, or wrote that the replication has
   * stopped. None of these requests may change a key any more.
   */
  barrier: number
  /** The times at which the process has read each range of the source, the latest first, in ms. */
  readonly reads: Map<string, { readonly range: KeyRange; readonly at: ReadonlyArray<number> }>
  /** The times at which the process has listed the names of all keys, in ms. */
  names: ReadonlyArray<number>
  /** Whether a reload is ending the replication, or restarting it. */
  isEnding: boolean
  /** The number of requests that the process had sent when a reload had ended the replication. Undefined while it runs. */
  endedAt: number | undefined
}

export const viewOf = ({ views }: Incarnation, { status }: Route): View => {
  const existing = views.get(status)
  if (existing !== undefined) return existing
  const view: View = { barrier: 0, reads: new Map(), names: [], isEnding: false, endedAt: undefined }
  views.set(status, view)
  return view
}

/**
 * The time of the oldest read on which a write of a key may be based. A snapshot may wait while two more are read by other
 * queries, and while the first comparison reads all values to count overwrites. A delete may also be based on a listing of all
 * names.
 */
export const oldestReadAt = ({ names, reads }: View, key: string, isDelete: boolean): number | undefined => {
  const all = Array.from(reads.values())
    .filter(({ range }) => contains(range, key))
    .flatMap(({ at }) => at)
    .sort((a, b) => b - a)
    .slice(0, 4)
  const moments = isDelete ? [...all, ...names] : all
  return moments.length === 0 ? undefined : Math.min(...moments)
}

/** The time at which a process last read all keys under the prefix, or their names. */
export const completeViewAt = ({ names, reads }: View, prefix: string): number =>
  Math.max(
    ...names,
    ...Array.from(reads.values()).flatMap(({ at, range }) =>
      range.prefix === prefix && !range.exact ? at : []
    ),
    Number.NEGATIVE_INFINITY
  )
