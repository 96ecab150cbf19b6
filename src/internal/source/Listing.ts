/** The names of all keys under a prefix as they were last listed. Answers about ranges are compared with them. */
import { contains, type KeyRange } from "../../KeyRange.js"
import type { KeyValues } from "../../KeyValue.js"

/** Mutable: the next listing replaces the one before. */
export class Listing {
  /** Sorted by UTF-16 code units. */
  private names: ReadonlyArray<string> = []
  /** Names of keys that were deleted after the listing. */
  private gone: ReadonlySet<string> = new Set()

  set(names: ReadonlyArray<string>): void {
    if (names === this.names) return
    this.names = names
    this.gone = new Set()
  }

  /** These keys were deleted after the listing. */
  forget(names: Iterable<string>): void {
    this.gone = new Set([...this.gone, ...names])
  }

  /** How many keys of a range were listed. */
  count(range: KeyRange): number {
    const [low, high] = this.bounds(range)
    return high - low
  }

  /** The listed keys of a range that an answer lacks. */
  lacking(range: KeyRange, { entries, malformed, invalidUtf8Keys }: KeyValues): ReadonlyArray<string> {
    const [low, high] = this.bounds(range)
    const suspects: Array<string> = []
    let at = 0
    for (let i = low; i < high; i++) {
      const name = this.names[i] ?? ""
      // Both are in the same order, unless a name has characters beyond U+FFFF.
      while ((entries[at]?.key ?? name) < name) at += 1
      if (entries[at]?.key === name) at += 1
      else suspects.push(name)
    }
    if (suspects.length === 0) return suspects
    const present = new Set(invalidUtf8Keys)
    for (const { key } of entries) present.add(key)
    for (const { key } of malformed) present.add(key)
    return suspects.filter((name) => !present.has(name) && !this.gone.has(name))
  }

  private bounds(range: KeyRange): readonly [number, number] {
    const { prefix } = range
    const low = this.first((name) => name >= prefix)
    return [low, this.first((name) => name > prefix && !contains(range, name))]
  }

  /** The position of the first name at or beyond a bound. All names after it are beyond the bound too. */
  private first(isBeyond: (name: string) => boolean): number {
    let low = 0
    let high = this.names.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (isBeyond(this.names[middle] ?? "")) high = middle
      else low = middle + 1
    }
    return low
  }
}
