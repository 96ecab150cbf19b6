import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as TestClock from "effect/TestClock"
import { SimConsul } from "../../src/testing/index.js"

const nyc1 = "http://127.0.0.1:8500"
const sfo1 = "http://127.0.0.1:9500"

const two = SimConsul.layerHttpClient({ datacenters: ["nyc1", "sfo1"] })

const get = (target: string, at = nyc1) => HttpClient.get(`${at}/v1/${target}`)

const put = (target: string, body: unknown = "", at = nyc1) =>
  HttpClientRequest.put(`${at}/v1/${target}`).pipe(
    HttpClientRequest.bodyText(typeof body === "string" ? body : JSON.stringify(body)),
    HttpClient.execute
  )

const text = (
  response: Effect.Effect<HttpClientResponse.HttpClientResponse, unknown, HttpClient.HttpClient>
) => Effect.orDie(Effect.flatMap(response, ({ text }) => text))

const status = Effect.map((response: HttpClientResponse.HttpClientResponse) => response.status)

const index = Effect.map((response: HttpClientResponse.HttpClientResponse) =>
  Number(response.headers["x-consul-index"])
)

const session = (options: object, at = nyc1) =>
  Effect.map(text(put("session/create", options, at)), (body) => /"ID":"(.*)"/.exec(body)?.[1] ?? body)

const acquire = (key: string, id: string) => text(put(`kv/${key}?acquire=${id}`, "held"))

/** A request that waits for a newer index than the one that the same request answers with now. */
const blocked = (target: string, wait: string, at = nyc1) =>
  Effect.gen(function* () {
    const url = target.includes("?") ? `${target}&` : `${target}?`
    const now = yield* index(get(target, at))
    return yield* Effect.fork(
      Effect.map(get(`${url}index=${now}&wait=${wait}`, at), (response) => ({ now, response }))
    )
  })

const isDone = (fiber: Fiber.Fiber<unknown, unknown>) => Effect.map(Fiber.poll(fiber), Option.isSome)

describe("a wait", () => {
  it.effect("ends with a write under its prefix, or a delete, and not with a write beside it", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* sim.put("nyc1", "a/b", "1")
      const waiting = yield* blocked("kv/a/?recurse", "60s")
      yield* TestClock.adjust("10 seconds")
      yield* sim.put("nyc1", "b", "1")
      yield* TestClock.adjust("10 seconds")
      expect(yield* isDone(waiting)).toBe(false)
      yield* sim.remove("nyc1", "a/b")
      const { now, response } = yield* Fiber.join(waiting)
      expect(response.status).toBe(404)
      expect(Number(response.headers["x-consul-index"])).toBeGreaterThan(now)
    }).pipe(Effect.provide(two))
  )

  it.effect("is over after its time and up to a sixteenth of it, with nothing new", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* sim.put("nyc1", "a", "1")
      const waiting = yield* blocked("kv/a", "16s")
      yield* TestClock.adjust("16 seconds")
      expect(yield* isDone(waiting)).toBe(false)
      yield* TestClock.adjust("1 second")
      const { now, response } = yield* Fiber.join(waiting)
      expect(Number(response.headers["x-consul-index"])).toBe(now)
    }).pipe(Effect.provide(two))
  )

  it.effect("is five minutes long unless given, and ten at most", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* sim.put("nyc1", "a", "1")
      const usual = yield* blocked("kv/a", "")
      const longest = yield* blocked("kv/a", "1h")
      yield* TestClock.adjust("299 seconds")
      expect(yield* isDone(usual)).toBe(false)
      yield* TestClock.adjust("20 seconds")
      expect(yield* isDone(usual)).toBe(true)
      yield* TestClock.adjust("280 seconds")
      expect(yield* isDone(longest)).toBe(false)
      yield* TestClock.adjust("40 seconds")
      expect(yield* isDone(longest)).toBe(true)
    }).pipe(Effect.provide(two))
  )

  it.effect("stops when it is interrupted", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* sim.put("nyc1", "a", "1")
      const waiting = yield* blocked("kv/a", "60s")
      yield* TestClock.adjust("1 second")
      expect(Exit.isInterrupted(yield* Fiber.interrupt(waiting))).toBe(true)
      yield* sim.put("nyc1", "a", "2")
    }).pipe(Effect.provide(two))
  )

  it.effect("of another datacenter ends with a write there", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* sim.put("sfo1", "a", "1")
      const waiting = yield* blocked("kv/a?dc=sfo1", "60s")
      yield* TestClock.adjust("1 second")
      yield* sim.put("sfo1", "a", "2")
      expect((yield* Fiber.join(waiting)).response.status).toBe(200)
    }).pipe(Effect.provide(two))
  )
})

describe("a session", () => {
  it.effect("ends twice its TTL after its last renewal, and releases its lock", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      const id = yield* session({ TTL: "10s" })
      yield* acquire("lock", id)
      yield* TestClock.adjust("19 seconds")
      yield* put(`session/renew/${id}`)
      yield* TestClock.adjust("19999 millis")
      expect(yield* sim.sessions("nyc1")).toHaveLength(1)
      yield* TestClock.adjust("1 millis")
      expect(yield* sim.sessions("nyc1")).toHaveLength(0)
      expect(yield* sim.entries("nyc1", "lock")).toMatchObject([{ session: "", lockIndex: 1 }])
    }).pipe(Effect.provide(two))
  )

  it.effect("that ends keeps others from its locks for its lock delay", () =>
    Effect.gen(function* () {
      const first = yield* session({ LockDelay: "5s" })
      const second = yield* session({})
      yield* acquire("lock", first)
      yield* put(`session/destroy/${first}`)
      yield* TestClock.adjust("4999 millis")
      expect(yield* acquire("lock", second)).toBe("false")
      yield* TestClock.adjust("1 millis")
      expect(yield* acquire("lock", second)).toBe("true")
    }).pipe(Effect.provide(two))
  )

  it.effect("deletes its keys if it was made to", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      const id = yield* session({ Behavior: "delete" })
      yield* acquire("lock", id)
      yield* sim.destroySession("nyc1", id)
      expect(yield* sim.entries("nyc1", "")).toEqual([])
    }).pipe(Effect.provide(two))
  )

  it.effect("outlives a time without leader, and begins its TTL anew after it", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* session({ TTL: "10s" })
      yield* sim.setLeader("nyc1", false)
      yield* TestClock.adjust("10 minutes")
      yield* sim.setLeader("nyc1", true)
      yield* TestClock.adjust("19 seconds")
      expect(yield* sim.sessions("nyc1")).toHaveLength(1)
      yield* TestClock.adjust("1 second")
      expect(yield* sim.sessions("nyc1")).toHaveLength(0)
    }).pipe(Effect.provide(two))
  )
})

describe("a service's check", () => {
  const register = (check: object) =>
    put("agent/service/register", { Name: "web", Check: { TTL: "3s", ...check } })

  it.effect("is critical its TTL after the last news, and ends the sessions that depend on it", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* register({ Status: "passing" })
      const id = yield* session({ LockDelay: "0s", Checks: ["service:web"] })
      yield* acquire("lock", id)
      yield* TestClock.adjust("2 seconds")
      yield* put("agent/check/pass/service:web")
      const waiting = yield* blocked("kv/lock", "60s")
      yield* TestClock.adjust("2999 millis")
      expect(yield* isDone(waiting)).toBe(false)
      yield* TestClock.adjust("1 millis")
      expect(yield* text(Effect.map(Fiber.join(waiting), ({ response }) => response))).not.toContain(
        "Session"
      )
      expect(yield* sim.sessions("nyc1")).toEqual([])
      expect(yield* text(get("health/state/critical"))).toContain('"Output":"TTL expired"')
      expect(yield* session({ Checks: ["service:web"] })).toBe("Check 'service:web' is in critical state")
    }).pipe(Effect.provide(two))
  )

  it.effect("takes its service away after a minute of being critical at the least", () =>
    Effect.gen(function* () {
      yield* register({ DeregisterCriticalServiceAfter: "1s" })
      yield* TestClock.adjust("63 seconds")
      expect(yield* text(get("catalog/services"))).toContain("web")
      yield* TestClock.adjust("30 seconds")
      expect(yield* text(get("catalog/services"))).not.toContain("web")
      expect(yield* text(get("agent/services"))).toBe("{}")
    }).pipe(Effect.provide(two))
  )

  it.effect("moves no index when it passes again", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* register({ Status: "passing" })
      const before = yield* sim.state("nyc1")
      yield* put("agent/check/pass/service:web")
      expect((yield* sim.state("nyc1")).index).toBe(before.index)
    }).pipe(Effect.provide(two))
  )

  it.effect("is registered again after a restore that doesn't know it", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      const before = yield* sim.snapshot("nyc1")
      yield* put("agent/service/register", { Name: "web", Check: { TTL: "1h", Status: "passing" } })
      yield* sim.restore(before)
      expect(yield* text(get("catalog/services"))).not.toContain("web")
      yield* TestClock.adjust("2 minutes")
      expect(yield* text(get("health/service/web?passing"))).toContain("web")
    }).pipe(Effect.provide(two))
  )
})

describe("a datacenter", () => {
  it.effect("without leader answers 500 after seven seconds and a little, but for stale reads", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* sim.put("nyc1", "a", "1")
      yield* sim.setLeader("nyc1", false)
      const refused = yield* Effect.fork(text(put("kv/a", "2")))
      const stale = yield* get("kv/a?stale")
      expect(stale.status).toBe(200)
      expect(stale.headers["x-consul-knownleader"]).toBe("false")
      yield* TestClock.adjust("6999 millis")
      expect(yield* isDone(refused)).toBe(false)
      yield* TestClock.adjust("500 millis")
      expect(yield* Fiber.join(refused)).toBe("No cluster leader")
      expect(yield* text(get("status/leader"))).toBe('""')
    }).pipe(Effect.provide(two))
  )

  it.effect("serves what waited for a leader when there is one", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* sim.setLeader("nyc1", false)
      const waiting = yield* Effect.fork(text(put("kv/a", "2")))
      yield* TestClock.adjust("3 seconds")
      yield* sim.setLeader("nyc1", true)
      expect(yield* Fiber.join(waiting)).toBe("true")
    }).pipe(Effect.provide(two))
  )

  it.effect("that is restored has the indexes of then, and lets blocked queries go", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* sim.put("nyc1", "a", "1")
      const early = yield* sim.snapshot("nyc1")
      const then = yield* index(get("kv/a?recurse"))
      yield* sim.put("nyc1", "a", "2")
      const waiting = yield* blocked("kv/a?recurse", "60s")
      yield* TestClock.adjust("1 second")
      yield* sim.restore(early)
      const { now, response } = yield* Fiber.join(waiting)
      expect(Number(response.headers["x-consul-index"])).toBe(now)
      expect(yield* index(get("kv/a?recurse"))).toBe(then)
      expect(yield* text(get("kv/a?raw"))).toBe("1")
      yield* sim.put("nyc1", "a", "3")
      expect(yield* index(get("kv/a?recurse"))).toBeGreaterThan(now)
    }).pipe(Effect.provide(two))
  )

  it.effect("that is rebuilt from a snapshot gives indexes for the second time", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* sim.put("nyc1", "a", "1")
      const early = yield* sim.snapshot("nyc1")
      for (const value of ["2", "3", "4"]) yield* sim.put("nyc1", "a", value)
      const latest = yield* index(get("kv/a"))
      yield* sim.restore(early, { rebuilt: true })
      yield* sim.put("nyc1", "a", "5")
      expect(yield* index(get("kv/a"))).toBeLessThan(latest)
    }).pipe(Effect.provide(two))
  )

  it.effect("forgets what was deleted after a quarter of an hour", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* sim.put("nyc1", "gone/a", "1")
      yield* sim.remove("nyc1", "gone/a")
      const deleted = yield* index(get("kv/gone/?recurse"))
      yield* sim.put("nyc1", "other", "1")
      expect(yield* index(get("kv/gone/?recurse"))).toBe(deleted)
      yield* TestClock.adjust("16 minutes")
      expect(yield* index(get("kv/gone/?recurse"))).toBeGreaterThan(deleted)
    }).pipe(Effect.provide(two))
  )

  it.effect("may have servers whose clock runs fast", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* session({ TTL: "10s" })
      yield* TestClock.adjust("10 seconds")
      yield* sim.setClockRate("nyc1", 5)
      yield* TestClock.adjust("1999 millis")
      expect(yield* sim.sessions("nyc1")).toHaveLength(1)
      yield* TestClock.adjust("1 millis")
      expect(yield* sim.sessions("nyc1")).toHaveLength(0)
    }).pipe(Effect.provide(two))
  )
})

describe("datacenters apart from each other", () => {
  it.effect("refuse each other's requests, also those under way, until they are joined again", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* sim.put("sfo1", "a", "1")
      const waiting = yield* blocked("kv/a?dc=sfo1", "60s")
      yield* TestClock.adjust("1 second")
      yield* sim.partition("nyc1", "sfo1")
      const broken = (yield* Fiber.join(waiting)).response
      expect([broken.status, yield* broken.text]).toEqual([500, "rpc error making call: EOF"])
      expect(yield* text(get("kv/a?dc=sfo1"))).toContain("connection refused")
      expect(yield* text(get("kv/a?dc=nyc1", sfo1))).toContain("connection refused")
      expect(yield* status(get("kv/a", sfo1))).toBe(200)
      yield* sim.partition("nyc1", "sfo1", "no path")
      expect(yield* text(get("kv/a?dc=sfo1"))).toBe("No path to datacenter")
      yield* sim.heal("nyc1", "sfo1")
      expect(yield* status(get("kv/a?dc=sfo1"))).toBe(200)
    }).pipe(Effect.provide(two))
  )
})

describe("an observer", () => {
  it.scoped("sees every commit inside of it, with who asked and what changed", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      const seen: Array<unknown> = []
      yield* sim.observe(({ agent, changes, datacenter, index, command }) => {
        const keys = changes.map(({ after, before, key }) => [key, before?.modifyIndex, after?.modifyIndex])
        seen.push([datacenter, agent, command._tag, index, ...keys])
      })
      const { index: start } = yield* sim.state("sfo1")
      yield* put("kv/a?dc=sfo1", "1")
      yield* put("txn?dc=sfo1", [
        { KV: { Verb: "set", Key: "a", Value: "Mg==" } },
        { KV: { Verb: "set", Key: "b", Value: "Mg==" } },
        { KV: { Verb: "delete", Key: "b" } }
      ])
      yield* put("kv/a?cas=0&dc=sfo1", "no")
      yield* sim.remove("sfo1", "a")
      expect(seen).toEqual([
        ["sfo1", "nyc1-a", "Set", start + 1, ["a", undefined, start + 1]],
        ["sfo1", "nyc1-a", "Txn", start + 2, ["a", start + 1, start + 2]],
        ["sfo1", "nyc1-a", "Cas", start + 3],
        ["sfo1", undefined, "Delete", start + 4, ["a", start + 2, undefined]]
      ])
    }).pipe(Effect.provide(two))
  )
})

describe("the in-process client", () => {
  it.effect("finds agents by host and port, and nobody elsewhere", () =>
    Effect.gen(function* () {
      expect(yield* status(get("kv/a", "http://agent.example:1234"))).toBe(404)
      expect(yield* Effect.flip(get("kv/a"))).toMatchObject({ _tag: "RequestError", reason: "Transport" })
    }).pipe(
      Effect.provide(
        SimConsul.layerHttpClient({
          datacenters: [{ name: "nyc1", agents: [{ name: "n", address: "agent.example:1234" }] }]
        })
      )
    )
  )

  it.effect("of an agent that is no server tells what the servers said", () =>
    Effect.gen(function* () {
      const at = "http://127.0.0.1:1"
      expect(yield* session({ Node: "none" }, at)).toBe("rpc error making call: Missing node registration")
      expect(yield* text(put("kv/a", "1", at))).toBe("true")
      expect(yield* text(get("catalog/service/consul", at))).not.toContain('"Node":"client"')
    }).pipe(
      Effect.provide(
        SimConsul.layerHttpClient({
          datacenters: [
            {
              name: "nyc1",
              agents: [
                { name: "server", address: "127.0.0.1:8500" },
                { name: "client", address: "127.0.0.1:1", server: false }
              ]
            }
          ]
        })
      )
    )
  )
})

it.effect("the same seed makes the same session ids", () => {
  const ids = (seed: number) =>
    Effect.all([session({}), session({})]).pipe(Effect.provide(two), Effect.withRandom(Random.make(seed)))
  return Effect.gen(function* () {
    expect(yield* ids(1)).toEqual(yield* ids(1))
    expect(yield* ids(1)).not.toEqual(yield* ids(2))
  })
})

it.live("100,000 keys are listed", () =>
  Effect.gen(function* () {
    const sim = yield* SimConsul.SimConsul
    for (let i = 0; i < 100_000; i++) yield* sim.put("nyc1", `many/${i}`, "x".repeat(100))
    const response = yield* get("kv/many/?recurse")
    expect((yield* response.arrayBuffer).byteLength).toBeGreaterThan(20_000_000)
  }).pipe(Effect.provide(two))
)
