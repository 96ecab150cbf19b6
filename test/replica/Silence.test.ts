import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Network from "../support/Network.js"
import * as Replicating from "../support/Replicating.js"
import * as World from "../support/World.js"

const { converged, it, put, replicate, synced, until } = Replicating
const { destination, source } = World

const checks = Effect.map(World.services(destination), Object.values<string>)

/** Nothing that is asked of the source is answered. */
const away = Network.on(/dc=nyc1/, Network.silent)

describe("a source that says nothing", () => {
  it("is told of by the check of the service, until it is heard again", () =>
    Effect.gen(function* () {
      const instance = yield* synced(20)
      yield* Effect.sleep("10 minutes")
      expect(yield* checks).toEqual(["passing"])
      yield* instance.network.disturb(away)
      yield* Effect.sleep("6 minutes")
      expect(yield* checks).toEqual(["warning"])
      yield* instance.network.heal
      yield* put(source, "global/new")
      yield* until(converged, "5 minutes")
      yield* Effect.sleep("2 seconds")
      expect(yield* checks).toEqual(["passing"])
    }))

  it("and never has said anything, is too", () =>
    Effect.gen(function* () {
      const instance = yield* World.instance()
      yield* instance.network.disturb(away)
      yield* replicate(instance)
      yield* Effect.sleep("3 minutes")
      expect(yield* checks).toEqual(["warning"])
    }))
})
