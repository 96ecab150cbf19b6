/**
 * Compares SimConsul with a real Consul: both answer the same requests in the same way.
 *
 * A failure prints the shortest sequence of requests that fails. `CONFORMANCE_SEED` repeats a seed.
 * `CONFORMANCE_RUNS` sets the number of generated sequences.
 */
import { expect, layer } from "@effect/vitest"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as fc from "effect/FastCheck"
import * as Ref from "effect/Ref"
import { describeConsul } from "../support/consul/DescribeConsul.js"
import * as RealConsul from "../support/consul/RealConsul.js"
import * as Side from "./ConformanceSide.js"
import * as Step from "./ConformanceStep.js"
import * as Steps from "./ConformanceSteps.js"
import * as Wakes from "./ConformanceWakes.js"

const settings = Effect.runSync(
  Config.all({
    /** Sequences of 10 to 60 requests: few in `npm test`, many in `npm run test:long`. */
    runs: Config.withDefault(Config.integer("CONFORMANCE_RUNS"), 40),
    seed: Config.withDefault(Config.integer("CONFORMANCE_SEED"), 1)
  })
)

/** The prefix of each run is new: the real Consul has tombstones of the keys of earlier runs. */
const nextRoot = Effect.map(
  Ref.updateAndGet(Ref.unsafeMake(0), (n) => n + 1),
  (n) => `run${n}/`
)

const nothing = new Uint8Array(0)

const step = (method: string, target: string, body = ""): Step.Step => ({ method, target, body })

/** Gives every table an index, as the tables of the real Consul have from earlier runs. */
const preamble = [
  step("PUT", "/v1/kv/{prefix}x"),
  step("DELETE", "/v1/kv/{prefix}x"),
  step("PUT", "/v1/session/create", '{"LockDelay":"0s"}'),
  step("PUT", "/v1/agent/service/register", '{"Name":"old","Check":{"TTL":"1h"}}'),
  step("PUT", "/v1/agent/service/deregister/old"),
  step("PUT", "/v1/agent/check/register", '{"Name":"old","TTL":"1h"}'),
  step("PUT", "/v1/agent/check/deregister/old")
]

const tidy = (side: Side.Side) =>
  Effect.suspend(() =>
    Effect.forEach(
      [
        "/v1/kv/?recurse",
        ...side.sessions.map((id) => `/v1/session/destroy/${id}`),
        ...["web", "web2", "db"].map((id) => `/v1/agent/service/deregister/${id}`),
        ...["nodecheck", "s"].map((id) => `/v1/agent/check/deregister/${id}`)
      ],
      (target) => side.send({ method: target.includes("/kv/") ? "DELETE" : "PUT", target, body: nothing }),
      { discard: true }
    )
  )

describeConsul("SimConsul answers as Consul does", () => {
  layer(RealConsul.TwoDatacenters.layer, { excludeTestServices: true })((it) => {
    it.scoped.prop(
      "to generated requests",
      [fc.array(Steps.any, { minLength: 10, maxLength: 60, size: "max" })],
      ([steps]) =>
        Effect.gen(function* () {
          const [real, simulated] = yield* Side.pair
          const root = yield* nextRoot
          yield* Effect.ensuring(Step.compare(real, simulated, root, [...preamble, ...steps]), tidy(real))
        }),
      { fastCheck: { numRuns: settings.runs, seed: settings.seed } }
    )

    it.scoped("to requests at the limits, and of the whole store", () =>
      Effect.gen(function* () {
        const [real, simulated] = yield* Side.pair
        const root = yield* nextRoot
        const sized = (length: number) => {
          const [start, end] = ['[{"KV":{"Verb":"set","Key":"{prefix}big","Value":"', '"}}]']
          const value = "A".repeat(
            (length - start.length - end.length + "{prefix}".length - root.length) & ~3
          )
          return start + value + end
        }
        const padded = (length: number) => {
          const body = sized(length)
          return body + " ".repeat(length - (body.length - "{prefix}".length + root.length))
        }
        yield* Effect.ensuring(
          Step.compare(real, simulated, root, [
            ...preamble,
            step("PUT", "/v1/kv/{prefix}value", "v".repeat(524_288)),
            step("GET", "/v1/kv/{prefix}value?raw"),
            step("PUT", "/v1/kv/{prefix}value", "v".repeat(524_289)),
            step("PUT", "/v1/txn", padded(524_288)),
            step("PUT", "/v1/txn", padded(524_289)),
            step("GET", "/v1/kv/{prefix}big"),
            step("GET", "/v1/kv/?keys"),
            step("GET", "/v1/kv/?keys&separator=/"),
            step("GET", "/v1/kv/?recurse"),
            step("DELETE", "/v1/kv/?recurse"),
            step("GET", "/v1/kv/?keys"),
            step("GET", "/v1/kv/?recurse"),
            step("GET", "/v1/kv/{prefix}?recurse"),
            step("PUT", "/v1/kv/{prefix}again", "1"),
            step("PUT", "/v1/txn", '[{"KV":{"Verb":"delete-tree","Key":""}}]'),
            step("GET", "/v1/kv/{prefix}again"),
            step("HEAD", "/v1/kv/{prefix}again"),
            step("HEAD", "/v1/kv/{prefix}//again"),
            step("GET", "/v1/catalog/datacenters?dc=none"),
            step("GET", "/v1/session/list?dc=none"),
            step("PUT", "/v1/session/create?dc=sfo1", "{}"),
            step("PUT", "/v1/kv/{prefix}x?dc=sfo1&acquire=x", "x"),
            step("GET", "/v1/session/info/x?dc=sfo1"),
            step("GET", "/v1/catalog/nodes?dc=none")
          ]),
          tidy(real)
        )
      })
    )

    it.scoped.prop(
      "to a wait, when something is written near what it waits for",
      [fc.array(Wakes.scenario, { minLength: 32, maxLength: 32 })],
      ([scenarios]) =>
        Effect.gen(function* () {
          const [real, simulated] = yield* Side.pair
          for (const moment of Wakes.moments) {
            const root = yield* nextRoot
            const [expected, actual] = yield* Effect.all(
              [Wakes.play(real, root, scenarios, moment), Wakes.play(simulated, root, scenarios, moment)],
              { concurrency: 2 }
            )
            const different = scenarios.flatMap((scenario, i) =>
              expected[i] === actual[i]
                ? []
                : [`${JSON.stringify(scenario)}: real Consul ${expected[i]}, SimConsul ${actual[i]}`]
            )
            if (different.length === 0) return
            // A difference that disappears with longer pauses was caused by a slow machine.
            if (moment === Wakes.moments.at(-1)) expect.fail(different.join("\n"))
          }
        }),
      // A failure names the scenarios that differ. A search for shorter ones would take minutes.
      { fastCheck: { numRuns: Math.ceil(settings.runs / 20), seed: settings.seed, endOnFailure: true } }
    )
  })
})
