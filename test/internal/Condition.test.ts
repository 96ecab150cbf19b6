import { describe, expect, it } from "@effect/vitest"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
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
