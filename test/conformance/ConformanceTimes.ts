/**
 * Scenarios that measure times on either side.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as ByteString from "../../src/testing/internal/go/ByteString.js"
import type { Side } from "./ConformanceSide.js"

/** The times of a scenario in ms, and its other observations. */
export type Seen = { readonly [what: string]: number | string | boolean }

export type Scenario = (side: Side) => Effect.Effect<Seen>

const ask = (side: Side, method: string, target: string, body: unknown = "") =>
  Effect.map(
    side.send({
      method,
      target,
      body: ByteString.toBytes(typeof body === "string" ? body : JSON.stringify(body))
    }),
    (response) => ({
      status: response.status,
      text: ByteString.fromBytes(response.body),
      index: Number(response.headers.find(([name]) => name === "X-Consul-Index")?.[1] ?? 0)
    })
  )

const session = (side: Side, options: object) =>
  Effect.map(
    ask(side, "PUT", "/v1/session/create", options),
    ({ text }) => /[0-9a-f-]{36}/.exec(text)?.[0] ?? ""
  )

const acquire = (side: Side, key: string, id: string) =>
  Effect.map(ask(side, "PUT", `/v1/kv/${key}?acquire=${id}`, "held"), ({ text }) => text)

const timed = <A>(self: Effect.Effect<A>) =>
  Effect.gen(function* () {
    const start = yield* Clock.currentTimeMillis
    const value = yield* self
    return [(yield* Clock.currentTimeMillis) - start, value] as const
  })

/** The interval at which the lateness of the machine is measured, in ms. */
const pulse = 50

/**
 * Runs an effect, and measures the worst lateness of the machine meanwhile: of a timer with a write that changes nothing, in ms.
 */
export const lateness = <A>(side: Side, self: Effect.Effect<A>): Effect.Effect<readonly [A, number]> =>
  Effect.gen(function* () {
    let worst = 0
    const nobody = "/v1/session/destroy/00000000-0000-0000-0000-000000000000"
    const measuring = yield* timed(Effect.zipRight(Effect.sleep(pulse), ask(side, "PUT", nobody))).pipe(
      Effect.tap(([took]) =>
        Effect.sync(() => {
          worst = Math.max(worst, took - pulse)
        })
      ),
      Effect.forever,
      Effect.fork
    )
    const value = yield* self
    yield* Fiber.interrupt(measuring)
    return [value, worst] as const
  })

/** Waits for the next change of a key. */
const change = (side: Side, key: string, wait = "60s") =>
  Effect.flatMap(ask(side, "GET", `/v1/kv/${key}`), ({ index }) =>
    ask(side, "GET", `/v1/kv/${key}?index=${index}&wait=${wait}`)
  )

const unlocked = (side: Side, key: string) =>
  Effect.map(timed(change(side, key)), ([after, { status, text }]) => ({
    after,
    status,
    held: text.includes("Session")
  }))

const ttl =
  (name: string, behavior: "release" | "delete", renewAfter?: number): Scenario =>
  (side) =>
    Effect.gen(function* () {
      const id = yield* session(side, { TTL: "10s", LockDelay: "0s", Behavior: behavior })
      yield* acquire(side, name, id)
      if (renewAfter !== undefined) {
        yield* Effect.sleep(renewAfter)
        yield* ask(side, "PUT", `/v1/session/renew/${id}`)
      }
      const seen = yield* unlocked(side, name)
      const info = yield* ask(side, "GET", `/v1/session/info/${id}`)
      return { ...seen, gone: info.text === "[]" }
    })

/** Tries to acquire a lock until that succeeds. */
const refusedFor = (side: Side, key: string, id: string) =>
  timed(
    acquire(side, key, id).pipe(
      Effect.tap((answer) => (answer === "true" ? Effect.void : Effect.sleep(20))),
      Effect.repeat({ until: (answer) => answer === "true" })
    )
  )

const lockDelay =
  (name: string, delay: string, behavior: "release" | "delete"): Scenario =>
  (side) =>
    Effect.gen(function* () {
      const first = yield* session(side, { LockDelay: delay, Behavior: behavior })
      const second = yield* session(side, {})
      yield* acquire(side, name, first)
      const taken = yield* acquire(side, name, second)
      yield* ask(side, "PUT", `/v1/session/destroy/${first}`)
      const plain = yield* ask(side, "PUT", `/v1/kv/${name}`, "anybody")
      const [refused] = yield* refusedFor(side, name, second)
      return { taken, plain: plain.text, refused }
    })

const check = (service: string, rest: string) => `/v1/agent/check/${rest}/service:${service}`

const status = (side: Side, service: string) =>
  Effect.map(ask(side, "GET", `/v1/health/checks/${service}`), ({ text }) =>
    [/"Status":"(\w+)"/.exec(text)?.[1], /"Output":"([^"]*)"/.exec(text)?.[1]].join(": ")
  )

const missedCheck =
  (service: string, checks: (id: string) => object): Scenario =>
  (side) =>
    Effect.gen(function* () {
      yield* ask(side, "PUT", "/v1/agent/service/register", { Name: service, Check: { TTL: "2s" } })
      yield* ask(side, "PUT", `${check(service, "pass")}?note=fine`)
      const id = yield* session(side, { LockDelay: "0s", ...checks(`service:${service}`) })
      yield* acquire(side, service, id)
      yield* Effect.sleep(1_500)
      yield* ask(side, "PUT", check(service, "warn"))
      const warned = yield* ask(side, "GET", `/v1/session/info/${id}`)
      const seen = yield* unlocked(side, service)
      const refused = yield* ask(side, "PUT", "/v1/session/create", checks(`service:${service}`))
      const critical = yield* status(side, service)
      yield* ask(side, "PUT", check(service, "pass"))
      const again = yield* status(side, service)
      yield* ask(side, "PUT", `/v1/agent/service/deregister/${service}`)
      return { ...seen, alive: warned.text !== "[]", refused: refused.text, critical, again }
    })

const deregistered: Scenario = (side) =>
  Effect.gen(function* () {
    yield* ask(side, "PUT", "/v1/agent/service/register", {
      Name: "ends",
      Check: { TTL: "1h", Status: "passing" }
    })
    const id = yield* session(side, { LockDelay: "0s", Checks: ["service:ends"] })
    yield* acquire(side, "ends", id)
    const waiting = yield* Effect.fork(unlocked(side, "ends"))
    yield* Effect.sleep(300)
    yield* ask(side, "PUT", "/v1/agent/service/deregister/ends")
    return yield* Fiber.join(waiting)
  })

const waits: Scenario = (side) =>
  Effect.gen(function* () {
    yield* ask(side, "PUT", "/v1/kv/waits/a", "1")
    yield* ask(side, "PUT", "/v1/kv/waits-beside", "1")
    const { index } = yield* ask(side, "GET", "/v1/kv/waits/?recurse")
    const [seconds, read] = yield* timed(ask(side, "GET", `/v1/kv/waits/?recurse&index=${index}&wait=4s`))
    const beside = yield* Effect.fork(timed(ask(side, "GET", `/v1/kv/waits/?recurse&index=${index}&wait=1s`)))
    const under = yield* Effect.fork(timed(ask(side, "GET", `/v1/kv/waits/?keys&index=${index}&wait=60s`)))
    const all = yield* Effect.fork(timed(ask(side, "GET", `/v1/kv/?keys&index=${index}&wait=60s`)))
    yield* Effect.sleep(200)
    yield* ask(side, "PUT", "/v1/kv/waits-beside", "2")
    const [allAfter] = yield* Fiber.join(all)
    const [besideAfter] = yield* Fiber.join(beside)
    yield* ask(side, "DELETE", "/v1/kv/waits/a")
    const [underAfter, gone] = yield* Fiber.join(under)
    const later = gone.index > index
    // The first wait ends early, and the end of the second is delayed by up to a sixteenth.
    return {
      timeout: Math.min(seconds, 4_125),
      unmoved: read.index === index,
      allAfter,
      besideAfter,
      underAfter,
      gone: gone.status,
      later
    }
  })

export const scenarios: { readonly [name: string]: Scenario } = {
  "a session ends twice its TTL after it began, and releases its locks": ttl("ttl/release", "release"),
  "a session ends twice its TTL after its renewal, and deletes its keys": ttl("ttl/delete", "delete", 4_000),
  "a lock delay keeps others out, and no plain writer": lockDelay("delay/release", "2s", "release"),
  "a lock delay holds for a deleted key, too": lockDelay("delay/delete", "1s", "delete"),
  "a missed check ends its session (Checks)": missedCheck("missed1", (id) => ({
    Checks: ["serfHealth", id]
  })),
  "a missed check ends its session (NodeChecks)": missedCheck("missed2", (id) => ({ NodeChecks: [id] })),
  "a missed check ends its session (ServiceChecks)": missedCheck("missed3", (id) => ({
    ServiceChecks: [{ ID: id }]
  })),
  "the end of a service ends its session": deregistered,
  "a wait ends with its time, or a write where it waits": waits
}
