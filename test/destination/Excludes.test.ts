import { describe, expect } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as DeleteLimit from "../../src/DeleteLimit.js"
import * as StatusFolder from "../../src/internal/destination/StatusFolder.js"
import * as Replication from "../../src/Replication.js"
import * as Replicator from "../../src/Replicator.js"
import { SimConsul } from "../../src/testing/index.js"
import * as Network from "../../src/testing/Network.js"
import * as World from "../../src/testing/World.js"
import * as Events from "../support/Events.js"
import * as Replicating from "../support/Replicating.js"

const { holding, inSync, it, keys, named, put, remove, removeTree, replicate, stored, until } = Replicating
const { destination, source } = World

const exclude = ["global/private/", "global/temp"]

const text = (datacenter: string, key: string) =>
  Effect.map(World.entry(datacenter, key), (entry) =>
    entry === undefined ? undefined : new TextDecoder().decode(entry.value)
  )

/** Waits until a reconcile has run after what was done, and one more. */
const reconciled = Effect.sleep("5 seconds")

for (const shardKeys of [4, 1_500]) {
  describe(`keys that are excluded, ${shardKeys} keys at once`, () => {
    const options = { exclude, reconcile: Duration.seconds(1), shardKeys }

    it("are neither copied nor overwritten nor deleted, at first and later", () =>
      Effect.gen(function* () {
        yield* put(source, ...named(9), "global/private/theirs", "global/private/both", "global/temperature")
        yield* put(destination, "global/private/x", "global/private/both", "global/temp", "global/stray")
        const instance = yield* World.instance(options)
        yield* replicate(instance)
        yield* until(inSync)
        const expected = [...named(9), "global/private/both", "global/private/x", "global/temp"].sort()
        expect(yield* keys(destination)).toEqual(expected)
        yield* put(source, "global/private/new", "global/private/both", "global/10")
        yield* remove(source, "global/private/theirs")
        yield* until(Replicating.holds(destination, "global/10"))
        yield* put(destination, "global/private/y", "global/tempo")
        yield* reconciled
        expect(yield* keys(destination)).toEqual(
          [...expected, "global/10", "global/private/y", "global/tempo"].sort()
        )
        expect(yield* text(destination, "global/private/both")).toBe(`of ${destination}`)
        expect(Events.of(instance, "DriftFound")).toEqual([])
        expect(JSON.stringify(instance.events)).not.toContain("private")
      }))

    it("are excluded by their names at the source, under whatever prefix they would be copied to", () =>
      Effect.gen(function* () {
        yield* put(source, "global/a", "global/private/a")
        yield* put(destination, "copy/private/b", "copy/c", "global/private/d")
        const instance = yield* World.instance({ ...options, destinationPrefix: "copy/" })
        yield* replicate(instance)
        yield* until(inSync)
        expect(Object.keys(yield* World.contents(destination, "copy/"))).toEqual(["copy/a", "copy/private/b"])
      }))

    it("count for no limit: neither those that the destination has, nor those that the source loses", () =>
      Effect.gen(function* () {
        const maxDeletes = DeleteLimit.DeleteLimit.Share({ percent: 50 })
        yield* put(source, ...named(10), ...named(20, "lost/"), ...named(100, "private/"))
        yield* put(destination, ...named(100, "private/own"))
        const instance = yield* World.instance({ ...options, maxDeletes })
        yield* replicate(instance)
        yield* until(inSync)
        // Two thirds of the keys that count, and far less than half of all that are there.
        yield* removeTree(source, "global/private/")
        yield* removeTree(source, "global/lost/")
        yield* until(holding)
        expect(yield* stored).toMatchObject({ HeldDeletes: 20 })
        expect(yield* keys(destination)).toHaveLength(130)
      }))

    it("stay as they are when everything is excluded", () =>
      Effect.gen(function* () {
        yield* put(source, ...named(3))
        yield* put(destination, "global/own")
        const instance = yield* World.instance({ ...options, exclude: ["glob"] })
        const left = yield* instance.run(Replicator.runOnce(instance.replication))
        expect(left.held.size + left.refused.size).toBe(0)
        expect(yield* keys(destination)).toEqual(["global/own"])
      }))
  })
}

describe("a source that loses all keys but the excluded ones", () => {
  it("is read again if it says that they exist, as one that loses all is: its answer may hide a new key too", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(8, "x/"), ...named(5, "private/"))
      const instance = yield* World.instance({ exclude })
      yield* replicate(instance)
      yield* until(inSync)
      const onlyExcluded: Network.Fault = (sent, pass) =>
        Effect.flatMap(pass, ({ headers, text }) =>
          Effect.flatMap(text, (text) => {
            const entries = JSON.parse(text) as ReadonlyArray<{ readonly Key: string }>
            const left = entries.filter(({ Key }) => Key.startsWith("global/private/"))
            return Network.answer(200, JSON.stringify(left), headers)(sent, pass)
          })
        )
      yield* instance.network.disturb(Replicating.plainReads(Network.once(onlyExcluded)))
      // Ends the query that is blocked. The next one is answered once without the keys, at the index of the new one.
      yield* put(source, "global/x/first")
      yield* Effect.sleep("5 seconds")
      yield* put(source, "global/x/new")
      yield* until(
        Effect.map(keys(destination), (all) => all.includes("global/x/new")),
        "6 seconds"
      )
      expect(yield* keys(destination)).toHaveLength(10)
    }))
})

describe("an exclude that is taken back", () => {
  it("lets its keys be replicated as all others are", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* put(source, "global/a", "global/private/a")
      yield* put(destination, "global/private/b")
      const first = yield* World.instance({ exclude })
      yield* first.run(Replicator.runOnce(first.replication))
      expect(yield* keys(destination)).toEqual(["global/a", "global/private/b"])
      const second = yield* World.instance()
      yield* second.run(Replicator.runOnce(second.replication))
      expect(yield* keys(destination)).toEqual(["global/a", "global/private/a"])
      expect(Option.fromNullable((yield* sim.entries(destination, "global/private/b"))[0])).toEqual(
        Option.none()
      )
    }))
})

describe("a destination that contains the folder of the statuses", () => {
  it("leaves the statuses of others alone, and takes none from the source", () =>
    Effect.gen(function* () {
      const folder = "service/consul-replicate/statuses"
      const status = StatusFolder.keyOf(folder, { prefix: "service/", destinationPrefix: "service/" })
      yield* put(source, "service/web", `${folder}/of-the-source`)
      yield* put(destination, `${folder}/another`, "service/stray")
      const instance = yield* World.instance({ prefix: "service/", status })
      yield* instance.run(Replicator.runOnce(instance.replication))
      const all = Object.keys(yield* World.contents(destination, "service/"))
      expect(all).toContain(`${folder}/another`)
      expect(all).toContain("service/web")
      expect(all).not.toContain(`${folder}/of-the-source`)
      expect(all).not.toContain("service/stray")
    }))

  it("is refused if it is in that folder", () =>
    Effect.gen(function* () {
      const folder = "service/consul-replicate/statuses"
      const route = { prefix: "a/", destinationPrefix: `${folder}/` }
      const replication = yield* Replication.make({
        source: "nyc1",
        ...route,
        status: StatusFolder.keyOf(folder, route)
      })
      const error = yield* Effect.flip(Replication.validateUnder(replication, "lock"))
      expect(error.field).toBe("destinationPrefix")
    }))
})
