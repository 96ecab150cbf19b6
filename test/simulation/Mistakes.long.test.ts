import { describe, expect, it } from "@effect/vitest"
import * as Array from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Bundle from "./Bundle.js"
import { mistakes } from "./Mistakes.js"
import * as Plan from "./Plan.js"

describe("the simulation finds", () => {
  it.live.each(mistakes)("$name", ({ fits, mutations, ...planted }) =>
    Effect.gen(function* () {
      const { simulate } = yield* Bundle.load(mutations)
      const fitting = Array.range(1, 3_000).filter((seed) => fits(Plan.draw(seed)))
      for (const seed of fitting.slice(0, 200)) {
        // The test runner needs an answer of its worker between histories.
        yield* Effect.sleep("1 millis")
        if (Option.isSome(simulate(seed, planted).violation)) return
      }
      expect.fail(`not found in ${Math.min(200, fitting.length)} seeds`)
    })
  )
})
