/**
 * SimConsul is held to a real Consul: the same requests to both, and the same answers from both.
 *
 * A failure shows the shortest requests found that do it; its seed, given as `CONFORMANCE_SEED`, repeats it.
 * `CONFORMANCE_RUNS` asks for more than the usual number of generated sequences.
 */
import { expect, layer } from "@effect/vitest"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as fc from "effect/FastCheck"
import * as Ref from "effect/Ref"
import { SimConsul } from "../../src/testing/index.js"
import * as Side from "./ConformanceSide.js"
import * as Step from "./ConformanceStep.js"
import * as Steps from "./ConformanceSteps.js"
import * as Times from "./ConformanceTimes.js"
import * as Wakes from "./ConformanceWakes.js"
import { describeConsul } from "./describeConsul.js"
import * as RealConsul from "./RealConsul.js"

const settings = Effect.runSync(
  Config.all({
    /** Sequences of 10 to 60 requests. */
    runs: Config.withDefault(Config.integer("CONFORMANCE_RUNS"), 150),
    seed: Config.withDefault(Config.integer("CONFORMANCE_SEED"), 1)
  })
)

/** Keys of its own for each run: the real Consul remembers those of earlier ones as deleted. */
const nextRoot = Effect.map(
  Ref.updateAndGet(Ref.unsafeMake(0), (n) => n + 1),
  (n) => `run${n}/`
)

/** The real Consul without sessions of others, and a simulated one that was made for this test. */
const sides = Effect.gen(function* () {
  const { nyc1, sfo1 } = yield* RealConsul.TwoDatacenters
  const sim = yield* SimConsul.make({
    datacenters: [
      { name: "nyc1", agents: [{ name: "nyc1-1", address: nyc1.address }] },
      { name: "sfo1", agents: [{ name: "sfo1-1", address: sfo1.address }] }
    ]
  })
  const real = yield* Side.real(nyc1.address)
  const { body } = yield* real.send({ method: "GET", target: "/v1/session/list", body: nothing })
  for (const [, id] of new TextDecoder().decode(body).matchAll(/"ID":"([^"]+)"/g)) {
    yield* real.send({ method: "PUT", target: `/v1/session/destroy/${id}`, body: nothing })
  }
  return [real, yield* Side.simulated(sim, "nyc1-1")] as const
})

const nothing = new Uint8Array(0)

const step = (method: string, target: string, body = ""): Step.Step => ({ method, target, body })

/** Leaves every table with an index, as the real one's have from earlier runs. */
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

const longest = { timeout: 3_600_000 }

describeConsul("SimConsul answers as Consul does", () => {
  layer(RealConsul.TwoDatacenters.layer, { excludeTestServices: true })((it) => {
    it.scoped.prop(
      "to generated requests",
      [fc.array(Steps.any, { minLength: 10, maxLength: 60, size: "max" })],
      ([steps]) =>
        Effect.gen(function* () {
          const [real, simulated] = yield* sides
          const root = yield* nextRoot
          yield* Effect.ensuring(Step.compare(real, simulated, root, [...preamble, ...steps]), tidy(real))
        }),
      { fastCheck: { numRuns: settings.runs, seed: settings.seed }, ...longest }
    )

    it.scoped("to requests at the limits, and of the whole store", () =>
      Effect.gen(function* () {
        const [real, simulated] = yield* sides
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
          const [real, simulated] = yield* sides
          const root = yield* nextRoot
          const [expected, actual] = yield* Effect.all(
            [Wakes.play(real, root, scenarios), Wakes.play(simulated, root, scenarios)],
            { concurrency: 2 }
          )
          for (const [i, scenario] of scenarios.entries()) {
            expect(actual[i], JSON.stringify(scenario)).toBe(expected[i])
          }
        }),
      { fastCheck: { numRuns: Math.ceil(settings.runs / 20), seed: settings.seed }, ...longest }
    )

    it.scoped("in the time that it takes", () =>
      Effect.gen(function* () {
        const [real, simulated] = yield* sides
        yield* Effect.forEach(
          Object.entries(Times.scenarios),
          ([name, scenario]) =>
            Effect.gen(function* () {
              const [expected, actual] = yield* Effect.all([scenario(real), scenario(simulated)], {
                concurrency: 2
              })
              for (const [what, value] of Object.entries(expected)) {
                const where = `${name}: ${what}`
                if (typeof value === "number") expect(actual[what], where).closeTo(value, tolerance)
                else expect(actual[what], where).toBe(value)
              }
            }),
          { concurrency: "unbounded" }
        )
      })
    )
  })
})

/** Milliseconds by which the two may be apart: a busy machine, and the jitter of a wait of four seconds. */
const tolerance = 400
