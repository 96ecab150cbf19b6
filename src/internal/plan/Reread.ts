/**
 * Reads ranges of the source again whose answers lacked keys that the source has, and plans what the reads change.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ConsulError } from "../../ConsulError.js"
import * as KeyRange from "../../KeyRange.js"
import * as RefusedKeys from "../destination/RefusedKeys.js"
import type { ReplicaState } from "../destination/ReplicaState.js"
import type { Deciding, Draft } from "./Deciding.js"
import { type DestinationKey, rangeAtDestination, rangeAtSource } from "./Mapping.js"
import { planWrites } from "./PlannedChanges.js"

/** The most keys that are read one by one. For more, the whole prefix is read. */
const mostReadAlone = 64

/** `keys` that are not among `others`, in their order. */
export const without = (
  keys: Iterable<DestinationKey>,
  others: ReadonlySet<DestinationKey>
): ReadonlyArray<DestinationKey> => Array.from(keys).filter((key) => !others.has(key))

/** Ranges of the source that were read again, consistently. */
export interface Reread {
  /** The state after what the reads changed. */
  readonly state: ReplicaState
  /** The keys of the destination that the reads lacked. */
  readonly missing: ReadonlyArray<DestinationKey>
  /** The ranges, named as at the destination. */
  readonly ranges: ReadonlyArray<KeyRange.KeyRange>
}

/** Makes a function that returns whether one of the ranges has a key. */
export const isInAny =
  (ranges: ReadonlyArray<KeyRange.KeyRange>) =>
  (key: DestinationKey): boolean =>
    ranges.some((range) => KeyRange.contains(range, key))

/** Reads ranges of the source again, consistently, and plans what that changes. */
export const rereadRanges = Effect.fnUntraced(function* (
  { check, mapping }: Deciding,
  { changes, state: before }: Draft,
  ranges: ReadonlyArray<KeyRange.KeyRange>
): Effect.fn.Return<Reread, ConsulError> {
  const missing: Array<DestinationKey> = []
  const read: Array<KeyRange.KeyRange> = []
  let state = before
  for (const range of ranges) {
    const atDestination = rangeAtDestination(mapping, range)
    if (Option.isNone(atDestination)) continue
    const { difference, snapshot } = yield* check.confirm(state, range)
    changes.reach(snapshot.index)
    const planned = planWrites(state, changes, atDestination.value, difference)
    state = planned.state
    missing.push(...planned.difference.missing)
    read.push(atDestination.value)
  }
  return { state, missing, ranges: read }
})

/** The ranges of the source in which to read keys of the destination again. */
export const rangesOf = (
  { mapping, replication }: Deciding,
  keys: ReadonlyArray<DestinationKey>
): ReadonlyArray<KeyRange.KeyRange> =>
  keys.length > mostReadAlone
    ? [KeyRange.under(replication.prefix)]
    : keys.flatMap((key) => Option.toArray(rangeAtSource(mapping, KeyRange.only(key))))

/** Keys that answers of the source lacked although it has them: it lists them, or says by name that they exist. */
export interface Existing {
  /** Keys of the destination that the answers must have had: an answer without one of them was wrong. */
  readonly contradicting: ReadonlyArray<DestinationKey>
  /** Keys of the destination that were created at the source after the answers. */
  readonly created: ReadonlyArray<DestinationKey>
}

/** Answers of the source that lacked keys. */
export interface Answers {
  /** The ranges of the source that were asked for. */
  readonly ranges: ReadonlyArray<KeyRange.KeyRange>
  /** Whether so many keys were missing that the answers may be wrong. */
  readonly doubtful: boolean
}

/**
 * Reads the source again for keys that it has and that its answers lacked. First it reads whole ranges, so that the keys of a
 * range land as they were at one moment: the ranges of created keys, and of contradicting keys if the answers are `doubtful`, since
 * doubtful answers may lack more keys. Then it reads each key alone that no range had. If the read of a contradicting key alone
 * lacks that key too, the source contradicts itself, and the key counts as unreadable.
 */
export const rereadExisting = Effect.fnUntraced(function* (
  deciding: Deciding,
  { changes, state }: Draft,
  { contradicting, created }: Existing,
  { doubtful, ranges }: Answers
): Effect.fn.Return<Reread, ConsulError> {
  const existing = [...contradicting, ...created]
  if (existing.length === 0) return { state, missing: [], ranges: [] }
  if (doubtful && ranges.length > 0 && contradicting.length > 0)
    yield* deciding.pass.contradicted(contradicting.length)
  const toRead = doubtful ? existing : created
  const lacked = ranges.filter((range) =>
    toRead.some(isInAny(Option.toArray(rangeAtDestination(deciding.mapping, range))))
  )
  const first = yield* rereadRanges(deciding, { state, changes }, lacked)
  const missing = new Set(first.missing)
  const isRead = isInAny(first.ranges)
  const left = existing.filter((key) => missing.has(key) || !isRead(key))
  const second = yield* rereadRanges(deciding, { state: first.state, changes }, rangesOf(deciding, left))
  const asked = new Set(left)
  const isReadLast = isInAny(second.ranges)
  const reason = "a read of it finds nothing, but the source says that it exists"
  const lacking = new Set(second.missing)
  const unreadable = contradicting
    .filter((key) => asked.has(key) && lacking.has(key))
    .map((key) => ({ key, reason }))
  const toReread: ReplicaState["toReread"] = new Set(without(second.state.toReread, new Set(existing)))
  return {
    state: {
      ...second.state,
      toReread,
      refused: RefusedKeys.withUnreadable(second.state.refused, unreadable)
    },
    missing: [...first.missing.filter((key) => !isReadLast(key)), ...second.missing],
    ranges: [...first.ranges, ...second.ranges]
  }
})
