/** A snapshot beside the destination. */
import type { KeyValue } from "../../KeyValue.js"
import type { Snapshot } from "../../WatchEvent.js"
import type * as Diff from "./Diff.js"

/** A snapshot whose values are not kept: they may be more than fits memory. */
export interface Seen extends Omit<Snapshot, "entries"> {
  readonly entries: ReadonlyArray<Omit<KeyValue, "value">>
}

/** A snapshot that is believed, and what it changes. */
export interface Compared {
  readonly snapshot: Seen
  readonly difference: Diff.Difference
}
