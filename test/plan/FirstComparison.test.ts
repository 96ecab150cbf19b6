import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as vitest from "vitest"
import * as FirstComparison from "../../src/internal/plan/FirstComparison.js"
import * as Replicator from "../../src/Replicator.js"
import { SimConsul } from "../../src/testing/index.js"
import * as Network from "../../src/testing/Network.js"
import * as World from "../../src/testing/World.js"
import * as Events from "../support/Events.js"
import * as Keys from "../support/Keys.js"
import * as Replicating from "../support/Replicating.js"

const { converged, inSync, it, named, put, replicate, sent, until } = Replicating
const { destination, source } = World

const once = (instance: World.Instance) => instance.run(Replicator.runOnce(instance.replication))

const comesBefore = (instance: World.Instance, first: Events.Tag, second: Events.Tag) => {
  const tags = instance.events.map(({ _tag }) => _tag)
  return tags.includes(first) && tags.indexOf(first) < tags.indexOf(second)
}

const changesKeys = ({ body }: Network.Sent) =>
  /"Verb":"(?:set|delete)"/.test(body) && body.includes('"Key":"global/')

/** The same value on both sides. */
const putEqual = (...keys: ReadonlyArray<string>) =>
  Effect.flatMap(SimConsul.SimConsul, (sim) =>
    Effect.forEach([source, destination], (datacenter) =>
      Effect.forEach(keys, (key) => sim.put(datacenter, key, "the same"), { discard: true })
    )
  )

describe("the first comparison", () => {
  it("warns once, before it writes, of the keys that it overwrites and of those that it deletes", () =>
    Effect.gen(function* () {
      yield* putEqual("global/equal")
      yield* put(source, ...named(5), "global/new")
      yield* put(destination, ...named(5), "global/x", "global/y")
      const instance = yield* World.instance()
      const warnedAtWrites: Array<number> = []
      yield* instance.network.disturb(
        Network.on("PUT /v1/txn", (sent, pass) => {
          if (changesKeys(sent)) warnedAtWrites.push(Events.of(instance, "FirstComparison").length)
          return pass
        })
      )
      yield* once(instance)
      expect(Events.odd(instance)).toMatchObject([
        { _tag: "FirstComparison", overwritten: named(5), deleted: ["global/x", "global/y"] }
      ])
      expect(comesBefore(instance, "FirstComparison", "ComparisonDone")).toBe(true)
      expect(new Set(warnedAtWrites)).toEqual(new Set([1]))
      expect(yield* converged).toBe(true)
    }))

  it("counts the same where the prefix is watched in parts", () =>
    Effect.gen(function* () {
      const all = Array.from({ length: 400 }, (_, i) => `global/${i % 8}/${i}`)
      yield* put(source, ...all)
      yield* put(destination, ...all.slice(100, 250), ...named(30, "0/stranger"))
      const instance = yield* World.instance({ shardKeys: 40 })
      yield* replicate(instance)
      yield* until(inSync)
      expect(Events.odd(instance)).toMatchObject([{ overwritten: { length: 150 }, deleted: { length: 30 } }])
      expect(comesBefore(instance, "FirstComparison", "ComparisonDone")).toBe(true)
      expect(yield* converged).toBe(true)
    }))

  it("speaks of no deletes that are off or held back, and keeps quiet where nothing is lost", () =>
    Effect.gen(function* () {
      yield* putEqual("global/equal")
      yield* put(source, "global/new")
      yield* put(destination, ...named(30, "stranger"))
      const keeping = yield* World.instance({ deletes: false })
      yield* once(keeping)
      expect(Events.odd(keeping)).toEqual([])
      const sim = yield* SimConsul.SimConsul
      yield* sim.remove(destination, World.status)
      const holding = yield* World.instance()
      yield* once(holding)
      expect(Events.odd(holding)).toMatchObject([{ _tag: "DeletesHeld", keys: { size: 30 }, totalKeys: 32 }])
    }))

  it("costs a copy into an empty prefix, and a restart, no request", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(20))
      const first = yield* World.instance()
      yield* once(first)
      expect(sent(first, /^GET \/v1\/kv\/global\/\?.*dc=nyc1/)).toBe(2)
      yield* put(destination, ...named(20), "global/stranger")
      const second = yield* World.instance()
      yield* once(second)
      expect(sent(second, /^GET \/v1\/kv\/global\/\?.*dc=nyc1/)).toBe(2)
      expect(Events.odd(second)).toEqual([])
    }))

  it("costs a copy into an empty prefix no request, where it is watched in parts", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(100))
      const instance = yield* World.instance({ watchShards: 4, shardKeys: 8 })
      yield* once(instance)
      // Each of the parts is read once.
      const reads = sent(instance, /^GET \/v1\/kv\/global\/.*recurse.*dc=nyc1/)
      expect(reads).toBeGreaterThan(4)
      const again = yield* World.instance({ watchShards: 4, shardKeys: 8 })
      yield* once(again)
      expect(sent(again, /^GET \/v1\/kv\/global\/.*recurse.*dc=nyc1/)).toBe(reads)
    }))

  it("of another replication is a first one, whatever the status said of that", () =>
    Effect.gen(function* () {
      yield* put(source, "global/a", "other/a")
      yield* put(destination, "other/a")
      yield* once(yield* World.instance())
      const other = yield* World.instance({ prefix: "other/", destinationPrefix: "other/" })
      yield* once(other)
      expect(Events.of(other, "FirstComparison")).toMatchObject([
        { replication: { prefix: "other/" }, overwritten: ["other/a"] }
      ])
    }))

  it("that fails and begins again is warned of once", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(3))
      yield* put(destination, ...named(3))
      const instance = yield* World.instance()
      let failures = 0
      yield* instance.network.disturb(
        Network.on("PUT /v1/txn", (sent, pass) => {
          if (!changesKeys(sent) || failures === 2) return pass
          failures += 1
          return Network.refused(sent, pass)
        })
      )
      yield* once(instance)
      expect(failures).toBe(2)
      expect(Events.of(instance, "FirstComparison")).toHaveLength(1)
      expect(yield* converged).toBe(true)
    }))

  it("that nobody has completed is a first one for the next instance too", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(3))
      yield* put(destination, ...named(3))
      const first = yield* World.instance()
      yield* first.network.disturb((sent, pass) => (changesKeys(sent) ? Network.refused(sent, pass) : pass))
      const fiber = yield* replicate(first)
      yield* until(Effect.sync(() => Events.of(first, "FirstComparison").length === 1))
      yield* Fiber.interrupt(fiber)
      const second = yield* World.instance()
      yield* once(second)
      expect(Events.of(second, "FirstComparison")).toMatchObject([{ overwritten: { length: 3 } }])
    }))
})

describe("a prefix without a slash at its end", () => {
  it("is warned of where it matches keys of a sibling at the destination, before those are deleted", () =>
    Effect.gen(function* () {
      yield* put(source, "global/a")
      yield* put(destination, "backup/b", "backup-of-db", "backups/x")
      const instance = yield* World.instance({ destinationPrefix: "backup" })
      yield* once(instance)
      expect(Events.odd(instance)).toMatchObject([
        {
          _tag: "SiblingsMatched",
          side: "destination",
          prefix: "backup",
          keys: ["backup-of-db", "backups/x"]
        },
        { _tag: "FirstComparison", overwritten: [], deleted: ["backup-of-db", "backup/b", "backups/x"] }
      ])
    }))

  it("is warned of where it matches keys of a sibling at the source, also with an empty destination", () =>
    Effect.gen(function* () {
      yield* put(source, "glob", "glob/a", "global/b")
      const instance = yield* World.instance({ prefix: "glob", destinationPrefix: "copy/" })
      yield* once(instance)
      expect(Events.odd(instance)).toMatchObject([
        { _tag: "SiblingsMatched", side: "source", prefix: "glob", keys: ["global/b"] }
      ])
    }))

  it("is fine as one key, and when it is empty", () =>
    Effect.gen(function* () {
      yield* put(source, "flag", "other")
      const one = yield* World.instance({ prefix: "flag", destinationPrefix: "flag" })
      yield* once(one)
      expect(Events.odd(one)).toEqual([])
      const all = yield* World.instance({ prefix: "", destinationPrefix: "copy/" })
      yield* once(all)
      expect(Events.odd(all)).toEqual([])
    }))

  vitest.it(
    "has as siblings the keys that it matches and a slash at its end would not, without itself",
    () => {
      fc.assert(
        fc.property(Keys.dense, fc.array(Keys.dense), (prefix, keys) => {
          const expected = keys.filter(
            (key) => key.startsWith(prefix) && key !== prefix && !key.startsWith(`${prefix}/`)
          )
          const isWhole = prefix === "" || prefix.endsWith("/")
          expect(FirstComparison.siblings(prefix, keys)).toEqual(isWhole ? [] : expected)
        })
      )
    }
  )
})
