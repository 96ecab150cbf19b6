import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Network from "../../src/testing/Network.js"
import * as World from "../../src/testing/World.js"
import * as Events from "../support/Events.js"
import * as Replicating from "../support/Replicating.js"

const { converged, inSync, it, named, put, replicate, sent, until } = Replicating
const { destination, source } = World

/** The reads of the destination, the one of the status among them, and not those of the lock. */
const reads = /^GET \/v1\/kv\/(?!.*(?:dc=|leader))/

/** A balancer that sends every second connection to a server that is away. */
const everySecond = (fault: Network.Fault): Network.Fault => {
  let count = 0
  return (one, pass) => (count++ % 2 === 0 ? fault(one, pass) : pass)
}

describe("an address behind which every second connection is refused", () => {
  it("does not keep a pass of many reads from its end, and is no trouble", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(200))
      yield* put(destination, ...named(200), "global/more")
      const instance = yield* World.instance({ shardKeys: 20 })
      yield* instance.network.disturb(Network.on(reads, everySecond(Network.refused)))
      yield* replicate(instance)
      expect(yield* until(inSync, "1 minute")).toBeLessThan(30_000)
      expect(yield* converged).toBe(true)
      expect(sent(instance, "GET /v1/kv/global/")).toBeGreaterThan(10)
      expect(Events.odd(instance).filter(({ _tag }) => _tag === "Trouble")).toEqual([])
    }))

  it("that refuses all for longer is tried again as a whole, and reported", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(20))
      const instance = yield* World.instance()
      yield* instance.network.disturb(Network.on(reads, Network.refused))
      yield* replicate(instance)
      yield* until(
        Effect.sync(() => Events.odd(instance).some(({ _tag }) => _tag === "Trouble")),
        "30 seconds"
      )
      yield* instance.network.heal
      yield* until(inSync, "30 seconds")
    }))
})
