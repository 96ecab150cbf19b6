/**
 * Signals: the first that stops the program leaves it time to give the lock back, a second one ends it at once. A hang-up
 * (SIGHUP) asks a daemon to read its configuration again, and comes also from a terminal that closes.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"

/** For the help. */
export const documented = [
  ["SIGTERM SIGINT SIGQUIT", "stop, and give the lock back; a second one stops at once"],
  ["SIGHUP", "read the settings again (-reload-signal); a terminal that closes stops no replication"]
] as const

/** Waits for the first signal that stops the program. Without `layer` none comes. */
export class StopSignal extends Context.Reference<StopSignal>()("consul-replicate/cli/StopSignal", {
  defaultValue: (): Effect.Effect<NodeJS.Signals> => Effect.never
}) {}

/** Waits for the next hang-up. Several hang-ups before the wait count as one. Without `layer` none comes. */
class HangUp extends Context.Reference<HangUp>()("consul-replicate/cli/HangUp", {
  defaultValue: (): Effect.Effect<void> => Effect.never
}) {}

/** Interrupts an effect at a signal that stops, or at a hang-up: an effect for a terminal ends with the terminal. */
export const interrupting = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.raceFirst(
    self,
    Effect.raceFirst(Effect.flatten(StopSignal), Effect.flatten(HangUp)).pipe(
      Effect.zipRight(Effect.interrupt)
    )
  )

const stopping = ["SIGTERM", "SIGINT", "SIGQUIT"] as const

/** The signals that stop the program whatever its settings. */
export const always: ReadonlySet<NodeJS.Signals> = new Set(stopping)

/** Signals that are ignored. Without a listener Node opens its debugger at the first, and ends at the second. */
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

/** Listens to a signal as long as the scope is open. The inner effect waits for the next; several before the wait count as one. */
export const each = (signal: NodeJS.Signals): Effect.Effect<Effect.Effect<void>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const signals = yield* Queue.sliding<void>(1)
    yield* on([signal], () => signals.unsafeOffer(undefined))
    return Queue.take(signals)
  })

/** Listens to the signals of the program until the scope closes. */
export const layer: Layer.Layer<StopSignal | HangUp> = Layer.scopedContext(
  Effect.gen(function* () {
    const first = yield* Deferred.make<NodeJS.Signals>()
    const stop = (signal: NodeJS.Signals) => {
      off(stopping, stop)
      Deferred.unsafeDone(first, Effect.succeed(signal))
    }
    yield* on(stopping, stop)
    const hangUp = yield* each("SIGHUP")
    yield* on(meaningless, () => {})
    return Context.make(StopSignal, Deferred.await(first)).pipe(Context.add(HangUp, hangUp))
  })
)
