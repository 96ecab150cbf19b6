/**
 * What consistent reads of the source returned in the last minutes. An answer that was on its way meanwhile, or had to wait in
 * a queue, is recognised as outdated by it.
 */
import * as Duration from "effect/Duration"
import * as Schedules from "../Schedules.js"

/** What a read returned of one key. */
interface Reading {
  /** Index of the source. */
  readonly index: number
  /** Fingerprint of the value and flags; none if the source had no such key. */
  readonly print: string | undefined
}

/** Mutable: a repair can be of a million keys. The older half of the readings is forgotten as a whole. */
export class ConsistentReads {
  private recent = new Map<string, Reading>()
  private older = new Map<string, Reading>()
  private since = 0

  record(key: string, reading: Reading): void {
    this.recent.set(key, reading)
  }

  /** Whether an answer is older than our last consistent read of this key: it says something else, and its index is lower. */
  overrules(key: string, { index, print }: Reading): boolean {
    const last = this.recent.get(key) ?? this.older.get(key)
    return last !== undefined && last.print !== print && index < last.index
  }

  /** The source has another history now. */
  clear(): void {
    this.recent.clear()
    this.older.clear()
  }

  /** Forgets what no answer can be older than any more (ms, monotonic). */
  forget(now: number): void {
    if (now - this.since < Duration.toMillis(Schedules.answerMaxAge)) return
    this.older = this.recent
    this.recent = new Map()
    this.since = now
  }
}
