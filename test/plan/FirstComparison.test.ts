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
import * as Keys from "../support/Keys.js"
import * as Replicating from "../support/Replicating.js"

const { converged, inSync, it, named, put, replicate, said, sent, until } = Replicating
const { destination, source } = World

const once = (instance: World.Instance) => instance.run(Replicator.runOnce(instance.replication))

const warnings = (instance: World.Instance) => instance.logs.filter((line) => line.startsWith("WARN "))

const comesBefore = (instance: World.Instance, first: string, second: RegExp) => {
  const index = instance.logs.findIndex((line) => line.includes(first))
  return index >= 0 && index < instance.logs.findIndex((line) => second.test(line))
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
          if (changesKeys(sent)) warnedAtWrites.push(said(instance, "the first comparison").length)
          return pass
        })
      )
      yield* once(instance)
      expect(warnings(instance)).toEqual([
        'WARN the first comparison of nyc1 "global/" to "global/" overwrites 5 keys here ("global/0", "global/1", ' +
          '"global/2", …) and deletes 2 keys here ("global/x", "global/y")'
      ])
      expect(comesBefore(instance, "the first comparison", /in sync/)).toBe(true)
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
      expect(warnings(instance)).toEqual([
        expect.stringMatching(/overwrites 150 keys here \(.*\) and deletes 30 keys here \(.*\)$/)
      ])
      expect(comesBefore(instance, "the first comparison", /in sync/)).toBe(true)
      expect(yield* converged).toBe(true)
    }))

  it("speaks of no deletes that are off or held back, and keeps quiet where nothing is lost", () =>
    Effect.gen(function* () {
      yield* putEqual("global/equal")
      yield* put(source, "global/new")
      yield* put(destination, ...named(30, "stranger"))
      const keeping = yield* World.instance({ deletes: false })
      yield* once(keeping)
      expect(warnings(keeping)).toEqual([])
      const sim = yield* SimConsul.SimConsul
      yield* sim.remove(destination, World.status)
      const holding = yield* World.instance()
      yield* once(holding)
      expect(warnings(holding)).toEqual([
        expect.stringContaining("holding back the deletion of 30 of the 32 keys")
      ])
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
      expect(warnings(second)).toEqual([])
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
      expect(
        said(other, 'the first comparison of nyc1 "other/" to "other/" overwrites 1 key here')
      ).toHaveLength(1)
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
      expect(said(instance, "the first comparison")).toHaveLength(1)
      expect(yield* converged).toBe(true)
    }))

  it("that nobody has completed is a first one for the next instance too", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(3))
      yield* put(destination, ...named(3))
      const first = yield* World.instance()
      yield* first.network.disturb((sent, pass) => (changesKeys(sent) ? Network.refused(sent, pass) : pass))
      const fiber = yield* replicate(first)
      yield* until(Effect.sync(() => said(first, "the first comparison").length === 1))
      yield* Fiber.interrupt(fiber)
      const second = yield* World.instance()
      yield* once(second)
      expect(said(second, "overwrites 3 keys here")).toHaveLength(1)
    }))
})

describe("a prefix without a slash at its end", () => {
  it("is warned of where it matches keys of a sibling at the destination, before those are deleted", () =>
    Effect.gen(function* () {
      yield* put(source, "global/a")
      yield* put(destination, "backup/b", "backup-of-db", "backups/x")
      const instance = yield* World.instance({ destinationPrefix: "backup" })
      yield* once(instance)
      expect(warnings(instance)).toEqual([
        'WARN the destination prefix "backup" does not end with a slash: it matches 2 keys whose names go on after it ' +
          '("backup-of-db", "backups/x")',
        'WARN the first comparison of nyc1 "global/" to "backup" deletes 3 keys here ("backup-of-db", "backup/b", ' +
          '"backups/x")'
      ])
    }))

  it("is warned of where it matches keys of a sibling at the source, also with an empty destination", () =>
    Effect.gen(function* () {
      yield* put(source, "glob", "glob/a", "global/b")
      const instance = yield* World.instance({ prefix: "glob", destinationPrefix: "copy/" })
      yield* once(instance)
      expect(warnings(instance)).toEqual([
        'WARN the prefix of nyc1 "glob" does not end with a slash: it matches 1 key whose name goes on after it ' +
          '("global/b")'
      ])
    }))

  it("is fine as one key, and when it is empty", () =>
    Effect.gen(function* () {
      yield* put(source, "flag", "other")
      const one = yield* World.instance({ prefix: "flag", destinationPrefix: "flag" })
      yield* once(one)
      expect(warnings(one)).toEqual([])
      const all = yield* World.instance({ prefix: "", destinationPrefix: "copy/" })
      yield* once(all)
      expect(warnings(all)).toEqual([])
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
