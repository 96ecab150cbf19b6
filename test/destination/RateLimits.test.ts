import { describe, expect } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { SimConsul } from "../../src/testing/index.js"
import * as Network from "../../src/testing/Network.js"
import * as World from "../../src/testing/World.js"
import * as Events from "../support/Events.js"
import * as Replicating from "../support/Replicating.js"

const { converged, inSync, it, named, put, replicate, sent, synced, until } = Replicating
const { destination, source } = World

/** Takes so many requests a second, and as many at once after a second without; refuses the others. */
const bucket = (perSecond: number, matching: string | RegExp, refusal: Network.Fault): Network.Fault => {
  let tokens = perSecond
  let filledAt = 0
  return Network.on(matching, (sent, pass) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      tokens = Math.min(perSecond, tokens + ((now - filledAt) * perSecond) / 1_000)
      filledAt = now
      if (tokens < 1) return refusal(sent, pass)
      tokens -= 1
      return pass
    })
  )
}

const limited = Network.answer(429, "rate limit exceeded, try again later or against a different server")

/** What was read with values, on either side. */
const valuesRead = (instance: World.Instance) =>
  instance.network.sent.map(({ target }) => target).filter((target) => /[?&]recurse=&consistent/.test(target))

describe("a destination that limits the rate of requests", () => {
  it("is written to as fast as it allows, and nothing is read again", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(12_000))
      const instance = yield* World.instance()
      yield* instance.network.disturb(bucket(5, "PUT /v1/txn", limited))
      yield* replicate(instance)
      const took = yield* until(inSync)
      // Of 62 keys each, and one that begins.
      const transactions = Math.ceil(12_000 / 62) + 1
      expect(took).toBeLessThanOrEqual((transactions / 5) * 1_000 * 1.15)
      expect(yield* converged).toBe(true)
      // One of each side.
      const reads = valuesRead(instance)
      expect(new Set(reads).size).toBe(reads.length)
      expect(Events.odd(instance)).toMatchObject([
        { _tag: "Trouble", subject: { _tag: "Rate", requests: "writes" }, cause: "RateLimited" }
      ])
      // It finds the pace, and most of what is sent is taken.
      expect(sent(instance, "PUT /v1/txn")).toBeLessThan(transactions * 1.3)
    }))

  it("is told once, and full speed comes back when the limit goes", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      const instance = yield* synced(3)
      const rewrite = (value: string) =>
        Effect.forEach(named(1_000), (key) => sim.put(source, key, value), { discard: true })
      yield* instance.network.disturb(bucket(5, "PUT /v1/txn", limited))
      yield* rewrite("slow")
      expect(yield* until(converged)).toBeGreaterThan(2_000)
      yield* instance.network.heal
      for (let round = 0; round < 6; round++) {
        yield* rewrite(`faster ${round}`)
        yield* until(converged)
      }
      yield* rewrite("fast")
      expect(yield* until(converged)).toBeLessThanOrEqual(200)
      expect(Events.recovered(instance, "Rate")).toHaveLength(1)
    }))

  it("is read as fast as it allows, and keeps its leader", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(200))
      yield* put(destination, ...named(200))
      const instance = yield* World.instance({ shardKeys: 100, reconcile: Duration.seconds(5) })
      const reads = /^GET \/v1\/kv\/global\/(?!.*dc=)/
      yield* instance.network.disturb(bucket(3, reads, limited))
      yield* replicate(instance)
      yield* until(inSync)
      expect(yield* converged).toBe(true)
      yield* put(destination, "global/7")
      yield* until(converged)
      expect(Events.troubles(instance, "Replication")).toEqual([])
      expect(Events.of(instance, "Leading")).toHaveLength(1)
    }))
})
