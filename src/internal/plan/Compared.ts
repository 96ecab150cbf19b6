/** A snapshot of the source, compared with the destination. */
import type { KeyValue } from "../../KeyValue.js"
import type { Snapshot } from "../source/WatchEvent.js"
import type * as Diff from "./Diff.js"

/** A snapshot without the values, which may not fit memory. */
export interface ValuelessSnapshot extends Omit<Snapshot, "entries"> {
  readonly entries: ReadonlyArray<Omit<KeyValue, "value">>
}

/** A snapshot that the planner may use, and its difference from the destination. */
export interface Compared {
  readonly snapshot: ValuelessSnapshot
  readonly difference: Diff.Difference
}
