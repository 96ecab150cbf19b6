/**
 * The ranges of the source that were read consistently in the last minutes, each with its index. An answer that was in the
 * network or in a queue during such a read is older than the read: its index is lower.
 */
import * as Duration from "effect/Duration"
import { contains, equals, type KeyRange, overlaps } from "../../KeyRange.js"

/**
 * The longest time from an answer's index to its processing, while newer answers are processed. The body of a large answer may
 * arrive for two minutes.
 */
export const answerMaxAge = Duration.minutes(3)

interface Reading {
  readonly range: KeyRange
  /** `X-Consul-Index` of the range. */
  readonly index: number
}

const covers = (range: KeyRange, inner: KeyRange): boolean =>
  range.exact ? inner.exact && inner.prefix === range.prefix : contains(range, inner.prefix)

/** Mutable. Drops the older half of the readings as a whole. */
export class ConsistentReads {
  private recent: ReadonlyArray<Reading> = []
  private older: ReadonlyArray<Reading> = []
  /** When the first of `recent` was recorded: ms, monotonic. */
  private since = 0

  /** A lower index of the same range than before belongs to another history: then all other readings are dropped. */
  record(range: KeyRange, index: number): void {
    const isRewound = (one: Reading): boolean => one.index > index && equals(one.range, range)
    if (this.recent.some(isRewound) || this.older.some(isRewound)) this.clear()
    const others = this.recent.filter((one) => one.index > index || !covers(range, one.range))
    this.recent = [...others, { range, index }]
  }

  /**
   * Whether a range that overlaps with this one was read at a higher index. Then an answer about this range may be older than
   * that read. It need not be: the higher index may be that of a key outside of this range.
   */
  overrules(range: KeyRange, index: number): boolean {
    const isLater = (one: Reading): boolean => one.index > index && overlaps(one.range, range)
    return this.recent.some(isLater) || this.older.some(isLater)
  }

  /** Drops all readings: the source has another history now. */
  clear(): void {
    this.recent = []
    this.older = []
  }

  /**
   * Drops readings that no answer can be older than any more. `now` is in ms, monotonic. `wait` is how long answers are kept
   * waiting before they are used.
   */
  forget(now: number, wait = Duration.zero): void {
    if (now - this.since < Duration.toMillis(Duration.sum(answerMaxAge, wait))) return
    this.older = this.recent
    this.recent = []
    this.since = now
  }
}
