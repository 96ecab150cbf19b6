/**
 * Turns for many who wait: first come, first served.
 *
 * `Effect.Semaphore` (effect 3.22) wakes everybody who waits at each release, and all but one go back to waiting with a
 * deeper stack than before. Where hundreds wait for a thousand turns that costs seconds, and when they are interrupted
 * at last, tens of seconds (1,000,000 keys: 9 to 24 s from SIGTERM to the end, instead of 0.2).
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** Runs an effect when it is its turn. */
export type FifoSemaphore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** No more than `most` have their turn at once. */
export const make = (most: number): FifoSemaphore => {
  let free = most
  const waiting = new Set<Deferred.Deferred<void>>()

  const release = Effect.sync(() => {
    const [next] = waiting
    if (next === undefined) {
      free += 1
      return
    }
    waiting.delete(next)
    Deferred.unsafeDone(next, Exit.void)
  })

  const acquire = Effect.flatMap(Deferred.make<void>(), (turn) => {
    if (free > 0) {
      free -= 1
      return Effect.void
    }
    waiting.add(turn)
    return Effect.onInterrupt(Effect.interruptible(Deferred.await(turn)), () =>
      // A turn that was given at the same moment goes to the next.
      Effect.suspend(() => (waiting.delete(turn) ? Effect.void : release))
    )
  })

  return (effect) =>
    Effect.acquireUseRelease(
      acquire,
      () => effect,
      () => release
    )
}
