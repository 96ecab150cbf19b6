/** Estimates how many bytes the answers about ranges have, from earlier reads. Consul does not announce the size of an answer. */
import { contains, id, type KeyRange } from "../../KeyRange.js"
import type { KeyValues } from "../../KeyValue.js"

/** Bytes of the JSON around the name and the value of an entry: indexes, flags and the names of the fields. */
const entryBytes = 115

/** The fewest bytes that are assumed of a key whose value was not read. */
const usualBytes = 200

/** About how many bytes an answer with these entries has. */
export const bytesOf = ({ entries }: KeyValues): number => {
  let bytes = 0
  for (const { key, value } of entries) bytes += key.length + value.length + entryBytes
  return bytes
}

/**
 * The most bytes of one answer. Eight reads at once need 32 MB. An entry has at most 700 kB in base64, so that a range of one key
 * always fits.
 */
export const readBytes = 4 * 1024 * 1024

/** The most bytes of all answers that are read without a permit. With the eight reads that have one: 56 MB. */
const lightBytesTogether = 24 * 1024 * 1024

/** An answer of fewer bytes needs no permit, and no request before it that shows whether it is needed. */
const lightBytesEach = 512 * 1024

/** The most bytes of an answer that is read without a permit, if each of `shards` shards can have one at once. */
export const lightBytes = (shards: number): number => Math.min(lightBytesEach, lightBytesTogether / shards)

/** The most bytes of a prefix that is read at once at each change. */
export const wholeBytes = 8 * 1024 * 1024

/** How many times the limit of an answer its bytes are assumed to be if it was cut off. */
const assumed = 16

/** The latest answer about a range. */
interface Measured {
  readonly range: KeyRange
  /** Number of keys in the answer. */
  readonly keys: number
  /** Size of the answer. */
  readonly bytes: number
}

/** A range whose answer was cut off. */
interface Heavy {
  readonly range: KeyRange
  /** Bytes that are assumed of each key until a range inside was read. */
  readonly perKey: number
  /** Number of keys in later answers about ranges inside. */
  keys: number
  /** Size of those answers. */
  bytes: number
}

/** Mutable: each read adds to it. */
export class Weights {
  private readonly measured = new Map<string, Measured>()
  private heavy: ReadonlyArray<Heavy> = []
  /** Bytes that are assumed of a key in a range that was never read. */
  private usual = usualBytes
  /** Ranges whose answer was cut off after `most` bytes, and whose keys were not counted. */
  private uncounted: ReadonlyArray<{ readonly range: KeyRange; readonly most: number }> = []

  /** Whether no range was measured, or an answer was cut off and its keys were not counted. */
  get areUnknown(): boolean {
    return this.measured.size + this.heavy.length === 0 || this.uncounted.length > 0
  }

  /** Records that the answer about a range was cut off after `most` bytes. `noteCount` must follow. */
  noteCutOff(range: KeyRange, most: number): void {
    this.measured.delete(id(range))
    this.uncounted = [{ range, most }]
  }

  /** Records how many keys a range has whose answer was cut off. */
  noteCount(keys: number): void {
    for (const { most, range } of this.uncounted) this.noteTooHeavy(range, keys, most)
    this.uncounted = []
  }

  /** Records about how many bytes a key has, from a sample. It counts for ranges that were never read. */
  guess(bytesPerKey: number): void {
    this.usual = Math.max(usualBytes, bytesPerKey)
  }

  /** Records the number of keys and the size of an answer about a range. */
  note(range: KeyRange, keys: number, bytes: number): void {
    this.measured.set(id(range), { range, keys, bytes })
    for (const one of this.heavy) {
      if (!contains(one.range, range.prefix)) continue
      one.keys += keys
      one.bytes += bytes
    }
  }

  /** Records that the answer about a range of `keys` keys was cut off after `most` bytes. */
  noteTooHeavy(range: KeyRange, keys: number, most: number): void {
    this.measured.delete(id(range))
    const perKey = Math.max((assumed * most) / Math.max(1, keys), this.perKey(range.prefix))
    this.heavy = [
      ...this.heavy.filter((one) => id(one.range) !== id(range)),
      { range, perKey, keys: 0, bytes: 0 }
    ]
  }

  /** Forgets all ranges except these, which are disjoint. */
  keep(ranges: Iterable<KeyRange>): void {
    const wanted = new Set(Array.from(ranges, id))
    for (const one of this.measured.keys()) if (!wanted.has(one)) this.measured.delete(one)
    // Ranges that are watched now were measured by themselves.
    this.heavy = this.heavy.filter(({ range }) => !wanted.has(id(range)))
  }

  /** About how many bytes an answer about a range of `keys` keys has. */
  estimate(range: KeyRange, keys: number): number {
    const one = this.measured.get(id(range))
    return one !== undefined && one.keys > 0
      ? (one.bytes / one.keys) * Math.max(1, keys)
      : this.perKey(range.prefix) * keys
  }

  /** About how many bytes all keys have, if there are `keys`. Keys that were too heavy count as heavy until they were measured. */
  total(keys: number): number {
    let measuredKeys = 0
    let bytes = 0
    for (const one of this.measured.values()) {
      measuredKeys += one.keys
      bytes += one.bytes
    }
    const [first] = this.heavy
    if (first !== undefined && measuredKeys === 0) return Math.max(1, keys) * averageOf(first)
    return bytes + Math.max(0, keys - measuredKeys) * (first === undefined ? this.usual : averageOf(first))
  }

  /**
   * For each of the sorted `names`, how many bytes the keys before it have together. None if `keys` keys of any range have less
   * than `most` bytes.
   */
  cumulative(names: ReadonlyArray<string>, keys: number, most: number): Float64Array | undefined {
    const parts = [...this.measured.values()].sort((a, b) => (a.range.prefix < b.range.prefix ? -1 : 1))
    const limit = most / keys
    const isHeavy = this.heavy.length > 0 || parts.some(({ bytes, keys }) => bytes > limit * keys)
    if (!isHeavy && this.usual <= limit) return undefined
    const sums = new Float64Array(names.length + 1)
    let at = 0
    for (let i = 0; i < names.length; i++) {
      const name = names[i] ?? ""
      while (at + 1 < parts.length && (parts[at + 1]?.range.prefix ?? "") <= name) at += 1
      const one = parts[at]
      const isIn = one !== undefined && one.keys > 0 && contains(one.range, name)
      sums[i + 1] = (sums[i] ?? 0) + (isIn ? one.bytes / one.keys : this.perKey(name))
    }
    return sums
  }

  /** About how many bytes a key has: as in the narrowest range around it whose answer was cut off. */
  private perKey(name: string): number {
    let narrowest: Heavy | undefined
    for (const one of this.heavy) {
      if (!contains(one.range, name)) continue
      if (narrowest === undefined || one.range.prefix.length >= narrowest.range.prefix.length) narrowest = one
    }
    return narrowest === undefined ? this.usual : averageOf(narrowest)
  }
}

const averageOf = ({ bytes, keys, perKey }: Heavy): number => (keys === 0 ? perKey : bytes / keys)
