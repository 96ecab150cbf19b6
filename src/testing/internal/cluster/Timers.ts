/**
 * The timers of one agent or datacenter, on a clock that may run faster or slower than Effect's `Clock`.
 *
 * One fiber sleeps for all timers. Timers that are due at the same time run in the order in which they were set, so that a history
 * under `TestClock` repeats itself exactly.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

export interface Timers {
  /** The time of this clock, in ms. */
  readonly now: () => number
  /** Runs an action after a time (ms of this clock), unless the timer is cancelled before. */
  readonly after: (milliseconds: number, action: () => void) => Cancel
  /** Sets how many seconds of this clock pass in one second of Effect's `Clock`. Pending timers follow the new rate. */
  readonly setRate: (rate: number) => void
}

export type Cancel = () => void

interface Pending {
  /** When the timer is due, in ms of this clock. */
  readonly due: number
  readonly action: () => void
}

export const make: Effect.Effect<Timers, never, Scope.Scope> = Effect.gen(function* () {
  const clock = yield* Effect.clock
  const pending = new Set<Pending>()
  let rate = 1
  // The times of this clock and of Effect's `Clock` at the last change of the rate.
  let since = { own: clock.unsafeCurrentTimeMillis(), world: clock.unsafeCurrentTimeMillis() }
  let changed = Deferred.unsafeMake<void>(yield* Effect.fiberId)
  let asleepUntil = Number.POSITIVE_INFINITY

  const now = () => since.own + (clock.unsafeCurrentTimeMillis() - since.world) * rate

  const wake = () => Deferred.unsafeDone(changed, Effect.void)

  const earliest = (): Pending | undefined => {
    let first: Pending | undefined
    for (const timer of pending) if (first === undefined || timer.due < first.due) first = timer
    return first
  }

  const runDue = () => {
    for (;;) {
      const next = earliest()
      if (next === undefined || next.due > now()) return next
      pending.delete(next)
      next.action()
    }
  }

  const turn = Effect.withFiberRuntime<void>((fiber) => {
    const next = runDue()
    changed = Deferred.unsafeMake<void>(fiber.id())
    asleepUntil = next?.due ?? Number.POSITIVE_INFINITY
    if (next === undefined || rate === 0) return Deferred.await(changed)
    // Rounded up: after a sleep that ends a fraction of a ms early no timer would be due, and the next sleep would be 0 ms.
    const milliseconds = Math.ceil((next.due - now()) / rate)
    return Effect.raceFirst(clock.sleep(Duration.millis(milliseconds)), Deferred.await(changed))
  })

  yield* Effect.forkScoped(Effect.forever(turn))

  return {
    now,
    after: (milliseconds, action) => {
      const timer = { due: now() + milliseconds, action }
      pending.add(timer)
      if (timer.due < asleepUntil) wake()
      return () => void pending.delete(timer)
    },
    setRate: (next) => {
      since = { own: now(), world: clock.unsafeCurrentTimeMillis() }
      rate = next
      wake()
    }
  }
})
