/**
 * Values by name, each made once and kept until the scope closes. `Cache` (effect 3.22) has no scope for what it makes. `RcMap`
 * makes a value again if a second fiber asks for it while the first one, which has yielded, is about to: `get` looks it up
 * before it takes the permit to make it. `test/effect/Memo.test.ts` shows that.
 */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"

/** A fiber that asks while a value is made waits for it: two would log each outage twice, and know half of what is learned. */
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
        const existing = made.get(name)
        if (existing !== undefined) return Effect.succeed(existing)
        return Effect.map(Scope.extend(create(given), scope), (value) => {
          made.set(name, value)
          return value
        })
      }).pipe(creating.withPermits(1))
  })
