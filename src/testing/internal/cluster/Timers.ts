/**
 * The timers of one server: a list of what is due when, by a clock that may run faster or slower than the world's.
 *
 * One fiber sleeps for all of them, on Effect's `Clock`. What is due runs in the order of its time, then of its making,
 * so a history under `TestClock` repeats itself exactly.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

export interface Timers {
  /** Milliseconds by this server's clock. */
  readonly now: () => number
  /** Runs something that many milliseconds (by this clock) from now, unless it is cancelled before. */
  readonly after: (milliseconds: number, action: () => void) => Cancel
  /** How many of this clock's seconds pass in one of the world's. What is pending is due sooner or later for it. */
  readonly setRate: (rate: number) => void
}

export type Cancel = () => void

interface Pending {
  readonly due: number
  readonly action: () => void
}

export const make: Effect.Effect<Timers, never, Scope.Scope> = Effect.gen(function* () {
  const clock = yield* Effect.clock
  const pending = new Set<Pending>()
  let rate = 1
  // This clock and the world's, at the moment when the rate last changed.
  let since = { own: clock.unsafeCurrentTimeMillis(), world: clock.unsafeCurrentTimeMillis() }
  let changed = Deferred.unsafeMake<void>(yield* Effect.fiberId)
  let asleepUntil = Number.POSITIVE_INFINITY

  const now = () => since.own + (clock.unsafeCurrentTimeMillis() - since.world) * rate

  const wake = () => Deferred.unsafeDone(changed, Effect.void)

  const earliest = (): Pending | undefined => {
    let found: Pending | undefined
    for (const timer of pending) if (found === undefined || timer.due < found.due) found = timer
    return found
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
    // Rounded up: a sleep that ends a fraction of a millisecond early would find nothing due, and not sleep at all.
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
