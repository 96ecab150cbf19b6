/**
 * Which keys a datacenter holds under a prefix, and with what content, in little memory: a key, and a fingerprint of
 * its value and flags. It is in order, so that what stands under a part of the prefix is found without looking at all
 * keys.
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

/** Most keys that share an array, in which each new one moves those behind it. */
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
 * Mutable: it belongs to one replica, whose passes change it one after another. Keys stand in the order of their
 * UTF-16 code units, in which all keys with a common prefix stand together as they do in Consul's.
 *
 * Imperative, because all of it runs for each key of what is read. It takes two strings for a key, its name and a
 * fingerprint of at most 32 characters.
 *
 * @since 0.5.0
 * @category models
 */
export class DestinationIndex<Key extends string = DestinationKey> {
  private readonly buckets: Array<Bucket<Key>> = []
  private count = 0

  /** How many keys there are. */
  get size(): number {
    return this.count
  }

  /** The fingerprint of a key's content; undefined where there is no such key. */
  get(key: Key): string | undefined {
    const bucket = this.buckets[this.bucketOf(key)]
    if (bucket === undefined) return undefined
    const at = lowerBound(bucket.keys, key)
    return bucket.keys[at] === key ? bucket.prints[at] : undefined
  }

  has(key: Key): boolean {
    return this.get(key) !== undefined
  }

  /** Says whether the key is new. */
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

  /** Says whether it was there. */
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

  /** The keys of a range, in order. It must not be changed while they are taken. */
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

  /** The keys of a range that are not `there`, in order; soonest where those are in order too. */
  absent(range: KeyRange, there: ReadonlyArray<Key>): ReadonlyArray<Key> {
    return atOnce(this.absentInSteps(range, there))
  }

  /**
   * The same in steps, between which others may work. The index must not be changed meanwhile.
   *
   * @internal
   */
  *absentInSteps(range: KeyRange, there: ReadonlyArray<Key>): Steps<ReadonlyArray<Key>> {
    const names = sorted(there)
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

  /** The bucket that holds the key or is the one for it: the last that begins with no later key. */
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

  /** Behind the last key, new ones are likely to follow in order, and then full buckets stay full. */
  private split(index: number, { keys, prints }: Bucket<Key>, at: number): void {
    const from = at === keys.length - 1 ? at : keys.length >>> 1
    this.buckets.splice(index + 1, 0, { keys: keys.splice(from), prints: prints.splice(from) })
  }
}

/**
 * What is remembered of a value (base64) and flags (a uint64).
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
