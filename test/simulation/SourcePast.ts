/** The past states of the source. A replicator may only write what one of these states had. */
import type { SimConsul } from "../../src/testing/index.js"
import * as Store from "../../src/testing/internal/cluster/Store.js"
import * as OrderedMap from "../../src/testing/internal/go/OrderedMap.js"

export type Keys = OrderedMap.OrderedMap<Store.Entry>

/** The store at one index of the prefix, and the time since when, in ms. */
export interface Moment {
  readonly kv: Keys
  readonly at: number
}

export interface SourcePast {
  /** Records the present state, in which these keys may have changed. */
  readonly remember: (state: SimConsul.State, keys: Iterable<string>) => void
  /** The stores that had this index of the prefix. After a restore, an index can occur again. */
  readonly at: (index: number) => ReadonlyArray<Moment>
  /** All keys that the source ever had. */
  readonly keys: () => ReadonlyArray<string>
  /** Whether the source had this content for a key at any time since `from`. */
  readonly wasHeld: (key: string, entry: Store.Entry | undefined, from: number) => boolean
}

/** The content of a key since a time. `entry` is undefined if the key did not exist. */
interface Content {
  readonly from: number
  readonly entry: Store.Entry | undefined
}

export const sameContent = (a: Store.Entry | undefined, b: Store.Entry | undefined): boolean => {
  if (a === undefined || b === undefined) return a === b
  return a === b || (a.flags === b.flags && Buffer.compare(Buffer.from(a.value), Buffer.from(b.value)) === 0)
}

export const make = (prefix: string, now: () => number): SourcePast => {
  const moments = new Map<number, Array<Moment>>()
  const held = new Map<string, Array<Content>>()
  return {
    remember: (state, keys) => {
      // Consul answers no index below 1.
      const index = Math.max(Store.list(state, prefix).index, 1)
      const same = moments.get(index) ?? []
      moments.set(index, [...same, { kv: state.kv, at: now() }])
      for (const key of keys) {
        if (!key.startsWith(prefix)) continue
        const past = held.get(key) ?? []
        held.set(key, [...past, { from: now(), entry: OrderedMap.get(state.kv, key) }])
      }
    },
    at: (index) => moments.get(index) ?? [],
    keys: () => [...held.keys()],
    wasHeld: (key, entry, from) => {
      const past = held.get(key) ?? []
      const last = past.findLastIndex((one) => one.from < from)
      return (
        (last === -1 && entry === undefined) ||
        past.slice(Math.max(last, 0)).some((one) => sameContent(one.entry, entry))
      )
    }
  }
}
