/**
 * Which ranges of the source were read consistently in the last minutes, and at which index. By them an answer is recognised as
 * outdated that was on its way meanwhile, or had to wait in a queue.
 */
import * as Duration from "effect/Duration"
import { contains, equals, type KeyRange, overlaps } from "../../KeyRange.js"
import * as Schedules from "../Schedules.js"

interface Reading {
  readonly range: KeyRange
  /** Index of the range. */
  readonly index: number
}

const covers = (range: KeyRange, inner: KeyRange): boolean =>
  range.exact ? inner.exact && inner.prefix === range.prefix : contains(range, inner.prefix)

/** Mutable. The older half of the readings is forgotten as a whole. */
export class ConsistentReads {
  private recent: ReadonlyArray<Reading> = []
  private older: ReadonlyArray<Reading> = []
  /** When `recent` began: ms, monotonic. */
  private since = 0

  /** A lower index than before of the same range belongs to another history: then all other readings are forgotten. */
  record(range: KeyRange, index: number): void {
    const isRewound = (one: Reading): boolean => one.index > index && equals(one.range, range)
    if (this.recent.some(isRewound) || this.older.some(isRewound)) this.clear()
    const others = this.recent.filter((one) => one.index > index || !covers(range, one.range))
    this.recent = [...others, { range, index }]
  }

  /**
   * Whether a range that overlaps with this one was read at a later index. Then an answer about this range may be older than
   * that read. It need not be: the later index may be that of a key beside this range.
   */
  overrules(range: KeyRange, index: number): boolean {
    const isLater = (one: Reading): boolean => one.index > index && overlaps(one.range, range)
    return this.recent.some(isLater) || this.older.some(isLater)
  }

  /** The source has another history now. */
  clear(): void {
    this.recent = []
    this.older = []
  }

  /** Forgets what no answer can be older than any more (ms, monotonic). Answers are kept waiting for `wait` beside that. */
  forget(now: number, wait = Duration.zero): void {
    if (now - this.since < Duration.toMillis(Duration.sum(Schedules.answerMaxAge, wait))) return
    this.older = this.recent
    this.recent = []
    this.since = now
  }
}
