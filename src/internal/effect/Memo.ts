/**
 * Values by name, each made once and kept until the scope closes. `Cache` (effect 3.22) has no scope for its values. `RcMap` can
 * make a value twice: `get` looks the value up before it waits for the permit to make it, so that a second fiber does not see the
 * value of the first one. `test/effect/Memo.test.ts` shows that.
 */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"

/** A fiber that asks while a value is made waits for that value: two values would each log an outage, and learn by themselves. */
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
