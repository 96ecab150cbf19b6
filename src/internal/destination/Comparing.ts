/**
 * Compares both sides in full at the beginning of a leadership. While the writes of some ranges land, the next ranges are
 * planned: so the destination has work all the time.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Monotonic from "../effect/Monotonic.js"
import { destinationKey } from "../plan/Mapping.js"
import type * as Planner from "../plan/Planner.js"
import { emit } from "../report/EventSink.js"
import type { Batch } from "../source/Batch.js"
import { applyPlan, landed, recordRefused, remaining } from "./ApplyPlan.js"
import type * as FencedWriter from "./FencedWriter.js"
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

/** The next plan, after a part has landed. A refused key that the plan changes again is not refused yet. */
const withLanded = Effect.fnUntraced(function* (
  services: ReplicaServices,
  plan: Planner.Plan,
  { bytes, refusals, written }: Part
): Effect.fn.Return<Planner.Plan, FencedWriter.WriterError> {
  const { state } = plan
  const { comparison } = state
  const refused = yield* recordRefused(
    services,
    state,
    refusals.filter(({ key }) => !plan.changes.has(destinationKey(key)))
  )
  return {
    ...plan,
    state: {
      ...state,
      refused,
      comparison: {
        ...comparison,
        writes: comparison.writes + written,
        bytes: comparison.bytes + bytes
      }
    }
  }
})

/** Compares until every range of the source was read, and everything up to the index of that has landed. */
export const inFull = Effect.fn("Replica.compare")(function* <E>(
  services: ReplicaServices,
  start: ReplicaState,
  first: Batch,
  next: Effect.Effect<Batch, E>
): Effect.fn.Return<ReplicaState, FencedWriter.WriterError | E> {
  const { planner } = services
  let before = start
  let plan = yield* planner.planEvents(start, first)
  while (Option.isNone(plan.index)) {
    const { state } = plan
    const planning = Effect.flatMap(next, (events) => planner.planEvents(state, events))
    const [part, following] = yield* Effect.all([sendPart(services, plan), planning], {
      concurrency: "unbounded"
    })
    before = state
    plan = yield* withLanded(services, following, part)
  }
  return yield* applyPlan(services, before, plan)
})
