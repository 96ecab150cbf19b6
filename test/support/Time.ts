/** Virtual time. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"

/** `TestClock` takes about 10 real ms for each step, and whoever wakes sees its end; heartbeats are a second apart. */
const coarse = Duration.millis(500)
const fine = Duration.millis(50)

/** Lets time pass, in steps of half a second. */
export const pass = (duration: Duration.DurationInput): Effect.Effect<void> =>
  Effect.repeatN(
    TestClock.adjust(coarse),
    Math.max(0, Math.ceil(Duration.toMillis(duration) / Duration.toMillis(coarse)) - 1)
  )

/** Lets time pass until something holds, and answers with how many ms that took, to 50 ms; dies after `limit`. */
export const until = <E, R>(
  holds: Effect.Effect<boolean, E, R>,
  limit: Duration.DurationInput = "10 seconds"
): Effect.Effect<number, E, R> =>
  Effect.gen(function* () {
    const before = yield* Clock.currentTimeMillis
    for (;;) {
      const elapsed = (yield* Clock.currentTimeMillis) - before
      if (yield* holds) return elapsed
      if (elapsed > Duration.toMillis(limit)) {
        return yield* Effect.dieMessage(`does not hold after ${Duration.format(limit)}`)
      }
      yield* TestClock.adjust(fine)
    }
  })
