/**
 * Turns of the event loop for what else the process has to do, above all for heartbeats, while one fiber has much to
 * compute. `Effect.yieldNow` only lets other fibers run: timers and sockets wait on.
 */
import * as Effect from "effect/Effect"

/**
 * Lets the event loop turn once. For loops that run for more than some 20 ms, and never for small inputs: a simulation
 * must not depend on the event loop.
 */
export const breathe: Effect.Effect<void> = Effect.async<void>((resume) => {
  const turn = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(turn))
})
