/**
 * The names of all keys under a prefix as they were last listed. Answers about ranges are compared with them.
 */
import { contains, type KeyRange } from "../../KeyRange.js"
import type { KeyValues } from "../../KeyValue.js"

/** Mutable: the next listing takes the place of the one before. */
export class Listing {
  /** Sorted by UTF-16 code units. */
  private names: ReadonlyArray<string> = []
  /** Names of the listing that are known to be gone. */
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

  /** How many keys a range had. */
  count(range: KeyRange): number {
    const [low, high] = this.bounds(range)
    return high - low
  }

  /** Which keys of a range an answer lacks. */
  lacking(range: KeyRange, { entries, malformed, invalidUtf8Keys }: KeyValues): ReadonlyArray<string> {
    const [low, high] = this.bounds(range)
    const suspects: Array<string> = []
    let at = 0
    for (let i = low; i < high; i++) {
      const name = this.names[i] ?? ""
      // Both are in the same order, except where a name has characters beyond U+FFFF.
      while ((entries[at]?.key ?? name) < name) at += 1
      if (entries[at]?.key === name) at += 1
      else suspects.push(name)
    }
    if (suspects.length === 0) return suspects
    const there = new Set(invalidUtf8Keys)
    for (const { key } of entries) there.add(key)
    for (const { key } of malformed) there.add(key)
    return suspects.filter((name) => !there.has(name) && !this.gone.has(name))
  }

  private bounds(range: KeyRange): readonly [number, number] {
    const { prefix } = range
    const low = this.first((name) => name >= prefix)
    return [low, this.first((name) => name > prefix && !contains(range, name))]
  }

  /** The first name of which that is so, where it is so of all that follow. */
  private first(isSo: (name: string) => boolean): number {
    let low = 0
    let high = this.names.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (isSo(this.names[middle] ?? "")) high = middle
      else low = middle + 1
    }
    return low
  }
}
