/**
 * Ends the use of a service after its layer's scope has closed. Effect (3.22) interrupts fibers that such a service forks at once:
 * the program that uses the service would end as if it had been interrupted, with exit code 0. Such a use is a mistake of the
 * program, so it is a defect with a message. `test/effect/OpenScope.test.ts` shows both ends.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { raceFirst } from "./RaceFirst.js"

export interface OpenScope {
  /** Succeeds while the scope is open, and dies after that. */
  readonly check: Effect.Effect<void>
  /** Waits until the scope is closed, and dies then. */
  readonly closed: Effect.Effect<never>
  /** Runs an effect while the scope is open. Dies when the scope closes. */
  readonly whileOpen: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** Call this after everything else of the layer is made: the scope must count as closed before anything else is released. */
export const make = (message: string): Effect.Effect<OpenScope, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const done = yield* Deferred.make<never>()
    const dead = Cause.die(new Cause.RuntimeException(message))
    yield* Scope.addFinalizer(scope, Effect.asVoid(Deferred.failCause(done, dead)))
    const closed = Deferred.await(done)
    const check = Effect.asVoid(Effect.flatMap(Deferred.poll(done), Effect.transposeOption))
    return { check, closed, whileOpen: (effect) => Effect.zipRight(check, raceFirst(effect, closed)) }
  })
