/**
 * How many bytes the answers about ranges have, as far as it is known from earlier reads. Consul tells nobody beforehand.
 */
import { contains, id, type KeyRange } from "../../KeyRange.js"
import type { KeyValues } from "../../KeyValue.js"

/** JSON around the name and the value of an entry, in bytes: indexes, flags and the names of the fields. */
const entryBytes = 115

/** What a key whose value is not known counts for at least, in bytes. */
const usualBytes = 200

/** About how many bytes an answer with these entries has. */
export const bytesOf = ({ entries }: KeyValues): number => {
  let bytes = 0
  for (const { key, value } of entries) bytes += key.length + value.length + entryBytes
  return bytes
}

/**
 * The most bytes of one answer. Eight reads at once hold 32 MB. An entry has at most 700 kB in base64, so that a range of
 * one key always fits.
 */
export const readBytes = 4 * 1024 * 1024

/** The most bytes of all answers together that are read without waiting for a turn. With those that wait: 56 MB. */
const lightBytesTogether = 24 * 1024 * 1024

/** An answer of less is worth no turn, and no request that asks whether it is needed. */
const lightBytesEach = 512 * 1024

/** The most bytes of an answer that is read without waiting for a turn: there can be one for each shard. */
export const lightBytes = (shards: number): number => Math.min(lightBytesEach, lightBytesTogether / shards)

/** The most bytes of a prefix that is read as a whole at each change. */
export const wholeBytes = 8 * 1024 * 1024

/** What is assumed of an answer that was cut off: so many times what it may have. */
const assumed = 16

interface Measured {
  readonly range: KeyRange
  readonly keys: number
  readonly bytes: number
}

/** Of a range that was too heavy: what was measured inside of it since. */
interface Heavy {
  readonly range: KeyRange
  readonly perKey: number
  keys: number
  bytes: number
}

/** Mutable: each read adds to it. */
export class Weights {
  private readonly measured = new Map<string, Measured>()
  private heavy: ReadonlyArray<Heavy> = []
  /** What a key counts for, in bytes, where nothing was measured. */
  private usual = usualBytes
  /** Ranges whose answer was cut off before anybody had counted their keys, and after how many bytes. */
  private uncounted: ReadonlyArray<{ readonly range: KeyRange; readonly most: number }> = []

  /** Whether nothing is known but what is assumed of all keys, or that they were too heavy for one answer. */
  get areUnknown(): boolean {
    return this.measured.size + this.heavy.length === 0 || this.uncounted.length > 0
  }

  /** The answer about a range was cut off after `most` bytes. How many keys it has is not known yet. */
  noteCutOff(range: KeyRange, most: number): void {
    this.measured.delete(id(range))
    this.uncounted = [{ range, most }]
  }

  /** A range whose answer was cut off has so many keys. */
  noteCount(keys: number): void {
    for (const { most, range } of this.uncounted) this.noteTooHeavy(range, keys, most)
    this.uncounted = []
  }

  /** Some keys were read: where nothing is measured, a key has about so many bytes. */
  guess(bytesPerKey: number): void {
    this.usual = Math.max(usualBytes, bytesPerKey)
  }

  /** A range was read, with so many keys. */
  note(range: KeyRange, keys: number, bytes: number): void {
    this.measured.set(id(range), { range, keys, bytes })
    for (const one of this.heavy) {
      if (!contains(one.range, range.prefix)) continue
      one.keys += keys
      one.bytes += bytes
    }
  }

  /** The answer about a range of so many keys was cut off after `most` bytes. */
  noteTooHeavy(range: KeyRange, keys: number, most: number): void {
    this.measured.delete(id(range))
    const perKey = Math.max((assumed * most) / Math.max(1, keys), this.perKey(range.prefix))
    this.heavy = [
      ...this.heavy.filter((one) => id(one.range) !== id(range)),
      { range, perKey, keys: 0, bytes: 0 }
    ]
  }

  /** Forgets all ranges but these, which have nothing in common. */
  keep(ranges: Iterable<KeyRange>): void {
    const wanted = new Set(Array.from(ranges, id))
    for (const one of this.measured.keys()) if (!wanted.has(one)) this.measured.delete(one)
    // What was measured inside speaks for itself.
    this.heavy = this.heavy.filter(({ range }) => !wanted.has(id(range)))
  }

  /** About how many bytes an answer about a range of so many keys has. */
  estimate(range: KeyRange, keys: number): number {
    const one = this.measured.get(id(range))
    return one !== undefined && one.keys > 0
      ? (one.bytes / one.keys) * Math.max(1, keys)
      : this.perKey(range.prefix) * keys
  }

  /** About how many bytes all keys have, if there are so many. What was too heavy stays so until it was measured. */
  total(keys: number): number {
    let known = 0
    let bytes = 0
    for (const one of this.measured.values()) {
      known += one.keys
      bytes += one.bytes
    }
    const [first] = this.heavy
    if (first !== undefined && known === 0) return Math.max(1, keys) * averageOf(first)
    return bytes + Math.max(0, keys - known) * (first === undefined ? this.usual : averageOf(first))
  }

  /**
   * How many bytes the keys before each name have together; `names` are sorted. None where no key is so heavy that `most`
   * bytes would be less than `keys` of them.
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

  /** By the narrowest range around a name that was too heavy. */
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
