import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { SimConsul } from "../../src/testing/index.js"
import * as Network from "../../src/testing/Network.js"
import * as World from "../../src/testing/World.js"
import * as Events from "../support/Events.js"
import * as Replicating from "../support/Replicating.js"

const { converged, holding, inSync, it, keys, named, put, removeTree, replicate, stored, until } = Replicating
const { destination, source } = World

/** `global/a0` to `global/j9`. */
const hundred = [..."abcdefghij"].flatMap((letter) => named(10, letter))

/** A hundred keys, replicated by an instance that watches them in parts of about four. */
const divided = (options: Parameters<typeof World.instance>[0] = {}) =>
  Effect.gen(function* () {
    yield* put(source, ...hundred)
    const instance = yield* World.instance({ watchShards: 12, shardKeys: 4, ...options })
    yield* replicate(instance)
    yield* until(inSync)
    return instance
  })

const remove = (keys: ReadonlyArray<string>) =>
  Effect.flatMap(SimConsul.SimConsul, (sim) =>
    sim.request(`${source}-a`, {
      method: "PUT",
      target: "/v1/txn",
      body: new TextEncoder().encode(JSON.stringify(keys.map((Key) => ({ KV: { Verb: "delete", Key } }))))
    })
  )

const indexOfSource = Effect.flatMap(SimConsul.SimConsul, (sim) =>
  Effect.map(sim.state(source), ({ index }) => index)
)

describe("a source that is watched in parts", () => {
  it("is copied, with what comes, changes and goes, and the checkpoint follows within a second", () =>
    Effect.gen(function* () {
      yield* divided()
      expect(yield* keys(destination)).toHaveLength(100)
      const sim = yield* SimConsul.SimConsul
      yield* sim.put(source, "global/c7", "other")
      expect(yield* until(converged)).toBeLessThan(100)
      yield* sim.put(source, "global/zebra", "new")
      expect(yield* until(converged)).toBeLessThan(1_000)
      yield* sim.remove(source, "global/d3")
      expect(yield* until(converged)).toBeLessThan(100)
      yield* Effect.sleep("1200 millis")
      expect(yield* stored).toMatchObject({ State: "in-sync", LastReplicated: yield* indexOfSource })
    }))

  it("and has lost everything loses no key of the copy, though every part is small", () =>
    Effect.gen(function* () {
      const instance = yield* divided()
      yield* removeTree(source)
      yield* until(holding)
      yield* Effect.sleep("1 minute")
      expect(yield* keys(destination)).toHaveLength(100)
      expect(yield* stored).toMatchObject({ HeldDeletes: 100 })
      expect(Events.began(instance, "DeletesHeld")).toHaveLength(1)
    }))

  it("lets go of what it deletes within the limit, however many parts that is in", () =>
    Effect.gen(function* () {
      yield* divided()
      yield* remove(hundred.slice(0, 40))
      yield* until(converged)
      expect(yield* keys(destination)).toHaveLength(60)
      expect(yield* stored).toMatchObject({ State: "in-sync", HeldDeletes: 0 })
    }))

  it("and has its keys again is in sync, and nothing is held any more", () =>
    Effect.gen(function* () {
      yield* divided()
      yield* removeTree(source)
      yield* until(holding)
      yield* put(source, ...hundred)
      yield* until(converged)
      yield* until(inSync)
      expect(yield* stored).toMatchObject({ HeldDeletes: 0 })
    }))

  it("is compared in full by a new leader: what only the destination has goes, wherever it is", () =>
    Effect.gen(function* () {
      yield* put(destination, "global/between", "global/zz", "global/a0x", "elsewhere/a")
      yield* divided()
      yield* until(converged)
      expect(yield* keys(destination)).toHaveLength(100)
      expect(yield* World.contents(destination, "elsewhere/")).toEqual({ "elsewhere/a": "of sfo1" })
    }))

  it("has its copy put right where others changed it, part by part", () =>
    Effect.gen(function* () {
      const instance = yield* divided()
      const sim = yield* SimConsul.SimConsul
      yield* Effect.sleep("61 seconds")
      const before = Replicating.sent(instance, /^GET \/v1\/kv\/global\/.*recurse=(?!.*dc=)/)
      yield* sim.put(destination, "global/c7", "drift")
      yield* sim.remove(destination, "global/h1")
      yield* sim.put(destination, "global/q", "drift")
      yield* until(converged)
      expect(Events.of(instance, "DriftFound")).toMatchObject([
        { changed: ["global/c7"], missing: ["global/h1"], extra: ["global/q"], repaired: true }
      ])
      // Of some thirty parts.
      expect(Replicating.sent(instance, /^GET \/v1\/kv\/global\/.*recurse=(?!.*dc=)/) - before).toBeLessThan(
        40
      )
    }))

  it("whose part seems empty by a fault keeps its keys", () =>
    Effect.gen(function* () {
      const instance = yield* divided()
      const nothing = Network.answer(404, "", { "x-consul-index": "9999" })
      yield* instance.network.disturb(
        Network.on(/^GET \/v1\/kv\/global\/c.*recurse=(?!.*consistent).*dc=nyc1/, nothing)
      )
      yield* Effect.flatMap(SimConsul.SimConsul, (sim) => sim.put(source, "global/c7", "other"))
      yield* Effect.sleep("1 minute")
      expect(yield* keys(destination)).toHaveLength(100)
      yield* instance.network.heal
      yield* until(converged)
    }))
})
