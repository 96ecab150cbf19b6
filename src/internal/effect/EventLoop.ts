/**
 * Turns of the event loop: fibers that wait for the network or the clock run between two slices of long work. `Effect.yieldNow`
 * (effect 3.22) goes on in a microtask, before the event loop takes a turn. `test/effect/EventLoop.test.ts` shows that.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/** Waits for a turn of the event loop. A simulation provides another effect, because it must not wait for a real turn. */
export class Turn extends Context.Reference<Turn>()("consul-replicate/internal/effect/Turn", {
  defaultValue: (): Effect.Effect<void> =>
    Effect.async((resume) => {
      const turn = setImmediate(() => resume(Effect.void))
      return Effect.sync(() => clearImmediate(turn))
    })
}) {}

/** Waits for a turn of the event loop. Only long work does this: a turn costs more than a small piece of work. */
export const breathe: Effect.Effect<void> = Effect.flatten(Turn)

/** Long work in steps. The event loop may take a turn at each `yield`. */
export type Steps<A> = Generator<void, A, void>

/** How many elements make a step of some 10 ms. */
export const stepSize = 50_000

/** Does all steps, without turns of the event loop. */
export const atOnce = <A>(steps: Steps<A>): A => {
  let step = steps.next()
  while (step.done !== true) step = steps.next()
  return step.value
}

/** Does all steps, with a turn of the event loop between two. Work of one step takes no turn. */
export const inTurns = <A>(steps: () => Steps<A>): Effect.Effect<A> =>
  Effect.suspend(() => {
    const work = steps()
    const go: Effect.Effect<A> = Effect.suspend(() => {
      const step = work.next()
      return step.done === true ? Effect.succeed(step.value) : Effect.zipRight(breathe, go)
    })
    return go
  })
