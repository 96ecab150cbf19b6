/**
 * Time limits of many effects, which one fiber keeps.
 *
 * `Effect.timeout` races each effect with a sleep: that takes two more fibers, and waits for an interruption. Around a request
 * of a millisecond that is most of the work (2.1 instead of 1.6 s of CPU for the transactions that write 100,000 keys in a
 * process that has just started).
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as FiberRefs from "effect/FiberRefs"
import * as Runtime from "effect/Runtime"

/** Gives an effect another limit, which begins now. It is called for each piece of an answer, so it is no effect. */
export type Extend = (limit: Duration.Duration) => void

export interface Deadlines {
  /**
   * Runs `use` in a fiber of its own. When the limit has passed, `late` returns another limit, which begins then, or fails. If it
   * fails, this effect fails with the same error, and `use` is interrupted: nothing waits until it has ended.
   */
  readonly withDeadline: <A, E, R, E2>(
    limit: Duration.Duration,
    use: (extend: Extend) => Effect.Effect<A, E, R>,
    late: (limit: Duration.Duration) => Effect.Effect<Duration.Duration, E2>
  ) => Effect.Effect<A, E | E2, R>
}

/** An effect that has a limit. */
interface Timed {
  /** The present limit. */
  limit: Duration.Duration
  /** When the limit will have passed: ms, monotonic. */
  until: number
  /** Gives the effect another limit, or ends it. */
  readonly expire: () => Effect.Effect<void>
}

/** The clock of a runtime. */
const clockOf = ({ fiberRefs }: Runtime.Runtime<never>): Clock.Clock =>
  Context.get(FiberRefs.getOrDefault(fiberRefs, DefaultServices.currentServices), Clock.Clock)

const now = (clock: Clock.Clock): number => Number(clock.unsafeCurrentTimeNanos() / 1_000_000n)

/** The limits that one fiber keeps. */
interface State {
  /** The shortest limit that an effect may have, and the longest time between two looks at the limits. */
  readonly shortest: Duration.Duration
  /** The effects that have not ended. */
  readonly running: Set<Timed>
  /** The fiber that keeps the limits; undefined while no effect runs. */
  keeper: Fiber.RuntimeFiber<never> | undefined
}

/** Looks at all limits, ends or extends the effects whose limits have passed, and sleeps until the next limit. */
const look = ({ running, shortest }: State, clock: Clock.Clock): Effect.Effect<void> => {
  const time = now(clock)
  let next = time + Duration.toMillis(shortest)
  const expiring: Array<Effect.Effect<void>> = []
  for (const timed of running) {
    if (timed.until > time) next = Math.min(next, timed.until)
    else {
      // The effect stays in `running`, so that the keeper does not end, and does not expire twice.
      timed.until = Number.POSITIVE_INFINITY
      expiring.push(timed.expire())
    }
  }
  const sleep = Effect.sleep(Duration.millis(next - time))
  return expiring.length === 0 ? sleep : Effect.zipRight(Effect.forEach(expiring, Effect.forkDaemon), sleep)
}

const keep = (state: State): Effect.Effect<never> =>
  Effect.clockWith((clock) => Effect.forever(Effect.suspend(() => look(state, clock))))

// The first effect starts the keeper, and the end of the last one ends it: no fiber is left behind.
const begin = (state: State, timed: Timed, runtime: Runtime.Runtime<never>): void => {
  state.running.add(timed)
  state.keeper ??= Runtime.runFork(runtime, Effect.interruptible(keep(state)))
}

const end = (state: State, timed: Timed): void => {
  const { keeper, running } = state
  running.delete(timed)
  if (running.size > 0) return
  keeper?.unsafeInterruptAsFork(FiberId.none)
  state.keeper = undefined
}

// One step forks the fiber, observes its end and registers its interruption: a mask and a finalizer around these three would cost
// more than the request.
const withDeadline = <A, E, R, E2>(
  state: State,
  first: Duration.Duration,
  use: (extend: Extend) => Effect.Effect<A, E, R>,
  late: (limit: Duration.Duration) => Effect.Effect<Duration.Duration, E2>
): Effect.Effect<A, E | E2, R> =>
  Effect.flatMap(Effect.runtime<R>(), (runtime) =>
    Effect.async<A, E | E2>((resume) => {
      const clock = clockOf(runtime)
      const after = (limit: Duration.Duration) => now(clock) + Duration.toMillis(limit)
      const extend: Extend = (limit) => {
        timed.limit = limit
        timed.until = after(limit)
      }
      const fail = (error: E2) => {
        resume(Effect.fail(error))
        fiber.unsafeInterruptAsFork(FiberId.none)
      }
      const timed: Timed = {
        limit: first,
        until: after(first),
        expire: () => Effect.match(late(timed.limit), { onFailure: fail, onSuccess: extend })
      }
      begin(state, timed, runtime)
      const fiber = Runtime.runFork(runtime, Effect.interruptible(use(extend)))
      fiber.addObserver((exit) => {
        end(state, timed)
        resume(exit)
      })
      return Fiber.interrupt(fiber)
    })
  )

/** `shortest` is the shortest limit that an effect may have, and the longest time between two looks at the limits. */
export const make = (shortest: Duration.Duration): Deadlines => {
  const state: State = { shortest, running: new Set(), keeper: undefined }
  return { withDeadline: (limit, use, late) => withDeadline(state, limit, use, late) }
}
