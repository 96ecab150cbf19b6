import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Replicator from "../../src/Replicator.js"
import { SimConsul } from "../../src/testing/index.js"
import * as Network from "../../src/testing/Network.js"
import * as World from "../../src/testing/World.js"
import * as Events from "../support/Events.js"
import * as Replicating from "../support/Replicating.js"

const { converged, it, keys, named, put, stored, synced, until } = Replicating
const { destination, source } = World

const once = (instance: World.Instance) => instance.run(Replicator.runOnce(instance.replication))

const nothing: Replicator.LeftOver = { held: new Set(), refused: new Set() }

describe("once", () => {
  it("is one full pass; then the lock is given back, and nothing else is left behind", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* put(source, ...named(20))
      yield* put(destination, "global/stranger")
      expect(yield* once(yield* World.instance())).toEqual(nothing)
      expect(yield* converged).toBe(true)
      expect(yield* stored).toMatchObject({ State: "stopped", LastState: "in-sync" })
      expect(yield* sim.sessions(destination)).toEqual([])
      expect(yield* World.services(destination)).toEqual({})
    }))

  it("answers with the keys that the limit holds back", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(2))
      yield* put(destination, ...named(20, "stranger"))
      const instance = yield* World.instance()
      expect(yield* once(instance)).toEqual({ ...nothing, held: new Set(named(20, "stranger")) })
      expect(yield* keys(destination)).toHaveLength(22)
      expect(Events.began(instance, "DeletesHeld")).toHaveLength(1)
    }))

  it("waits for its turn, and for a source that is away", () =>
    Effect.gen(function* () {
      const leader = yield* synced(2)
      const instance = yield* World.instance()
      yield* instance.network.disturb(Network.on(/dc=nyc1/, Network.refused))
      const fiber = yield* Effect.forkScoped(once(instance))
      const ended = Effect.map(Fiber.poll(fiber), Option.isSome)
      yield* Effect.sleep("10 minutes")
      expect(Events.of(instance, "StandingBy")).toHaveLength(1)
      yield* Fiber.interrupt(leader.fiber)
      yield* put(source, "global/new")
      yield* Effect.sleep("10 minutes")
      expect(Events.troubles(instance, "Source")).toHaveLength(1)
      expect(yield* ended).toBe(false)
      yield* instance.network.heal
      yield* until(ended)
      expect(yield* converged).toBe(true)
    }))
})
