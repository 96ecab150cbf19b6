/**
 * Compares both sides in full at the beginning of a leadership. While the writes of some ranges land, the next ranges are
 * planned: so the destination has work all the time.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Monotonic from "../effect/Monotonic.js"
import * as DeletePolicy from "../plan/DeletePolicy.js"
import { destinationKey } from "../plan/Mapping.js"
import type * as Planner from "../plan/Planner.js"
import { emit } from "../report/EventSink.js"
import type { Batch } from "../source/Batch.js"
import { applyPlan, landed, recordRefused, remaining } from "./ApplyPlan.js"
import type * as FencedWriter from "./FencedWriter.js"
import * as RefusedKeys from "./RefusedKeys.js"
import type { ReplicaServices } from "./ReplicaServices.js"
import type { ReplicaState } from "./ReplicaState.js"

/** The writes of a plan that have landed, and those that the destination has refused. */
interface Part {
  readonly refusals: ReadonlyArray<FencedWriter.Refusal>
  /** Number of keys that were written. */
  readonly written: number
  /** Bytes of the values of all planned writes. */
  readonly bytes: number
}

/** Sends the writes of a plan, and emits how far the comparison is. Deletes are planned when every range was read. */
const sendPart = Effect.fn("Replica.sendPart")(function* (
  { about }: ReplicaServices,
  { changes, state }: Planner.Plan
): Effect.fn.Return<Part, FencedWriter.WriterError> {
  const planned = changes.changes()
  const refusals = yield* state.writer.write(planned.writes, remaining(state))
  const { bytes, written } = landed(planned, refusals)
  const { compared, expectedKeys, startedAt, writes } = state.comparison
  const elapsed = (yield* Monotonic.now) - startedAt
  yield* emit({
    _tag: "ComparisonProgressed",
    ...about,
    compared,
    expectedKeys,
    writes: writes + written,
    elapsed
  })
  return { refusals, written, bytes }
})

/**
 * The next plan, after a part has landed. The plan was made as if all of the part would land, and from a later answer of the source.
 * So a refused key that the plan writes again is not refused yet, and a refused key that the source lacks by now needs no write.
 */
const withLanded = Effect.fnUntraced(function* (
  services: ReplicaServices,
  before: ReplicaState,
  { changes, ...plan }: Planner.Plan,
  { bytes, refusals, written }: Part
): Effect.fn.Return<Planner.Plan, FencedWriter.WriterError> {
  const { state } = plan
  const { comparison, contents, toReread } = state
  const left = refusals.filter(({ key }) => !changes.hasWrite(destinationKey(key)))
  const recorded = yield* recordRefused(services, state, left)
  const keys = left.map(({ key }) => destinationKey(key))
  const deleted = keys.filter((key) => changes.hasDelete(key))
  // The destination has no such key if it has refused to create it.
  for (const key of deleted) if (!contents.delete(key)) changes.withdraw(key)
  const lacked = keys.filter((key) => toReread.has(key) && !before.toReread.has(key))
  // The plan may have found that a key cannot be read at the source.
  const refused = RefusedKeys.forget(new Map([...recorded, ...state.refused]), [...deleted, ...lacked])
  return {
    ...plan,
    changes,
    state: {
      ...state,
      ...(left.length === 0 ? {} : DeletePolicy.withoutDeleted(state, contents)),
      refused,
      comparison: {
        ...comparison,
        writes: comparison.writes + written,
        bytes: comparison.bytes + bytes
      }
    }
  }
})

/** A state, and a plan that was made from it. */
interface Planned {
  readonly before: ReplicaState
  readonly plan: Planner.Plan
}

/** Plans the first batch. The caller gets no reference to the batch: it would keep the values until the comparison ends. */
const planFirst = <E, E2>(
  { planner }: ReplicaServices,
  start: Effect.Effect<ReplicaState, E>,
  next: Effect.Effect<Batch, E2>
): Effect.Effect<Planned, E | E2 | FencedWriter.WriterError> =>
  Effect.flatMap(next, (first) =>
    Effect.flatMap(start, (before) =>
      Effect.map(planner.planEvents(before, first), (plan) => ({ before, plan }))
    )
  )

/** Compares until every range of the source was read, and everything up to the index of that has landed. */
export const inFull = Effect.fn("Replica.compare")(function* <E, E2>(
  services: ReplicaServices,
  start: Effect.Effect<ReplicaState, E>,
  next: Effect.Effect<Batch, E2>
): Effect.fn.Return<ReplicaState, FencedWriter.WriterError | E | E2> {
  const { planner } = services
  let planned = yield* planFirst(services, start, next)
  while (Option.isNone(planned.plan.index)) {
    const { plan } = planned
    const { state } = plan
    const planning = Effect.flatMap(next, (events) => planner.planEvents(state, events))
    // A failure at the source waits until the part has landed: to interrupt the PUT of a large value costs the session of the lock.
    const [part, following] = yield* Effect.all([sendPart(services, plan), Effect.exit(planning)], {
      concurrency: "unbounded"
    })
    planned = { before: state, plan: yield* withLanded(services, state, yield* following, part) }
  }
  return yield* applyPlan(services, planned.before, planned.plan)
})
