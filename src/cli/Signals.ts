/**
 * Signals: the first that stops the program leaves it time to give the lock back, a second one ends it at once.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** The first signal that asks the program to stop, when it has come. Where nobody listens none comes. */
export class StopSignal extends Context.Reference<StopSignal>()("consul-replicate/cli/StopSignal", {
  defaultValue: (): Effect.Effect<NodeJS.Signals> => Effect.never
}) {}

/** Interrupts an effect at that signal. */
export const interrupting = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.raceFirst(self, Effect.zipRight(Effect.flatten(StopSignal), Effect.interrupt))

const stopping = ["SIGTERM", "SIGINT", "SIGQUIT"] as const

/** At the first Node opens its debugger, and the second ends whoever does not listen. */
const meaningless = ["SIGUSR1", "SIGUSR2"] as const

type Listener = (signal: NodeJS.Signals) => void

const off = (signals: ReadonlyArray<NodeJS.Signals>, listener: Listener) => {
  for (const signal of signals) process.off(signal, listener)
}

const on = (signals: ReadonlyArray<NodeJS.Signals>, listener: Listener) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      for (const signal of signals) process.on(signal, listener)
    }),
    () => Effect.sync(() => off(signals, listener))
  )

/** Listens. */
export const layer: Layer.Layer<StopSignal> = Layer.scoped(
  StopSignal,
  Effect.gen(function* () {
    const first = yield* Deferred.make<NodeJS.Signals>()
    const stop = (signal: NodeJS.Signals) => {
      off(stopping, stop)
      Deferred.unsafeDone(first, Effect.succeed(signal))
    }
    yield* on(stopping, stop)
    // Of these a terminal that goes away sends several.
    yield* on(["SIGHUP"], stop)
    yield* on(meaningless, () => {})
    return Deferred.await(first)
  })
)
