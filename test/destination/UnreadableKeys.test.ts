import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Replicator from "../../src/Replicator.js"
import * as Network from "../../src/testing/Network.js"
import * as World from "../../src/testing/World.js"
import * as Events from "../support/Events.js"
import * as Replicating from "../support/Replicating.js"

const { converged, holds, inSync, it, keys, named, put, remove, replicate, stored, until } = Replicating
const { destination, source } = World

/** The source's answers hold something else for the value of a key than base64. */
const garbling = (key: string): Network.Fault =>
  Network.on(/^GET .*dc=nyc1/, (sent, pass) =>
    Effect.flatMap(pass, (response) =>
      Effect.flatMap(response.text, (text) =>
        Network.answer(
          response.status,
          text.replace(new RegExp(`("Key":"${key}"[^}]*"Value":)"[^"]*"`), '$1"!!"'),
          response.headers
        )(sent, pass)
      )
    )
  )

const isCounted = Effect.map(stored, ({ State }) => State === "writes-refused")

describe("a key of the source that cannot be read", () => {
  for (const [how, options] of Object.entries({
    "as one": {},
    "in parts": { watchShards: 4, shardKeys: 8 }
  })) {
    it(`is left as it is and counted until it can be read, and holds up no other, watched ${how}`, () =>
      Effect.gen(function* () {
        yield* put(source, ...named(20))
        yield* put(destination, "global/7")
        const instance = yield* World.instance(options)
        yield* instance.network.disturb(garbling("global/7"))
        yield* replicate(instance)
        yield* until(isCounted)
        expect(yield* keys(destination)).toEqual([...named(20)].sort())
        expect(yield* stored).toMatchObject({ State: "writes-refused", RefusedWrites: 1, LastReplicated: 0 })
        expect(Events.odd(instance)).toMatchObject([
          { _tag: "WritesRefused", refusals: [{ key: "global/7", cause: "KeyUnreadable" }] }
        ])
        yield* put(source, "global/new")
        yield* remove(source, "global/3")
        yield* until(holds(destination, "global/new"))
        yield* Effect.sleep("5 minutes")
        expect(yield* stored).toMatchObject({ State: "writes-refused", RefusedWrites: 1 })
        expect(yield* holds(destination, "global/3")).toBe(false)
        yield* instance.network.heal
        yield* until(inSync)
        expect(yield* converged).toBe(true)
      }))
  }

  it("goes when the source deletes it", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(20))
      yield* put(destination, "global/7")
      const instance = yield* World.instance()
      yield* instance.network.disturb(garbling("global/7"))
      yield* replicate(instance)
      yield* until(isCounted)
      yield* remove(source, "global/7")
      yield* until(inSync)
      expect(yield* converged).toBe(true)
    }))

  it("is left over where both sides are compared once", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(3))
      const instance = yield* World.instance()
      yield* instance.network.disturb(garbling("global/1"))
      const { refused } = yield* instance.run(Replicator.runOnce(instance.replication))
      expect([...refused]).toEqual(["global/1"])
    }))
})
