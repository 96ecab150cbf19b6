/**
 * Turns of the event loop: what waits for the network or the clock gets its time between two slices of long work.
 */
import * as Effect from "effect/Effect"

/**
 * Lets the event loop take a turn. For long work only: a simulation that takes real turns is not deterministic, and a turn
 * costs more than a small piece of work.
 */
export const breathe: Effect.Effect<void> = Effect.async((resume) => {
  const turn = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(turn))
})
