/**
 * A semaphore that gives permits in the order in which fibers ask for them.
 *
 * `Effect.Semaphore` (effect 3.22) wakes all waiting fibers at each release, and all except one wait again with a deeper stack.
 * If hundreds of fibers wait a thousand times, that costs seconds, and their interruption tens of seconds (1,000,000 keys: 9 to
 * 24 s from SIGTERM to the end, instead of 0.2). `PartitionedSemaphore` (effect 3.22) gives permits in order too, but loses the
 * permit of a fiber that is interrupted at the moment in which it gets the permit. `test/effect/FifoSemaphore.test.ts` shows both.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** Runs an effect with a permit. */
export type FifoSemaphore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** Makes a semaphore of `most` permits. */
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

  const acquire = Effect.flatMap(Deferred.make<void>(), (permit) => {
    if (free > 0) {
      free -= 1
      return Effect.void
    }
    waiting.add(permit)
    return Effect.onInterrupt(Effect.interruptible(Deferred.await(permit)), () =>
      // The next fiber gets a permit that this one was given at the moment of its interruption.
      Effect.suspend(() => (waiting.delete(permit) ? Effect.void : release))
    )
  })

  return (effect) =>
    Effect.acquireUseRelease(
      acquire,
      () => effect,
      () => release
    )
}
