/**
 * Time that passes without waiting: hours take milliseconds, and every run is the same.
 *
 * {@link runSync} runs an effect to its end: fibers take turns in a fixed order, and when all of them sleep, time jumps to
 * the moment at which the next one wakes. `TestClock` lets the event loop turn several times at each step, so that promises
 * may settle, which takes 5 to 10 ms. Nothing here waits for a promise. So steps cost microseconds, and the order of what
 * happens depends on the program and the seed alone.
 *
 * {@link until} and {@link pass} work in such a run, with `TestClock`, and in real time.
 *
 * @since 0.5.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"
import { ControlledScheduler } from "effect/Scheduler"
import * as TestClock from "effect/TestClock"
import { Turn } from "../internal/effect/EventLoop.js"
import * as Monotonic from "../internal/effect/Monotonic.js"

interface Sleeper {
  readonly due: number
  readonly order: number
  readonly wake: () => void
}

const isEarlier = (a: Sleeper, b: Sleeper): boolean => a.due < b.due || (a.due === b.due && a.order < b.order)

/** A binary heap. Sleepers that were interrupted stay in it until they are due. */
class Sleepers {
  private readonly heap: Array<Sleeper> = []

  push(sleeper: Sleeper): void {
    const { heap } = this
    let at = heap.push(sleeper) - 1
    for (;;) {
      const up = (at - 1) >> 1
      const parent = heap[up]
      if (at === 0 || parent === undefined || !isEarlier(sleeper, parent)) break
      heap[at] = parent
      at = up
    }
    heap[at] = sleeper
  }

  pop(): Sleeper | undefined {
    const { heap } = this
    const [first] = heap
    const last = heap.pop()
    if (first === undefined || last === undefined || first === last) return first
    let at = 0
    for (;;) {
      const left = heap[2 * at + 1]
      const right = heap[2 * at + 2]
      if (left === undefined) break
      const [child, next] =
        right !== undefined && isEarlier(right, left) ? [right, 2 * at + 2] : [left, 2 * at + 1]
      if (!isEarlier(child, last)) break
      heap[at] = child
      at = next
    }
    heap[at] = last
    return first
  }
}

const makeClock = (sleepers: Sleepers) => {
  let now = 0
  let order = 0
  const clock: Clock.Clock = {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: () => now,
    unsafeCurrentTimeNanos: () => BigInt(Math.round(now * 1e6)),
    currentTimeMillis: Effect.sync(() => now),
    currentTimeNanos: Effect.sync(() => BigInt(Math.round(now * 1e6))),
    sleep: (duration) =>
      Effect.async<void>((resume) => {
        let isAsleep = true
        order += 1
        const wake = () => {
          if (isAsleep) resume(Effect.void)
        }
        sleepers.push({ due: now + Duration.toMillis(duration), order, wake })
        return Effect.sync(() => {
          isAsleep = false
        })
      })
  }
  const advance = (to: number) => {
    now = Math.max(now, to)
  }
  return { clock, advance }
}

/**
 * Runs an effect on a clock that starts at 0 ms and on random numbers that follow from `seed`. Throws if every fiber waits and
 * no time will wake one, as for a promise.
 *
 * @since 0.5.0
 * @category running
 */
export const runSyncExit = <A, E>(effect: Effect.Effect<A, E>, seed = ""): Exit.Exit<A, E> => {
  const scheduler = new ControlledScheduler()
  const sleepers = new Sleepers()
  const { advance, clock } = makeClock(sleepers)
  const fiber = Effect.runFork(
    effect.pipe(
      Effect.provideService(Turn, Effect.yieldNow()),
      Effect.withClock(clock),
      Effect.withRandom(Random.make(seed))
    ),
    {
      scheduler
    }
  )
  for (;;) {
    while (scheduler.tasks.buckets.length > 0) scheduler.step()
    const exit = fiber.unsafePoll()
    if (exit !== null) return exit
    const next = sleepers.pop()
    if (next === undefined) throw new Error("every fiber waits, and no time will wake one")
    advance(next.due)
    next.wake()
  }
}

/**
 * The same for a test: throws what the effect fails with.
 *
 * @since 0.5.0
 * @category running
 * @example
 * ```ts
 * import * as assert from "node:assert"
 * import { VirtualTime } from "consul-replicate/testing"
 * import { Clock, Effect } from "effect"
 *
 * const now = VirtualTime.runSync(Effect.zipRight(Effect.sleep("1 hour"), Clock.currentTimeMillis))
 * assert.strictEqual(now, 3_600_000)
 * ```
 */
export const runSync = <A, E>(effect: Effect.Effect<A, E>, seed?: string): A =>
  Exit.getOrElse(runSyncExit(effect, seed), (cause) => {
    throw Cause.squash(cause)
  })

/** `TestClock` takes about 10 real ms for each step, and a fiber that wakes sees the end of the step: ours are that short. */
const longestStep = Duration.millis(500)

/** The pause of {@link until} between two checks. */
const interval = Duration.millis(50)

/** Under `TestClock` a fiber that sleeps waits for ever, unless another one moves the clock. */
const isAdjusted = Effect.clockWith((clock) => Effect.succeed(Predicate.hasProperty(clock, "adjust")))

const adjust = (left: Duration.Duration): Effect.Effect<void> =>
  Duration.lessThanOrEqualTo(left, longestStep)
    ? TestClock.adjust(left)
    : Effect.zipRight(
        TestClock.adjust(longestStep),
        Effect.suspend(() => adjust(Duration.subtract(left, longestStep)))
      )

/**
 * Lets time pass.
 *
 * @since 0.5.0
 * @category waiting
 */
export const pass = (duration: Duration.DurationInput): Effect.Effect<void> =>
  Effect.if(isAdjusted, {
    onTrue: () => adjust(Duration.decode(duration)),
    onFalse: () => Effect.sleep(duration)
  })

/**
 * Lets time pass until something holds, and returns how many ms that took, to 50 ms. Dies if it does not hold within `limit`,
 * 2 minutes unless given.
 *
 * @since 0.5.0
 * @category waiting
 */
export const until = <E, R>(
  holds: Effect.Effect<boolean, E, R>,
  limit: Duration.DurationInput = "2 minutes"
): Effect.Effect<number, E, R> =>
  Effect.gen(function* () {
    const before = yield* Monotonic.now
    for (;;) {
      const elapsed = (yield* Monotonic.now) - before
      if (yield* holds) return elapsed
      if (elapsed > Duration.toMillis(limit)) {
        return yield* Effect.dieMessage(`does not hold after ${Duration.format(Duration.decode(limit))}`)
      }
      yield* pass(interval)
    }
  })
