import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { SimConsul } from "../../src/testing/index.js"
import * as OrderedMap from "../../src/testing/internal/go/OrderedMap.js"
import * as Network from "../../src/testing/Network.js"
import * as World from "../../src/testing/World.js"
import * as Replicating from "../support/Replicating.js"

const { converged, inSync, it, named, put, remove, replicate, synced, until } = Replicating
const { destination, source } = World

/** The names of the keys of a datacenter under a prefix that are deleted from now on, in the order in which they go. */
const deletesOf = (datacenter: string, prefix: string) =>
  Effect.gen(function* () {
    const sim = yield* SimConsul.SimConsul
    const deleted: Array<string> = []
    yield* sim.observe((commit) => {
      if (commit.datacenter !== datacenter) return
      for (const { after, key } of commit.changes) {
        if (after === undefined && key.startsWith(prefix)) deleted.push(key.slice(prefix.length))
      }
    })
    return deleted
  })

/** What a datacenter has under `global/` after each change from now on. */
const statesOf = (datacenter: string) =>
  Effect.gen(function* () {
    const sim = yield* SimConsul.SimConsul
    const states: Array<string> = []
    yield* sim.observe((commit) => {
      if (commit.datacenter !== datacenter || !commit.changes.some(({ key }) => key.startsWith("global/")))
        return
      const entries = [...OrderedMap.values(commit.after.kv)].filter(({ key }) => key.startsWith("global/"))
      states.push(JSON.stringify(entries.map(({ key, value }) => [key, value])))
    })
    return states
  })

/** Something that happens before the source is first asked for keys by name. */
const beforeByName = (act: Effect.Effect<void, never, SimConsul.SimConsul>) =>
  Effect.map(SimConsul.SimConsul, (sim) =>
    Network.on(
      /^PUT \/v1\/txn.*dc=nyc1/,
      Network.once((_, pass) => Effect.zipRight(Effect.provideService(act, SimConsul.SimConsul, sim), pass))
    )
  )

describe("a key that the source creates again between the answer that lacks it and the question by name", () => {
  it("is not deleted: its range is read again, and the destination has no state that the source never had", () =>
    Effect.gen(function* () {
      const instance = yield* synced(3)
      const deleted = yield* deletesOf(destination, "global/")
      const atSource = yield* statesOf(source)
      const atDestination = yield* statesOf(destination)
      const changing = World.put(source, { "global/0": "changed", "global/1": "created again" })
      yield* instance.network.disturb(yield* beforeByName(changing))
      yield* remove(source, "global/1")
      yield* Effect.sleep("10 seconds")
      expect(yield* converged).toBe(true)
      expect(deleted).toEqual([])
      expect(atDestination.filter((state) => !atSource.includes(state))).toEqual([])
      expect(instance.events.some(({ _tag }) => _tag === "AnswersWrong")).toBe(false)
    }))

  it("leaves the destination as the source was at the index of the status, if the source deletes another key too", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      const instance = yield* synced(5)
      const sources = new Map<number, string>()
      const wrong: Array<unknown> = []
      const contents = ({ after }: SimConsul.Commit) =>
        JSON.stringify(
          [...OrderedMap.values(after.kv)]
            .filter(({ key }) => key.startsWith("global/"))
            .map(({ key, value }) => [key, new TextDecoder().decode(value)])
        )
      yield* sim.observe((commit) => {
        if (commit.datacenter === source) sources.set(commit.index, contents(commit))
        const status = OrderedMap.get(commit.after.kv, "service/consul-replicate/status")
        if (commit.datacenter !== destination || status === undefined) return
        const { LastReplicated } = JSON.parse(new TextDecoder().decode(status.value))
        const wanted = sources.get(LastReplicated)
        if (wanted !== undefined && wanted !== contents(commit)) {
          wrong.push({ LastReplicated, wanted, actual: contents(commit) })
        }
      })
      const changing = Effect.zipRight(
        World.put(source, { "global/0": "changed", "global/1": "created again" }),
        remove(source, "global/3")
      )
      yield* instance.network.disturb(yield* beforeByName(changing))
      yield* sim.request(`${source}-a`, {
        method: "PUT",
        target: "/v1/txn",
        body: new TextEncoder().encode(
          JSON.stringify([
            { KV: { Verb: "delete", Key: "global/1" } },
            { KV: { Verb: "set", Key: "global/3", Value: "bmV3" } }
          ])
        )
      })
      yield* Effect.sleep("10 seconds")
      expect(yield* converged).toBe(true)
      expect(wrong).toEqual([])
      expect(sources.size).toBeGreaterThan(3)
    }))

  it("does not change the fate of other keys: a deleted key goes, and another key that was created again stays", () =>
    Effect.gen(function* () {
      const instance = yield* synced(9)
      const deleted = yield* deletesOf(destination, "global/")
      yield* instance.network.disturb(yield* beforeByName(put(source, "global/1", "global/3")))
      const sim = yield* SimConsul.SimConsul
      const gone = ["global/1", "global/2", "global/3"]
      yield* sim.request(`${source}-a`, {
        method: "PUT",
        target: "/v1/txn",
        body: new TextEncoder().encode(JSON.stringify(gone.map((Key) => ({ KV: { Verb: "delete", Key } }))))
      })
      yield* Effect.sleep("10 seconds")
      expect(yield* converged).toBe(true)
      expect(deleted).toEqual(["2"])
    }))

  it("is deleted if the source deletes it once more before its range is read again", () =>
    Effect.gen(function* () {
      const instance = yield* synced(3)
      const deleted = yield* deletesOf(destination, "global/")
      const created = yield* beforeByName(put(source, "global/1"))
      const sim = yield* SimConsul.SimConsul
      const isAsked = { byName: false }
      const again: Network.Fault = (sent, pass) => {
        if (sent.target.startsWith("/v1/txn") && sent.target.includes("dc=nyc1")) isAsked.byName = true
        else if (isAsked.byName && /recurse.*consistent.*dc=nyc1/.test(sent.target)) {
          isAsked.byName = false
          return Effect.zipRight(sim.remove(source, "global/1"), pass)
        }
        return created(sent, pass)
      }
      yield* instance.network.disturb(again)
      yield* remove(source, "global/1")
      yield* Effect.sleep("10 seconds")
      expect(yield* converged).toBe(true)
      expect(deleted).toEqual(["1"])
    }))
})

describe("a key that only the list of names lacks", () => {
  it("is not deleted when the comparison of a source that is watched in parts is complete", () =>
    Effect.gen(function* () {
      const letters = [..."abcdefghij"].flatMap((letter) => named(10, letter))
      yield* put(source, ...letters)
      yield* put(destination, ...letters)
      const deleted = yield* deletesOf(destination, "global/")
      const instance = yield* World.instance({ watchShards: 12, shardKeys: 4 })
      const lacking = Network.on(/^GET .*keys=.*dc=nyc1/, (sent, pass) =>
        Effect.flatMap(pass, (response) =>
          Effect.flatMap(response.text, (text) =>
            response.status === 200
              ? Network.answer(200, text.replace('"global/d4",', ""), response.headers)(sent, pass)
              : pass
          )
        )
      )
      yield* instance.network.disturb(lacking)
      yield* replicate(instance)
      yield* Effect.sleep("2 minutes")
      expect(deleted).toEqual([])
      yield* instance.network.heal
      yield* until(inSync)
      expect(yield* converged).toBe(true)
    }))
})

describe("a replication whose source is filled by another replication meanwhile", () => {
  for (const watch of [{}, { watchShards: 4, shardKeys: 50 }]) {
    const parts = "shardKeys" in watch ? "in parts" : "as a whole"
    it(`deletes no key that its source has by then, if it watches ${parts}`, () =>
      Effect.gen(function* () {
        const sim = yield* SimConsul.SimConsul
        const all = Object.fromEntries(named(300).map((key) => [key, "of nyc1"]))
        yield* World.put(source, all)
        for (const key of Object.keys(all)) yield* sim.put(destination, `copy/${key}`, "of nyc1")
        const deleted = yield* deletesOf(destination, "copy/")
        const common = { maxDeletes: "100%", ...watch } as const
        const first = yield* World.instance({
          prefix: "global/",
          destinationPrefix: "mirror/global/",
          ...common
        })
        const second = yield* World.instance({
          source: destination,
          prefix: "mirror/",
          destinationPrefix: "copy/",
          status: "service/second/status",
          lock: "service/second/leader",
          service: "second",
          ...common
        })
        yield* replicate(first)
        // The second reads `mirror/` while it is empty, and asks for its keys by name when the first has written them.
        const slow = Network.on("PUT /v1/txn?consistent", (_, pass) => Effect.delay(pass, "2 seconds"))
        yield* second.network.disturb(slow)
        yield* replicate(second)
        yield* until(Effect.zipWith(World.isInSync(first), World.isInSync(second), (a, b) => a && b))
        expect(yield* World.contents(destination, "copy/")).toEqual(
          Object.fromEntries(Object.entries(all).map(([key, text]) => [`copy/${key}`, text]))
        )
        expect(deleted).toEqual([])
      }))
  }
})
