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

/** Long work in steps: it yields where the event loop may take a turn. */
export type Steps<A> = Generator<void, A, void>

/** Elements that make a step: some 10 ms. */
export const stepSize = 50_000

/** Does all steps at once. */
export const atOnce = <A>(steps: Steps<A>): A => {
  let step = steps.next()
  while (step.done !== true) step = steps.next()
  return step.value
}

/** Lets the event loop take a turn between two steps. Work of one step takes none. */
export const inTurns = <A>(steps: () => Steps<A>): Effect.Effect<A> =>
  Effect.suspend(() => {
    const work = steps()
    const go: Effect.Effect<A> = Effect.suspend(() => {
      const step = work.next()
      return step.done === true ? Effect.succeed(step.value) : Effect.zipRight(breathe, go)
    })
    return go
  })
