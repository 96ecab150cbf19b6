/**
 * `Effect.raceFirst`, except that an interruption waits until both sides have ended.
 *
 * Effect 3.22 interrupts the two sides of an interrupted race only when the fiber around the race ends. A scope inside of that
 * fiber closes earlier: the connections of a replicator were closed before it had given its lock back.
 * `test/effect/RaceFirst.test.ts` shows both races.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

export const raceFirst = <A, E, R, A2, E2, R2>(
  self: Effect.Effect<A, E, R>,
  that: Effect.Effect<A2, E2, R2>
): Effect.Effect<A | A2, E | E2, R | R2> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.fork(restore(Effect.raceFirst(self, that))), (race) =>
      Effect.onInterrupt(restore(Fiber.join(race)), () => Fiber.interrupt(race))
    )
  )
