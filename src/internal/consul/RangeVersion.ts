/**
 * The version of a range: its index, and whether it has keys. Two states of a range have different versions.
 *
 * The index alone does not. `consul kv delete -recurse global` leaves one tombstone, under `global`. The index of `global/`
 * and of each deeper range does not count that tombstone: with an older tombstone inside, the range keeps its index and is
 * empty (measured on 1.8.7; a blocked query on it ends with its wait). Together they do, for 10 minutes: a delete inside
 * the range leaves a tombstone that counts, a delete from above empties the range completely, and a later write has a later
 * index. After 15 minutes Consul forgets a tombstone, and an index can fall back to an earlier one.
 */

import type { KeyValues } from "../../KeyValue.js"
import type { Answer } from "./Consul.js"

export interface RangeVersion {
  /** `X-Consul-Index` of the range. */
  readonly index: number
  /** Whether the range has keys. */
  readonly hasKeys: boolean
}

export const equals = (a: RangeVersion, b: RangeVersion): boolean =>
  a.index === b.index && a.hasKeys === b.hasKeys

/** The version in an answer whose value is whether the range has keys. */
export const of = ({ index, value }: Pick<Answer<boolean>, "index" | "value">): RangeVersion => ({
  index,
  hasKeys: value
})

/** Whether an answer has keys. A key that cannot be copied counts. */
export const hasKeys = ({ entries, malformed, invalidUtf8Keys }: KeyValues): boolean =>
  entries.length + malformed.length + invalidUtf8Keys.length > 0

/** The version in an answer with the entries. */
export const ofEntries = ({ index, value }: Pick<Answer<KeyValues>, "index" | "value">): RangeVersion => ({
  index,
  hasKeys: hasKeys(value)
})
