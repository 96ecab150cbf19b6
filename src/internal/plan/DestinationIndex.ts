/**
 * The keys of a datacenter under a prefix, each with a fingerprint of its value and flags, in little memory. The keys are in
 * order, so that the keys of a range are read without a look at all others.
 *
 * @since 0.5.0
 */

import { contains, type KeyRange } from "../../KeyRange.js"
import { atOnce, type Steps, stepSize } from "../effect/EventLoop.js"
import * as Fingerprint from "./Fingerprint.js"
import type { DestinationKey } from "./Mapping.js"
import { sorted } from "./SortKeys.js"

/** Keys in order, and their fingerprints beside them. */
interface Bucket<Key> {
  readonly keys: Array<Key>
  readonly prints: Array<string>
}

/** The most keys of an array. Each key that is inserted moves the keys behind it. */
const bucketSize = 512

/** Index of the first element that is not less than `key`. */
const lowerBound = (sorted: ReadonlyArray<string>, key: string): number => {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] ?? "") < key) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * Mutable: an index belongs to one replica, whose passes change it one after another. Keys are in the order of their UTF-16 code
 * units, in which all keys with a common prefix stand together, as in Consul's order.
 *
 * Imperative, because every member runs for each key that is read. A key needs two strings: its name, and a fingerprint of at
 * most 32 characters.
 *
 * @since 0.5.0
 * @category models
 */
export class DestinationIndex<Key extends string = DestinationKey> {
  private readonly buckets: Array<Bucket<Key>> = []
  private count = 0

  /** Number of keys. */
  get size(): number {
    return this.count
  }

  /** The fingerprint of a key's content; undefined if there is no such key. */
  get(key: Key): string | undefined {
    const bucket = this.buckets[this.bucketOf(key)]
    if (bucket === undefined) return undefined
    const at = lowerBound(bucket.keys, key)
    return bucket.keys[at] === key ? bucket.prints[at] : undefined
  }

  has(key: Key): boolean {
    return this.get(key) !== undefined
  }

  /** Returns whether the key is new. */
  set(key: Key, fingerprint: string): boolean {
    const index = this.bucketOf(key)
    const bucket = this.buckets[index]
    if (bucket === undefined) {
      this.buckets.push({ keys: [key], prints: [fingerprint] })
      this.count += 1
      return true
    }
    const { keys, prints } = bucket
    const at = lowerBound(keys, key)
    if (keys[at] === key) {
      prints[at] = fingerprint
      return false
    }
    this.count += 1
    if (at === keys.length) {
      keys.push(key)
      prints.push(fingerprint)
    } else {
      keys.splice(at, 0, key)
      prints.splice(at, 0, fingerprint)
    }
    if (keys.length > bucketSize) this.split(index, bucket, at)
    return true
  }

  /** Returns whether the index had the key. */
  delete(key: Key): boolean {
    const index = this.bucketOf(key)
    const bucket = this.buckets[index]
    if (bucket === undefined) return false
    const at = lowerBound(bucket.keys, key)
    if (bucket.keys[at] !== key) return false
    bucket.keys.splice(at, 1)
    bucket.prints.splice(at, 1)
    this.count -= 1
    if (bucket.keys.length === 0) this.buckets.splice(index, 1)
    return true
  }

  /** The keys of a range, in order. The index must not be changed before the last key is read. */
  *under(range: KeyRange): Generator<Key, void> {
    for (let index = this.bucketOf(range.prefix); index < this.buckets.length; index++) {
      const keys = this.buckets[index]?.keys ?? []
      for (let at = lowerBound(keys, range.prefix); at < keys.length; at++) {
        const key = keys[at]
        if (key === undefined || !contains(range, key)) return
        yield key
      }
    }
  }

  /** The keys of a range that are not `present`, in order. Fastest if `present` is in order too. */
  absent(range: KeyRange, present: ReadonlyArray<Key>): ReadonlyArray<Key> {
    return atOnce(this.absentInSteps(range, present))
  }

  /**
   * `absent` in steps, between which other fibers may run. The index must not be changed before the last step.
   *
   * @internal
   */
  *absentInSteps(range: KeyRange, present: ReadonlyArray<Key>): Steps<ReadonlyArray<Key>> {
    const names = sorted(present)
    const absent: Array<Key> = []
    let at = 0
    let count = 0
    for (const key of this.under(range)) {
      if (++count % stepSize === 0) yield
      let name = names[at]
      while (name !== undefined && name < key) name = names[++at]
      if (name === key) at += 1
      else absent.push(key)
    }
    return absent
  }

  /** All keys, in order. */
  keys(): Generator<Key, void> {
    return this.under({ prefix: "", exact: false })
  }

  /** The index of the bucket that has the key, or that it belongs to: the last bucket whose first key is not greater. */
  private bucketOf(key: string): number {
    const { buckets } = this
    let low = 0
    let high = buckets.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((buckets[middle]?.keys[0] ?? "") <= key) low = middle + 1
      else high = middle
    }
    return low === 0 ? 0 : low - 1
  }

  /** A key at the end of a bucket begins the next one: more keys are likely to follow in order, and full buckets stay full. */
  private split(index: number, { keys, prints }: Bucket<Key>, at: number): void {
    const from = at === keys.length - 1 ? at : keys.length >>> 1
    this.buckets.splice(index + 1, 0, { keys: keys.splice(from), prints: prints.splice(from) })
  }
}

/**
 * The fingerprint of a value (base64) and flags (a uint64).
 *
 * @since 0.5.0
 * @category fingerprints
 */
export const fingerprint: (value: string, flags: bigint) => string = Fingerprint.of

/**
 * @since 0.5.0
 * @category constructors
 */
export const empty = <Key extends string = DestinationKey>(): DestinationIndex<Key> =>
  new DestinationIndex<Key>()
