import { describe, expect } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as DeleteLimit from "../../src/DeleteLimit.js"
import * as EventText from "../../src/internal/report/EventText.js"
import { SimConsul } from "../../src/testing/index.js"
import * as Network from "../../src/testing/Network.js"
import * as World from "../../src/testing/World.js"
import * as Events from "../support/Events.js"
import * as Replicating from "../support/Replicating.js"

const { consistentReads, converged, holding, holds, inSync, it, keys, named, put, removeTree } = Replicating
const { remove, replicate, sent, stored, synced, until } = Replicating
const { destination, source } = World

/** What the log says when deletes are first held. */
const advice = (instance: World.Instance) =>
  Events.began(instance, "DeletesHeld")
    .slice(0, 1)
    .map((event) => EventText.lasting(event))
    .join()

/** What Consul shows of the service's check. */
const checks = Effect.map(World.services(destination), Object.values<string>)

/** As Consul answers a token that may not read these keys: as if there were none, but in a transaction. */
const hiding =
  (hidden: string): Network.Fault =>
  (sent, pass) => {
    if (!sent.target.includes(`dc=${source}`)) return pass
    // A transaction fails by those that are not there; what is there and may not be read is left out.
    if (sent.method === "PUT") {
      return Effect.flatMap(pass, (response) =>
        response.status === 200 && sent.body.includes(`"Key":"${hidden}`)
          ? Network.answer(200, '{"Results":null,"Errors":null}')(sent, pass)
          : Effect.succeed(response)
      )
    }
    return Effect.gen(function* () {
      const response = yield* pass
      const text = yield* response.text
      const all: ReadonlyArray<string | { readonly Key: string }> = text === "" ? [] : JSON.parse(text)
      const left = all.filter((one) => !(typeof one === "string" ? one : one.Key).startsWith(hidden))
      const [status, body] = left.length === 0 ? ([404, ""] as const) : ([200, JSON.stringify(left)] as const)
      return yield* Network.answer(status, body, response.headers)(sent, pass)
    })
  }

describe("deletes", () => {
  it("deletes of a wiped source are held: the copy stays, the warning is one, the status counts them", () =>
    Effect.gen(function* () {
      const instance = yield* synced(20)
      const { LastReplicated } = yield* stored
      yield* removeTree(source)
      yield* until(holding)
      yield* Effect.sleep("1 hour")
      expect(yield* keys(destination)).toHaveLength(20)
      expect(yield* stored).toMatchObject({ HeldDeletes: 20, LastReplicated })
      expect(Events.odd(instance)).toMatchObject([
        { _tag: "SourceEmpty", isReadable: true },
        { _tag: "DeletesHeld", keys: new Set(named(20)), totalKeys: 20, limit: DeleteLimit.defaultLimit }
      ])
      expect(yield* checks).toEqual(["warning"])
    }))

  it("deletes do not hold up writes, and are confirmed once, by the names of all keys", () =>
    Effect.gen(function* () {
      const instance = yield* synced(20)
      const reads = consistentReads(instance)
      const listings = () => sent(instance, `GET /v1/kv/global/?keys=&consistent=&dc=${source}`)
      yield* put(source, "global/last")
      yield* until(converged)
      const before = listings()
      yield* removeTree(source)
      yield* until(holding)
      // One shows that the source has no key, and one counts what is missing.
      expect(listings() - before).toBe(2)
      yield* put(source, "global/new")
      yield* until(holds(destination, "global/new"))
      expect(yield* keys(destination)).toHaveLength(22)
      yield* Effect.sleep("5 minutes")
      expect(yield* stored).toMatchObject({ State: "deletes-held", HeldDeletes: 21 })
      expect(listings() - before).toBe(2)
      expect(consistentReads(instance) - reads).toBe(0)
    }))

  for (const [how, given] of [
    ["as one", {}],
    ["in parts", { shardKeys: 4 }]
  ] as const) {
    it(`held deletes stay held while the source gets its keys back one by one, watched ${how}`, () =>
      Effect.gen(function* () {
        yield* put(source, ...named(20))
        const instance = yield* World.instance(given)
        yield* replicate(instance)
        yield* until(inSync)
        yield* removeTree(source)
        yield* until(holding)
        for (const [restored, key] of named(20).entries()) {
          yield* put(source, key)
          yield* Effect.sleep("3 seconds")
          expect(yield* keys(destination)).toHaveLength(20)
          expect(yield* stored).toMatchObject({ HeldDeletes: 19 - restored })
        }
        yield* until(inSync)
        expect(Events.of(instance, "DeletesAllowed")).toHaveLength(1)
        yield* Effect.sleep("2 seconds")
        expect(yield* checks).toEqual(["passing"])
        // Then all is as before.
        yield* remove(source, ...named(3))
        yield* until(converged)
      }))
  }

  for (const [how, given] of [
    ["as one", {}],
    ["in parts", { shardKeys: 4 }]
  ] as const) {
    it(`keys that the token may not read any more are not deleted, watched ${how}`, () =>
      Effect.gen(function* () {
        yield* put(source, ...named(20), ...named(3, "team/"))
        const instance = yield* World.instance(given)
        yield* replicate(instance)
        yield* until(inSync)
        yield* instance.network.disturb(hiding("global/team/"))
        yield* put(source, "global/new")
        yield* remove(source, "global/7")
        yield* until(
          Effect.map(
            keys(destination),
            (names) => names.includes("global/new") && !names.includes("global/7")
          )
        )
        yield* Effect.sleep("5 minutes")
        expect((yield* keys(destination)).filter((name) => name.includes("team"))).toHaveLength(3)
        expect(Events.of(instance, "KeysHidden").length).toBeGreaterThan(0)
        expect(Events.odd(instance).length).toBeLessThanOrEqual(3)
      }))
  }

  it("held deletes are forgotten when the source has its keys again, and the copy was never touched", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      const instance = yield* synced(20)
      const before = yield* sim.snapshot(source)
      const copied = yield* sim.entries(destination, "global/")
      yield* removeTree(source)
      yield* until(holding)
      yield* sim.restore(before)
      yield* until(inSync)
      expect(yield* stored).toMatchObject({ HeldDeletes: 0 })
      expect(yield* sim.entries(destination, "global/")).toEqual(copied)
      expect(Events.of(instance, "DeletesAllowed")).toHaveLength(1)
    }))

  it("held deletes go when an operator raises the limit", () =>
    Effect.gen(function* () {
      const instance = yield* synced(20)
      yield* removeTree(source)
      yield* until(holding)
      yield* Fiber.interrupt(instance.fiber)
      yield* replicate(yield* World.instance({ maxDeletes: DeleteLimit.unlimited }))
      yield* until(inSync)
      expect(yield* keys(destination)).toEqual([])
    }))

  it("held deletes go by the limit that the warning names, also where it has shrunk to the one in use", () =>
    Effect.gen(function* () {
      const maxDeletes = DeleteLimit.DeleteLimit.Count({ count: 50 })
      const instance = yield* synced(200, { maxDeletes })
      yield* removeTree(source, "global/1")
      yield* until(Effect.map(stored, ({ HeldDeletes }) => HeldDeletes === 111))
      expect(advice(instance)).toContain("restart all instances with maxDeletes=111")
      yield* put(
        source,
        ...named(200)
          .filter((key) => key.startsWith("global/1"))
          .slice(0, 61)
      )
      yield* until(Effect.map(stored, ({ HeldDeletes }) => HeldDeletes === 50))
      yield* Fiber.interrupt(instance.fiber)
      const second = yield* World.instance({ maxDeletes })
      const fiber = yield* replicate(second)
      yield* until(Effect.sync(() => Events.began(second, "DeletesHeld").length === 1))
      expect(advice(second)).toContain("restart all instances with maxDeletes=51")
      yield* Fiber.interrupt(fiber)
      yield* replicate(yield* World.instance({ maxDeletes: DeleteLimit.DeleteLimit.Count({ count: 51 }) }))
      yield* until(inSync)
      expect(yield* keys(destination)).toHaveLength(150)
    }))

  it("held deletes go when an operator deletes them", () =>
    Effect.gen(function* () {
      const instance = yield* synced(20)
      yield* removeTree(source)
      yield* until(holding)
      yield* removeTree(destination)
      yield* until(inSync)
      expect(Events.of(instance, "DeletesAllowed")).toHaveLength(1)
      expect(Events.of(instance, "DriftFound")).toEqual([])
    }))

  it("held deletes are forgotten when an operator deletes them while the source keeps other keys", () =>
    Effect.gen(function* () {
      const instance = yield* synced(10, { reconcile: Duration.seconds(1) })
      yield* put(source, ...named(30, "old/"))
      yield* until(converged)
      yield* removeTree(source, "global/old/")
      yield* until(holding)
      yield* removeTree(destination, "global/old/")
      // By the reconcile: the source, which has not changed, is not heard of for a minute.
      expect(yield* until(inSync)).toBeLessThan(10_000)
      expect(yield* keys(destination)).toHaveLength(10)
      expect(Events.of(instance, "DeletesAllowed")).toHaveLength(1)
      expect(Events.of(instance, "DriftFound")).toEqual([])
    }))

  it("held deletes stay held when another instance takes over, which says so too", () =>
    Effect.gen(function* () {
      const instance = yield* synced(20)
      const { LastReplicated } = yield* stored
      yield* removeTree(source)
      yield* until(holding)
      yield* Fiber.interrupt(instance.fiber)
      const second = yield* World.instance()
      yield* replicate(second)
      yield* until(Effect.sync(() => Events.began(second, "DeletesHeld").length === 1))
      expect(yield* stored).toMatchObject({ State: "deletes-held", HeldDeletes: 20, LastReplicated })
      expect(yield* keys(destination)).toHaveLength(20)
    }))

  for (const shardKeys of [7, 100]) {
    it(`held deletes stay held when another takes over while the source is restored, ${shardKeys} keys at once`, () =>
      Effect.gen(function* () {
        const { fiber } = yield* synced(100, { shardKeys })
        yield* removeTree(source)
        yield* until(holding)
        yield* put(source, ...named(80))
        yield* until(Effect.map(stored, ({ HeldDeletes }) => HeldDeletes === 20))
        yield* Fiber.interrupt(fiber)
        // More than one, since what each writes is what the next one knows.
        for (const left of [19, 18, 17]) {
          yield* put(source, `global/${left + 80}`)
          const next = yield* World.instance({ shardKeys })
          const fiber = yield* replicate(next)
          yield* until(Effect.map(stored, ({ HeldDeletes }) => HeldDeletes === left))
          yield* Effect.sleep("5 minutes")
          expect(yield* stored).toMatchObject({ State: "deletes-held", MaxDeletes: "50%", HeldDeletes: left })
          yield* Fiber.interrupt(fiber)
        }
        expect(yield* keys(destination)).toHaveLength(100)
        yield* put(source, ...named(100))
        yield* replicate(yield* World.instance({ shardKeys }))
        yield* until(inSync)
        yield* remove(source, "global/1")
        yield* until(converged)
        expect(yield* stored).toMatchObject({ State: "in-sync", HeldDeletes: 0 })
      }))
  }

  it("held deletes stay held when a write fails while the source is restored", () =>
    Effect.gen(function* () {
      const instance = yield* synced(100)
      yield* removeTree(source)
      yield* until(holding)
      yield* put(source, ...named(80))
      yield* until(Effect.map(stored, ({ HeldDeletes }) => HeldDeletes === 20))
      const failing = Network.on("PUT /v1/txn", Network.answer(500, "rpc error making call: EOF"))
      yield* instance.network.disturb(failing)
      yield* put(source, "global/new")
      yield* Effect.sleep("10 seconds")
      yield* instance.network.heal
      yield* until(holds(destination, "global/new"))
      yield* until(holding)
      expect(yield* keys(destination)).toHaveLength(101)
    }))

  it("deletes up to the limit go at once, and past it none", () =>
    Effect.gen(function* () {
      yield* synced(60, { maxDeletes: DeleteLimit.DeleteLimit.Count({ count: 12 }) })
      // global/1 and global/10 to global/19.
      yield* removeTree(source, "global/1")
      yield* until(converged)
      expect(yield* keys(destination)).toHaveLength(49)
      yield* put(source, ...named(20, "x"))
      yield* until(converged)
      yield* removeTree(source, "global/x")
      yield* until(holding)
      expect(yield* keys(destination)).toHaveLength(69)
    }))

  it("deletes of ten keys are never held", () =>
    Effect.gen(function* () {
      const instance = yield* synced(10, { maxDeletes: DeleteLimit.DeleteLimit.Count({ count: 0 }) })
      yield* removeTree(source)
      yield* until(converged)
      yield* until(inSync)
      expect(Events.began(instance, "DeletesHeld")).toEqual([])
    }))

  it("deletes obey the limit at the first sync too, if the destination has more keys", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(5))
      yield* put(destination, ...named(20, "stranger"))
      const instance = yield* World.instance()
      yield* replicate(instance)
      yield* until(holding)
      expect(yield* keys(destination)).toHaveLength(25)
      expect(yield* stored).toMatchObject({ HeldDeletes: 20, LastReplicated: 0 })
      expect(Events.inSync(instance)).toEqual([])
      yield* remove(destination, ...named(19, "stranger"))
      yield* until(Effect.map(stored, ({ HeldDeletes }) => HeldDeletes === 1))
      yield* remove(destination, ...named(20, "stranger"))
      yield* until(inSync)
      expect(yield* keys(destination)).toEqual(named(5))
      expect(Events.inSync(instance)).toHaveLength(1)
    }))

  it("no key is deleted with -no-delete, and nothing warns of it", () =>
    Effect.gen(function* () {
      yield* put(destination, ...named(3, "stranger"))
      const instance = yield* synced(20, { deletes: false, reconcile: Duration.seconds(1) })
      yield* removeTree(source)
      yield* put(source, "global/new")
      yield* until(holds(destination, "global/new"))
      yield* Effect.sleep("5 minutes")
      expect(yield* keys(destination)).toHaveLength(24)
      expect(yield* stored).toMatchObject({ State: "in-sync", HeldDeletes: 0 })
      expect(Events.odd(instance)).toEqual([])
      expect(Events.of(instance, "DriftFound")).toEqual([])
    }))
})
