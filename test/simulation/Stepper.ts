/**
 * Runs an effect to its end without ever waiting: fibers take turns in a fixed order, and when all of them sleep,
 * time jumps to the next one's waking.
 *
 * What `TestClock` does, but for one thing: `TestClock` lets the event loop turn several times at each step, so that
 * promises may settle, which takes 5 to 10 ms. Nothing here waits for a promise, so steps cost microseconds, and the
 * order of events is a function of the program alone.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import { ControlledScheduler } from "effect/Scheduler"
import { Turn } from "../../src/internal/effect/EventLoop.js"

interface Sleeper {
  readonly due: number
  readonly order: number
  readonly wake: () => void
}

const isEarlier = (a: Sleeper, b: Sleeper): boolean => a.due < b.due || (a.due === b.due && a.order < b.order)

/** A binary heap; sleepers that were interrupted stay in it and wake nobody. */
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

/** Runs an effect on a clock that starts at 0 ms and on random numbers that follow from `seed`. */
export const run = <A, E>(effect: Effect.Effect<A, E>, seed: string): Exit.Exit<A, E> => {
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
