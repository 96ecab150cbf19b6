import { describe, expect, it } from "@effect/vitest"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Condition from "../../src/internal/Condition.js"
import * as Logs from "../support/Logs.js"

class Away extends Data.TaggedError("Away")<{ readonly message: string }> {}
class Denied extends Data.TaggedError("Denied")<{ readonly message: string }> {}

describe("Condition", () => {
  it.effect("trouble is said once, when it begins", () =>
    Effect.gen(function* () {
      const logs = Logs.make()
      yield* Effect.gen(function* () {
        const condition = yield* Condition.make("it answers again")
        yield* condition.fine
        yield* condition.trouble("Away", "away 1")
        yield* condition.trouble("Away", "away 2")
        expect(logs.lines).toEqual(["WARN away 1"])
      }).pipe(logs.capture)
    })
  )

  it.effect("trouble of another kind is said too, and the end of all of it once", () =>
    Effect.gen(function* () {
      const logs = Logs.make()
      yield* Effect.gen(function* () {
        const condition = yield* Condition.make("it answers again")
        const attempt = (outcome: Effect.Effect<string, Away | Denied>) =>
          outcome.pipe(Condition.watch(condition, "waiting"), Effect.either)
        yield* attempt(new Away({ message: "away" }))
        yield* attempt(new Denied({ message: "denied" }))
        yield* attempt(new Denied({ message: "denied again" }))
        yield* attempt(Effect.succeed("answer"))
        yield* attempt(Effect.succeed("answer"))
        yield* attempt(new Denied({ message: "denied anew" }))
        expect(logs.lines).toEqual([
          "WARN waiting: away",
          "WARN waiting: denied",
          "INFO it answers again",
          "WARN waiting: denied anew"
        ])
      }).pipe(logs.capture)
    })
  )

  it.effect("what is watched keeps its answer and its failure", () =>
    Effect.gen(function* () {
      const condition = yield* Condition.make("it answers again")
      const watch = Condition.watch(condition, "waiting")
      expect(yield* watch(Effect.succeed(1))).toBe(1)
      const failed = yield* Effect.flip(watch(new Away({ message: "away" })))
      expect(failed._tag).toBe("Away")
    })
  )
})

describe("conditions that are one to whoever reads", () => {
  const members = (count: number) =>
    Effect.gen(function* () {
      const shared = Condition.shared(yield* Condition.make("fine again"))
      const scopes = yield* Effect.replicateEffect(Scope.make(), count)
      const all = yield* Effect.forEach(scopes, (scope) => Scope.extend(shared, scope))
      const close = (i: number) =>
        Effect.forEach(scopes.slice(i, i + 1), (scope) => Scope.close(scope, Exit.void))
      return { all, close }
    })

  it.effect("say trouble with the first that is in it, and its end with the last", () =>
    Effect.gen(function* () {
      const logs = Logs.make()
      yield* Effect.gen(function* () {
        const { all } = yield* members(3)
        for (const [i, one] of all.entries()) yield* one.trouble(`kind ${i}`, `trouble ${i}`)
        for (const one of all) yield* one.fine
      }).pipe(logs.capture)
      expect(logs.lines).toEqual(["WARN trouble 0", "INFO fine again"])
    })
  )

  it.effect("are not kept silent by one that is closed, and in trouble only then", () =>
    Effect.gen(function* () {
      const logs = Logs.make()
      yield* Effect.gen(function* () {
        const { all, close } = yield* members(2)
        yield* close(0)
        yield* all[0]?.trouble("kind", "of one that is closed") ?? Effect.void
        yield* all[1]?.trouble("kind", "of one that is open") ?? Effect.void
        yield* all[1]?.fine ?? Effect.void
      }).pipe(logs.capture)
      expect(logs.lines).toEqual(["WARN of one that is open", "INFO fine again"])
    })
  )
})
