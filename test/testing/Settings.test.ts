import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { SimConsul } from "../../src/testing/index.js"

const decoder = new TextDecoder()

const ask = (sim: SimConsul.SimConsul, method: string, target: string, body = "") =>
  Effect.map(
    sim.request("nyc1-a", { method, target, body: new TextEncoder().encode(body) }),
    ({ body, headers, status }) => ({ status, headers: new Map(headers), text: decoder.decode(body) })
  )

const nyc1 = Effect.flatMap(SimConsul.SimConsul, (sim) =>
  Effect.as(sim.put("nyc1", "global/a b", "spaced"), sim)
)

const provided = Effect.provide(SimConsul.layer())

describe("the settings of a datacenter", () => {
  it.effect("name keys by the rule of newer Consul in paths only, from one moment on", () =>
    Effect.gen(function* () {
      const sim = yield* nyc1
      expect((yield* ask(sim, "GET", "/v1/kv/global/a%20b?raw")).text).toBe("spaced")
      yield* sim.configure("nyc1", { keyNames: "restricted" })
      expect(yield* ask(sim, "GET", "/v1/kv/global/a%20b?raw")).toMatchObject({
        status: 500,
        text: expect.stringContaining("invalid key name, ")
      })
      expect((yield* ask(sim, "DELETE", "/v1/kv/global/%C3%A9")).status).toBe(500)
      expect((yield* ask(sim, "GET", "/v1/kv/global/?recurse")).text).toContain("global/a b")
      expect((yield* ask(sim, "GET", "/v1/kv/?keys")).text).toBe('["global/a b"]')
      const read = '[{"KV":{"Verb":"get","Key":"global/a b"}}]'
      expect((yield* ask(sim, "PUT", "/v1/txn", read)).status).toBe(200)
    }).pipe(provided)
  )

  it.effect("name keys by any rule and status", () =>
    Effect.gen(function* () {
      const sim = yield* nyc1
      yield* sim.configure("nyc1", { keyNames: { matching: /^\S(.*\S)?$/, status: 400 } })
      expect((yield* ask(sim, "GET", "/v1/kv/global/a%20b?raw")).status).toBe(200)
      expect((yield* ask(sim, "GET", "/v1/kv/global/a%20?keys")).status).toBe(400)
    }).pipe(provided)
  )

  it.effect("decode a path twice", () =>
    Effect.gen(function* () {
      const sim = yield* nyc1
      yield* sim.put("nyc1", "x%2Fy", "percent")
      yield* sim.put("nyc1", "x/y", "slash")
      expect((yield* ask(sim, "GET", "/v1/kv/x%252Fy?raw")).text).toBe("percent")
      yield* sim.configure("nyc1", { decodesPathsTwice: true })
      expect((yield* ask(sim, "GET", "/v1/kv/x%252Fy?raw")).text).toBe("slash")
      expect((yield* ask(sim, "GET", "/v1/kv/x%25zz")).status).toBe(500)
    }).pipe(provided)
  )
})

describe("a limit of an agent's requests", () => {
  it.effect("refuses those past it in each second, except of the agent itself, until it ends", () =>
    Effect.gen(function* () {
      const sim = yield* nyc1
      const statuses = Effect.map(
        Effect.all(Array.from({ length: 4 }, () => ask(sim, "GET", "/v1/kv/?keys"))),
        (answers) => answers.map(({ status }) => status)
      )
      yield* sim.limitRequests("nyc1-a", { perSecond: 3, status: 503, retryAfter: "1500 millis" })
      expect(yield* statuses).toEqual([200, 200, 200, 503])
      const refused = yield* ask(sim, "PUT", "/v1/txn", "[]")
      expect(refused.headers.get("Retry-After")).toBe("2")
      expect(refused.text).toContain("rate limit exceeded")
      expect((yield* ask(sim, "GET", "/v1/agent/services")).status).toBe(200)
      yield* TestClock.adjust("1 second")
      expect(yield* statuses).toEqual([200, 200, 200, 503])
      yield* sim.limitRequests("nyc1-a", undefined)
      expect(yield* statuses).toEqual([200, 200, 200, 200])
    }).pipe(provided)
  )
})
