/**
 * Time limits of many effects at once, kept by one fiber.
 *
 * `Effect.timeout` races each effect with a sleep of its own: that is two more fibers, and an interruption that is waited
 * for. Around a request that takes a millisecond it is most of the work (2.1 instead of 1.6 s of CPU for the transactions
 * that write 100,000 keys in a process that has just started).
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

/** Gives what is under way another limit, from now on. Called for each piece of an answer, so it is no effect. */
export type Extend = (limit: Duration.Duration) => void

export interface Deadlines {
  /**
   * Runs an effect, in a fiber of its own. When its time is up, `late` gives it more, or fails: then it is interrupted,
   * which nobody waits for, and fails so.
   */
  readonly withDeadline: <A, E, R, E2>(
    limit: Duration.Duration,
    use: (extend: Extend) => Effect.Effect<A, E, R>,
    late: (limit: Duration.Duration) => Effect.Effect<Duration.Duration, E2>
  ) => Effect.Effect<A, E | E2, R>
}

interface Timed {
  limit: Duration.Duration
  /** When it is up (ms), by the time that nobody sets. */
  until: number
  /** Gives it another limit, or ends it. */
  readonly expire: () => Effect.Effect<void>
}

/** The clock of the fiber whose runtime it is. */
const clockOf = ({ fiberRefs }: Runtime.Runtime<never>): Clock.Clock =>
  Context.get(FiberRefs.getOrDefault(fiberRefs, DefaultServices.currentServices), Clock.Clock)

const now = (clock: Clock.Clock): number => Number(clock.unsafeCurrentTimeNanos() / 1_000_000n)

/** No limit that is kept may be shorter than `shortest`: so seldom is it looked for those that are up. */
export const make = (shortest: Duration.Duration): Deadlines => {
  const running = new Set<Timed>()
  let keeper: Fiber.RuntimeFiber<never> | undefined

  const keep = Effect.clockWith((clock) =>
    Effect.suspend(() => {
      const here = now(clock)
      let next = here + Duration.toMillis(shortest)
      const up: Array<Effect.Effect<void>> = []
      for (const timed of running) {
        if (timed.until > here) next = Math.min(next, timed.until)
        else {
          // Nobody asks again while it is found out; it counts among those that run, for which the keeper stays.
          timed.until = Number.POSITIVE_INFINITY
          up.push(timed.expire())
        }
      }
      const sleep = Effect.sleep(Duration.millis(next - here))
      return up.length === 0 ? sleep : Effect.zipRight(Effect.forEach(up, Effect.forkDaemon), sleep)
    }).pipe(Effect.forever)
  )

  // The keeper ends with the last effect, not with the first: nothing is left behind.
  const begin = (timed: Timed, runtime: Runtime.Runtime<never>) => {
    running.add(timed)
    keeper ??= Runtime.runFork(runtime, Effect.interruptible(keep))
  }

  const end = (timed: Timed) => {
    running.delete(timed)
    if (running.size > 0) return
    keeper?.unsafeInterruptAsFork(FiberId.none)
    keeper = undefined
  }

  // The fiber is forked where its end is observed and its interruption registered, in one step: a mask and a finalizer around
  // these three cost more than the request.
  const withDeadline: Deadlines["withDeadline"] = <A, E, R, E2>(
    first: Duration.Duration,
    use: (extend: Extend) => Effect.Effect<A, E, R>,
    late: (limit: Duration.Duration) => Effect.Effect<Duration.Duration, E2>
  ) =>
    Effect.flatMap(Effect.runtime<R>(), (runtime) =>
      Effect.async<A, E | E2>((resume) => {
        const clock = clockOf(runtime)
        const upAfter = (limit: Duration.Duration) => now(clock) + Duration.toMillis(limit)
        const extend: Extend = (limit) => {
          timed.limit = limit
          timed.until = upAfter(limit)
        }
        const fail = (error: E2) => {
          resume(Effect.fail(error))
          fiber.unsafeInterruptAsFork(FiberId.none)
        }
        const timed: Timed = {
          limit: first,
          until: upAfter(first),
          expire: () => Effect.match(late(timed.limit), { onFailure: fail, onSuccess: extend })
        }
        begin(timed, runtime)
        const fiber = Runtime.runFork(runtime, Effect.interruptible(use(extend)))
        fiber.addObserver((exit) => {
          end(timed)
          resume(exit)
        })
        return Fiber.interrupt(fiber)
      })
    )

  return { withDeadline }
}
