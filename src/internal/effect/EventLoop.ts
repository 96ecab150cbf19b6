/**
 * Turns of the event loop: what waits for the network or the clock gets its time between two slices of long work.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/** How the event loop is let take a turn. A simulation, which must not wait for a real one, has its own way. */
export class Turn extends Context.Reference<Turn>()("consul-replicate/internal/effect/Turn", {
  defaultValue: (): Effect.Effect<void> =>
    Effect.async((resume) => {
      const turn = setImmediate(() => resume(Effect.void))
      return Effect.sync(() => clearImmediate(turn))
    })
}) {}

/** Lets the event loop take a turn. For long work only: a turn costs more than a small piece of work. */
export const breathe: Effect.Effect<void> = Effect.flatten(Turn)
