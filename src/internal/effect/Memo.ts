/**
 * Values by name, each made once and kept until the scope closes. `Cache` (effect 3.22) has no scope for what it makes, and
 * `RcMap` releases what nobody holds.
 */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"

/** Who asks while a value is made waits for it: two would log each outage twice, and know half of what is learned. */
export const make = <Given, A>(
  nameOf: (given: Given) => string,
  create: (given: Given) => Effect.Effect<A, never, Scope.Scope>
): Effect.Effect<(given: Given) => Effect.Effect<A>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const creating = yield* Effect.makeSemaphore(1)
    const made = new Map<string, A>()
    return (given) =>
      Effect.suspend(() => {
        const name = nameOf(given)
        const known = made.get(name)
        if (known !== undefined) return Effect.succeed(known)
        return Effect.map(Scope.extend(create(given), scope), (value) => {
          made.set(name, value)
          return value
        })
      }).pipe(creating.withPermits(1))
  })
