/**
 * Reconciles a destination again and again, between the passes that apply changes of the source.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as SynchronizedRef from "effect/SynchronizedRef"
import { breathe } from "../effect/EventLoop.js"
import { wholeMillis } from "../effect/WholeMillis.js"
import type * as FencedWriter from "./FencedWriter.js"
import * as Replica from "./Replica.js"
import type { ReplicaState } from "./ReplicaState.js"

/**
 * The longest time between two attempts to write refused keys. Each attempt costs two reads and a write, and changes wait for it:
 * a moment, unless the values are large.
 */
export const refusedInterval = Duration.minutes(1)

/** How often the destination is scanned and refused keys are tried again. */
interface ReconcileRhythm {
  /** From the end of one tick to the next. */
  readonly tick: Duration.Duration
  /** The destination is scanned for drift with every so many ticks; `Infinity` for never. */
  readonly scanEvery: number
  /** Refused keys are tried again with every so many ticks. */
  readonly retryEvery: number
}

/**
 * Scans each `reconcile`, or never if that is zero. Refused keys are tried with the same ticks: with those that make about a
 * minute, or with ticks between two scans that are further apart.
 */
export const reconcileRhythm = (reconcile: Duration.Duration): ReconcileRhythm => {
  if (Duration.isZero(reconcile)) {
    return { tick: refusedInterval, scanEvery: Number.POSITIVE_INFINITY, retryEvery: 1 }
  }
  const share = Duration.toMillis(reconcile) / Duration.toMillis(refusedInterval)
  const scanEvery = Math.ceil(share)
  return {
    tick: wholeMillis(Duration.times(reconcile, 1 / scanEvery)),
    scanEvery,
    retryEvery: Math.max(1, Math.floor(1 / share))
  }
}

/** The state of a replica that was compared. One pass at a time changes it. */
export type State = SynchronizedRef.SynchronizedRef<ReplicaState>

/** Does some of the work of a reconcile, and returns the rest of it. */
const reconcileSome = (
  replica: Pick<Replica.Replica, "reconcile">,
  state: State,
  work: Replica.Work
): Effect.Effect<Replica.Work, FencedWriter.WriterError> =>
  SynchronizedRef.modifyEffect(state, (before) =>
    Effect.map(replica.reconcile(before, work), (after) => [Replica.workLeft(before, after), after] as const)
  )

/**
 * Reconciles after each `interval`, until it is interrupted. `compared` waits until there is a state to reconcile. The first interval
 * begins before that wait, and the intervals that pass meanwhile count: so a key that a long comparison was refused is soon tried
 * again.
 */
export const forever = Effect.fnUntraced(function* <E>(
  replica: Pick<Replica.Replica, "reconcile">,
  compared: Effect.Effect<State, E>,
  interval: Duration.Duration
): Effect.fn.Return<never, FencedWriter.WriterError | E> {
  const { retryEvery, scanEvery, tick } = reconcileRhythm(interval)
  const [waited, state] = yield* Effect.timed(compared)
  const passed = Math.floor(Duration.toMillis(waited) / Duration.toMillis(tick))
  yield* Effect.sleep(wholeMillis(Duration.subtract(Duration.times(tick, passed + 1), waited)))
  for (let count = passed + 1; ; count++) {
    let work: Replica.Work = { scan: count % scanEvery === 0, retry: count % retryEvery === 0 }
    while (work.scan || work.retry) {
      work = yield* reconcileSome(replica, state, work)
      // Changes of the source come before the rest of the work.
      if (work.scan || work.retry) yield* breathe
    }
    yield* Effect.sleep(tick)
  }
})
