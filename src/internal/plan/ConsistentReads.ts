/**
 * What the source said for certain of keys, not long ago: an answer that was on its way meanwhile, or had to wait, is
 * known by it.
 */
import * as Duration from "effect/Duration"
import * as Schedules from "../Schedules.js"

/** By which index of the source. No `print` where it had no such key. */
interface Reading {
  readonly index: number
  readonly print: string | undefined
}

/**
 * Mutable, as the contents that it tells of: a repair can be of as many keys as there are. An older half is forgotten
 * as a whole, so that nothing has to be looked for.
 */
export class ConsistentReads {
  private recent = new Map<string, Reading>()
  private older = new Map<string, Reading>()
  private since = 0

  /** `print` is the fingerprint of what the source holds, none where it has no such key. */
  record(key: string, said: Reading): void {
    this.recent.set(key, said)
  }

  /**
   * Whether whoever says that of a key, by an `index` of the source, was asked before: what they say otherwise would
   * have a later index if it were newer.
   */
  overrules(key: string, { index, print }: Reading): boolean {
    const said = this.recent.get(key) ?? this.older.get(key)
    return said !== undefined && said.print !== print && index < said.index
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
