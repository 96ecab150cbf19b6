import { describe, expect } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { SimConsul } from "../../src/testing/index.js"
import * as Network from "../../src/testing/Network.js"
import * as World from "../../src/testing/World.js"
import * as Events from "../support/Events.js"
import * as Replicating from "../support/Replicating.js"

const { converged, holding, inSync, it, keys, named, plainReads, put } = Replicating
const { remove, removeTree, replicate, sent, stored, synced, until } = Replicating
const { destination, source } = World

/** Of the destination: all of it, and what its index is. */
const fullReads = (instance: World.Instance) => sent(instance, /^GET \/v1\/kv\/global\/\?recurse=(?!.*dc=)/)
const looks = (instance: World.Instance) => sent(instance, "GET /v1/kv/global/?keys=&separator=")

describe("drift", () => {
  it("changed, missing and extra keys are put right within the interval, counted, and named", () =>
    Effect.gen(function* () {
      const instance = yield* synced(6, { reconcile: Duration.seconds(5) })
      yield* put(destination, "global/0", "global/1", ...named(3, "extra"))
      yield* remove(destination, "global/2")
      const took = yield* until(converged)
      expect(took).toBeLessThanOrEqual(5_050)
      expect(Events.of(instance, "DriftFound")).toMatchObject([
        {
          changed: ["global/0", "global/1"],
          missing: ["global/2"],
          extra: named(3, "extra"),
          repaired: true
        }
      ])
      yield* Effect.sleep("10 minutes")
      expect(Events.of(instance, "DriftFound")).toHaveLength(1)
      expect(yield* stored).toMatchObject({ State: "in-sync" })
    }))

  it("is looked for once a minute unless told otherwise", () =>
    Effect.gen(function* () {
      yield* synced(3)
      yield* put(destination, "global/0")
      const took = yield* until(converged)
      expect(took).toBeLessThanOrEqual(60_050)
      expect(took).toBeGreaterThan(30_000)
    }))

  it("nothing is read in full while nothing moves under the prefix", () =>
    Effect.gen(function* () {
      const instance = yield* synced(30, { reconcile: Duration.seconds(1) })
      // The first look after its own writes reads them once.
      yield* Effect.sleep("3 seconds")
      const before = { full: fullReads(instance), looks: looks(instance) }
      // Beside the prefix.
      yield* put(destination, "globalization")
      yield* Effect.sleep("9 minutes")
      expect(fullReads(instance)).toBe(before.full)
      expect(looks(instance) - before.looks).toBeGreaterThan(500)
    }))

  it("is looked for by as few names as tell which part has moved", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(20, "a/b/"), ...named(20, "c/d/"))
      const instance = yield* World.instance({ reconcile: Duration.seconds(1), shardKeys: 12 })
      yield* replicate(instance)
      yield* until(converged)
      yield* Effect.sleep("3 seconds")
      yield* put(destination, "global/a/b/7")
      yield* until(converged)
      const parts = (query: string) =>
        sent(instance, new RegExp(`^GET /v1/kv/global/.+[?&]keys=${query}(?!.*dc=)`))
      expect(parts("")).toBeGreaterThan(1)
      expect(parts("&separator=%2F")).toBe(parts(""))
    }))

  for (const shardKeys of [4, 1_000]) {
    it(`is seen where a delete from above leaves the index as it was, ${shardKeys} keys at once`, () =>
      Effect.gen(function* () {
        const instance = yield* synced(20, { reconcile: Duration.seconds(1), shardKeys })
        // Its tombstone is the latest under the prefix.
        yield* remove(source, "global/7")
        yield* until(converged)
        yield* Effect.sleep("3 seconds")
        yield* removeTree(destination, "global")
        expect(yield* keys(destination)).toEqual([])
        expect(yield* until(converged)).toBeLessThanOrEqual(1_050)
        expect(Events.of(instance, "DriftFound")).toMatchObject([
          { changed: [], missing: { length: 19 }, extra: [], repaired: true }
        ])
      }))

    it(`is seen where a delete from above empties one part, ${shardKeys} keys at once`, () =>
      Effect.gen(function* () {
        yield* put(source, ...named(12, "a/"), ...named(12, "b/"))
        const instance = yield* World.instance({ reconcile: Duration.seconds(1), shardKeys })
        yield* replicate(instance)
        yield* until(converged)
        // Its tombstone is the latest in its part.
        yield* remove(source, "global/a/11")
        yield* put(source, "global/b/3")
        yield* until(converged)
        yield* Effect.sleep("3 seconds")
        yield* removeTree(destination, "global/a")
        // Another part moves.
        yield* put(destination, "global/b/3")
        expect(yield* until(converged)).toBeLessThanOrEqual(1_050)
      }))
  }

  it("is seen after a restore, though the indexes of before come again: the status key moved without us", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      const instance = yield* synced(10, { reconcile: Duration.seconds(1) })
      yield* Effect.sleep("3 seconds")
      const snapshot = yield* sim.snapshot(destination)
      const { index } = snapshot.state
      // Two log entries: the other is beside the prefix.
      yield* put(destination, "elsewhere")
      yield* sim.put(source, "global/0", "newer")
      yield* until(converged)
      expect((yield* sim.state(destination)).index).toBe(index + 2)
      yield* Effect.sleep("3 seconds")
      yield* sim.restore(snapshot, { rebuilt: true })
      // The prefix has the index again that it had when it was looked at, and holds something else.
      yield* put(destination, "global/theirs")
      expect((yield* World.entry(destination, "global/theirs"))?.modifyIndex).toBe(index + 2)
      expect(yield* until(converged)).toBeLessThanOrEqual(3_000)
      expect(Events.troubles(instance, "Replication")).toHaveLength(1)
    }))

  it("is seen in a key whose content cannot be believed: it is written again, or deleted", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(3))
      yield* put(destination, ...named(5))
      const instance = yield* World.instance()
      // What others wrote to two of them is answered as a value that is no base64.
      const mangled: Network.Fault = (sent, pass) =>
        Effect.gen(function* () {
          const answer = yield* pass
          const text = yield* answer.text
          const odd = text.replace(
            /("Key":"global\/[14]","Flags":0,"Value":)"([^"]*)"/g,
            (all: string, head: string, value: string) => (atob(value) === "of sfo1" ? `${head}"?"` : all)
          )
          return yield* Network.answer(answer.status, odd, answer.headers)(sent, pass)
        })
      yield* instance.network.disturb(Network.on(/^GET \/v1\/kv\/global\/\?recurse(?!.*dc=)/, mangled))
      yield* replicate(instance)
      yield* until(inSync)
      expect(yield* converged).toBe(true)
      expect(Events.inSync(instance)[0]).toMatchObject({ drift: { changed: 3, missing: 0, extra: 2 } })
    }))

  it("is looked for in full after 10 minutes without a look: Consul forgets deletes, and their indexes", () =>
    Effect.gen(function* () {
      const instance = yield* synced(3, { reconcile: Duration.minutes(20) })
      yield* Effect.sleep("21 minutes")
      const before = fullReads(instance)
      yield* Effect.sleep("20 minutes")
      expect(fullReads(instance)).toBe(before + 1)
    }))

  it("is left alone with an interval of 0, and found by the next leader", () =>
    Effect.gen(function* () {
      const instance = yield* synced(3, { reconcile: Duration.zero })
      yield* put(destination, "global/0")
      yield* Effect.sleep("1 hour")
      expect(yield* converged).toBe(false)
      yield* Fiber.interrupt(instance.fiber)
      yield* replicate(yield* World.instance({ reconcile: Duration.zero }))
      yield* until(converged)
    }))

  it("that came with no leader is counted by the next one, and so it is after an error", () =>
    Effect.gen(function* () {
      const first = yield* synced(6, { reconcile: Duration.zero })
      yield* Fiber.interrupt(first.fiber)
      yield* put(destination, "global/0", "global/1", ...named(3, "extra"))
      yield* remove(destination, "global/2")
      const next = yield* World.instance({ reconcile: Duration.zero })
      yield* replicate(next)
      yield* until(converged)
      expect(Events.inSync(next)).toMatchObject([{ drift: { changed: 2, missing: 1, extra: 3 } }])

      yield* put(destination, "global/0")
      yield* next.network.disturb(Network.on(/^PUT \/v1\/txn/, Network.answerLost))
      yield* put(source, "global/new")
      yield* Effect.sleep("1 second")
      yield* next.network.heal
      yield* until(converged)
      expect(Events.inSync(next).at(-1)).toMatchObject({ drift: { changed: 1, missing: 0, extra: 0 } })
    }))

  it("in parts is counted by the next leader all the same", () =>
    Effect.gen(function* () {
      const options = { reconcile: Duration.zero, watchShards: 12, shardKeys: 4 }
      const first = yield* synced(20, options)
      yield* Fiber.interrupt(first.fiber)
      yield* put(destination, "global/0", "global/1", ...named(3, "extra"))
      yield* remove(destination, "global/2")
      const next = yield* World.instance(options)
      yield* replicate(next)
      yield* until(converged)
      yield* until(Effect.sync(() => Events.inSync(next).length > 0))
      expect(Events.inSync(next)[0]).toMatchObject({ drift: { changed: 2, missing: 1, extra: 3 } })
    }))

  it("of many extra keys obeys the limit", () =>
    Effect.gen(function* () {
      const instance = yield* synced(3, { reconcile: Duration.seconds(5) })
      yield* put(destination, "global/0", ...named(30, "extra"))
      yield* until(holding)
      expect(yield* keys(destination)).toHaveLength(33)
      expect((yield* World.contents(destination, "global/0"))["global/0"]).toBe("of nyc1")
      expect(Events.began(instance, "DeletesHeld")).toHaveLength(1)
      expect(Events.of(instance, "DriftFound")).toMatchObject([
        { changed: ["global/0"], missing: [], extra: { length: 30 }, repaired: false }
      ])
    }))

  it("is repaired with what the source holds then, not with what it held", () =>
    Effect.gen(function* () {
      const instance = yield* synced(3, { reconcile: Duration.seconds(5) })
      // Once the query that is blocked has ended, the watch hears nothing of what follows.
      yield* instance.network.disturb(plainReads(Network.silent))
      yield* Effect.sleep("70 seconds")
      yield* put(source, "global/new")
      yield* put(destination, "global/0")
      yield* until(converged)
      expect(Events.of(instance, "DriftFound")).toMatchObject([
        { changed: ["global/0"], missing: [], extra: [], repaired: true }
      ])
    }))
})
