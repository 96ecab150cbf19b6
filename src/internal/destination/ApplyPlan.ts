/**
 * Writes a plan to the destination, looks up the keys that the destination has refused, and emits the events of the pass.
 */
import * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ConsulError } from "../../ConsulError.js"
import * as KeyRange from "../../KeyRange.js"
import * as Monotonic from "../effect/Monotonic.js"
import * as Diff from "../plan/Diff.js"
import { destinationKey } from "../plan/Mapping.js"
import type * as Planner from "../plan/Planner.js"
import { emit } from "../report/EventSink.js"
import type * as FencedWriter from "./FencedWriter.js"
import * as RefusedKeys from "./RefusedKeys.js"
import { type ReplicaServices, readsAtOnce } from "./ReplicaServices.js"
import { isComparing, type ReplicaState } from "./ReplicaState.js"
import { valueBytes } from "./TransactionBatches.js"

/** The result of sending a plan. */
interface Sent {
  /** Keys that the destination has refused. */
  readonly refusals: ReadonlyArray<FencedWriter.Refusal>
  /** How long the plan took to send. */
  readonly duration: Duration.Duration
}

/** How much of a plan has landed. */
export interface Landed {
  /** Number of keys that were written. */
  readonly written: number
  /** Number of keys that were deleted. */
  readonly deleted: number
  /** Number of deletes that the destination has refused. */
  readonly refusedDeletes: number
  /** Bytes of the values of all planned writes. */
  readonly bytes: number
}

/** Numbers of keys that a pass leaves as they were if it ends with this state. */
export const remaining = ({ held, refused }: ReplicaState): FencedWriter.Remaining => ({
  heldDeletes: held.size,
  refusedWrites: refused.size,
  unreadable: RefusedKeys.countUnreadable(refused)
})

/** Sends a plan, with the checkpoint. Sends nothing if the status would stay as it is, and the destination too. */
const send = (
  before: ReplicaState,
  plan: Planner.Plan,
  changes: Diff.Changes
): Effect.Effect<Sent, FencedWriter.WriterError> => {
  const { index, state } = plan
  const { held, refused } = state
  const sending = Effect.suspend(() => {
    const isNews =
      !Diff.isEmpty(changes) ||
      held.size !== before.held.size ||
      refused.size !== before.refused.size ||
      (before.aheadOfCheckpoint && Option.isSome(index))
    const isOlder = Option.exists(index, (now) => !Option.exists(before.index, (was) => was <= now))
    if (!isNews && !isOlder) return Effect.succeed([])
    const replicated = Option.getOrElse(
      Option.orElse(index, () => before.index),
      () => 0
    )
    return before.writer.commit(changes, replicated, remaining(state))
  })
  return Effect.map(Effect.timed(sending), ([duration, refusals]) => ({ duration, refusals }))
}

/** Counts the changes of a plan that have landed. */
export const landed = (
  { deletes, writes }: Diff.Changes,
  refusals: ReadonlyArray<FencedWriter.Refusal>
): Landed => {
  const refused = new Set(refusals.map(({ key }) => key))
  const deleted = deletes.filter((key) => !refused.has(key)).length
  const refusedDeletes = deletes.length - deleted
  let bytes = 0
  for (const { value } of writes) bytes += valueBytes(value)
  // Each refusal that is not of a delete is of a write.
  return { written: writes.length - (refusals.length - refusedDeletes), deleted, refusedDeletes, bytes }
}

/** Reads the keys that the destination has refused, and adds them to the refused keys of the state. */
export const recordRefused = Effect.fnUntraced(function* (
  { kv, mapping }: ReplicaServices,
  { contents, refused }: ReplicaState,
  refusals: ReadonlyArray<FencedWriter.Refusal>
): Effect.fn.Return<RefusedKeys.RefusedKeys, ConsulError> {
  const all = new Map(refused)
  const read = yield* Effect.forEach(
    refusals,
    ({ key }) =>
      kv.entry(key, { consistency: "consistent" }).pipe(
        Effect.map(({ value: { entries, malformed } }) => ({ entries, malformed })),
        // A list leaves such a key out, too.
        Effect.catchTag("Denied", () => Effect.succeed({ entries: [], malformed: [] }))
      ),
    { concurrency: readsAtOnce }
  )
  for (const [refusal, { entries, malformed }] of Arr.zip(refusals, read)) {
    const key = destinationKey(refusal.key)
    all.set(key, { print: contents.get(key), refusal })
    Diff.updateContents(contents, mapping, KeyRange.only(key), entries, malformed)
  }
  return all
})

/** The state after a plan was sent. */
const stateAfter = (
  before: ReplicaState,
  { aheadOfCheckpoint, index, state }: Planner.Plan,
  changes: Diff.Changes,
  { bytes, refusedDeletes, written }: Landed,
  refused: RefusedKeys.RefusedKeys
): ReplicaState => {
  const { comparison } = state
  return {
    ...state,
    // A refused delete did not happen. With an index it may be counted until the source is complete again.
    deletesSinceComplete: state.deletesSinceComplete - (Option.isNone(index) ? refusedDeletes : 0),
    refused,
    index: Option.orElse(index, () => before.index),
    aheadOfCheckpoint:
      aheadOfCheckpoint || (Option.isNone(index) && (before.aheadOfCheckpoint || !Diff.isEmpty(changes))),
    comparison: {
      ...comparison,
      writes: comparison.writes + written,
      bytes: comparison.bytes + bytes
    }
  }
}

/** Emits that the changes have landed, or that the comparison is complete. */
const emitLanded = Effect.fnUntraced(function* (
  { about }: ReplicaServices,
  before: ReplicaState,
  after: ReplicaState,
  highest: number,
  { bytes, deleted, written }: Landed,
  duration: Duration.Duration
) {
  const { comparison, contents, held, refused } = after
  const wasComparing = isComparing(before)
  const isEqual = held.size + refused.size === 0
  const inSync = isEqual && (wasComparing || before.held.size + before.refused.size > 0)
  const common = {
    ...about,
    deletes: deleted,
    totalKeys: contents.size - held.size,
    index: highest,
    inSync
  }
  if (wasComparing) {
    const { drift, writes } = comparison
    const elapsed = (yield* Monotonic.now) - comparison.startedAt
    return yield* emit({
      _tag: "ComparisonDone",
      ...common,
      writes,
      bytes: comparison.bytes,
      duration: elapsed,
      drift
    })
  }
  if (!inSync && written + deleted === 0) return
  yield* emit({ _tag: "Applied", ...common, writes: written, bytes, duration: Duration.toMillis(duration) })
})

/** Emits the held deletes and the refused keys of a state, or that there are none any more. */
const emitRemaining = Effect.fnUntraced(function* (
  { holding, refusing }: ReplicaServices,
  { contents, held, refused }: ReplicaState
) {
  if (held.size === 0) yield* holding.resolve
  else yield* holding.report("held", { keys: held, totalKeys: contents.size })
  if (refused.size === 0) return yield* refusing.resolve
  const refusals = RefusedKeys.refusals(refused).map(({ _tag, key, message }) => ({
    key,
    cause: _tag,
    message
  }))
  // Another number of keys, or another reason, is a cause of its own.
  const kind = [refusals.length, ...refusals.slice(0, 3).map(({ message }) => message)].join(" ")
  yield* refusing.report(kind, refusals)
})

/**
 * Writes a plan. If the plan has an `index`, the checkpoint says that everything up to that index has landed. The plan of a state
 * that was not compared yet must have one.
 */
export const applyPlan = Effect.fn("Replica.applyPlan")(function* (
  services: ReplicaServices,
  before: ReplicaState,
  plan: Planner.Plan
): Effect.fn.Return<ReplicaState, FencedWriter.WriterError> {
  const changes = plan.changes.changes()
  const { duration, refusals } = yield* send(before, plan, changes)
  const counts = landed(changes, refusals)
  const refused = yield* recordRefused(services, plan.state, refusals)
  const after = stateAfter(before, plan, changes, counts, refused)
  const highest = Option.getOrElse(plan.index, () =>
    Math.max(
      plan.changes.index,
      Option.getOrElse(before.index, () => 0)
    )
  )
  yield* emitLanded(services, before, after, highest, counts, duration)
  yield* emitRemaining(services, after)
  return after
})
