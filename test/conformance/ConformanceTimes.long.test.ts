/**
 * SimConsul's times of sessions, checks and locks are those of a real Consul: 25 seconds of waiting.
 */
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describeConsul } from "../support/consul/DescribeConsul.js"
import * as RealConsul from "../support/consul/RealConsul.js"
import * as Side from "./ConformanceSide.js"
import * as Times from "./ConformanceTimes.js"

/** The largest difference of the two in ms, on a machine that is never late: the jitter of a wait of four seconds. */
const jitter = 400

/** The number of successive steps in a time. Each can be late. */
const steps = 5

describeConsul("SimConsul answers as Consul does", () => {
  layer(RealConsul.TwoDatacenters.layer, { excludeTestServices: true })((it) => {
    it.scoped("in the time that it takes", () =>
      Effect.gen(function* () {
        const [real, simulated] = yield* Side.pair
        const played = Effect.forEach(
          Object.entries(Times.scenarios),
          ([name, scenario]) =>
            Effect.map(
              Effect.all([scenario(real), scenario(simulated)], { concurrency: 2 }),
              ([expected, actual]) => ({ name, expected, actual })
            ),
          { concurrency: "unbounded" }
        )
        const [results, late] = yield* Times.lateness(real, played)
        const tolerance = jitter + steps * late
        for (const { actual, expected, name } of results) {
          for (const [what, value] of Object.entries(expected)) {
            const where = `${name}: ${what}, where the machine was late by ${late} ms`
            if (typeof value !== "number") expect(actual[what], where).toBe(value)
            else expect(Math.abs(Number(actual[what]) - value), where).toBeLessThanOrEqual(tolerance)
          }
        }
      })
    )
  })
})
