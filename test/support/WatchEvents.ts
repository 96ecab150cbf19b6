/** Events of a watch as a test makes them up: empty snapshots of ranges, and the names by which a test expects them. */
import type { CaughtUp, Snapshot, WatchEvent } from "../../src/internal/source/WatchEvent.js"
import * as KeyRange from "../../src/KeyRange.js"

export const snapshot = (prefix: string, index: number, restarted = false): Snapshot => ({
  _tag: "Snapshot",
  range: KeyRange.under(prefix),
  index,
  restarted,
  totalKeys: 1,
  entries: [],
  invalidUtf8Keys: [],
  malformed: []
})

export const caughtUp = (index: number, layoutChanged = false): CaughtUp => ({
  _tag: "CaughtUp",
  index,
  names: [],
  layoutChanged
})

export const named = (event: WatchEvent): string =>
  event._tag === "CaughtUp" ? `caught up ${event.index}` : `${event.range.prefix} ${event.index}`
