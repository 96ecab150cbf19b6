import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Replicator from "../../src/Replicator.js"
import * as Network from "../../src/testing/Network.js"
import * as World from "../../src/testing/World.js"
import * as Events from "../support/Events.js"
import * as Replicating from "../support/Replicating.js"

const { holds, inSync, it, keys, named, put, remove, replicate, sent, stored, synced, until } = Replicating
const { destination, source } = World

const once = (instance: World.Instance) => instance.run(Replicator.runOnce(instance.replication))

const denial = JSON.stringify({ Results: null, Errors: [{ OpIndex: 0, What: "Permission denied" }] })

/** What Consul (1.8.7) answers a token that may read nothing at the source. */
const unreadable: Network.Fault = (sent, pass) => {
  if (!sent.target.includes("dc=nyc1")) return pass
  if (sent.target.startsWith("/v1/kv/")) {
    return Network.answer(404, "", { "x-consul-index": "900", "x-consul-knownleader": "true" })(sent, pass)
  }
  if (!sent.target.startsWith("/v1/txn")) return pass
  return sent.body.includes("check-index")
    ? Network.answer(409, denial)(sent, pass)
    : Network.answer(200, JSON.stringify({ Results: [], Errors: null }), {
        "x-consul-index": "900",
        "x-consul-knownleader": "true"
      })(sent, pass)
}

const cannotRead =
  'cannot read any key under "global/" in nyc1: Permission denied; no token was given, and one needs ' +
  'key_prefix "global/" { policy = "read" } in datacenter nyc1, or the prefix is misspelt'

describe("a source without keys", () => {
  it("is warned of once, and again when it has become empty anew", () =>
    Effect.gen(function* () {
      const instance = yield* World.instance()
      yield* replicate(instance)
      yield* until(inSync)
      yield* put(source, "elsewhere/a")
      yield* Effect.sleep("6 minutes")
      expect(Events.of(instance, "SourceEmpty")).toHaveLength(1)
      yield* put(source, "global/a")
      yield* until(holds(destination, "global/a"))
      yield* remove(source, "global/a")
      yield* until(Effect.map(holds(destination, "global/a"), (isThere) => !isThere))
      expect(Events.of(instance, "SourceEmpty")).toHaveLength(2)
    }))

  it("ends one pass as in sync, and is asked for the rights only when it is empty", () =>
    Effect.gen(function* () {
      const instance = yield* World.instance()
      yield* once(instance)
      expect(yield* stored).toMatchObject({ LastState: "in-sync" })
      expect(Events.odd(instance)).toMatchObject([{ _tag: "SourceEmpty", isReadable: true }])
      expect(sent(instance, /^PUT \/v1\/txn.*dc=nyc1/)).toBe(1)
      const full = yield* synced(3)
      expect(sent(full, /^PUT \/v1\/txn.*dc=nyc1/)).toBe(0)
    }))

  it("may be an answer of servers that are behind: nothing is said of that", () =>
    Effect.gen(function* () {
      const instance = yield* synced(3)
      yield* instance.network.disturb(
        Replicating.plainReads(
          Network.answer(404, "", { "x-consul-index": "900", "x-consul-knownleader": "true" })
        )
      )
      yield* put(source, "global/new")
      yield* Effect.sleep("1 minute")
      expect(Events.of(instance, "SourceEmpty")).toEqual([])
      expect(yield* keys(destination)).toHaveLength(4)
    }))

  it("may be an answer of servers that are behind, also where the destination has no keys to doubt it by", () =>
    Effect.gen(function* () {
      const instance = yield* World.instance()
      yield* replicate(instance)
      yield* until(inSync)
      const emptied: Network.Fault = (sent, pass) =>
        Effect.flatMap(pass, ({ headers }) => Network.answer(404, "", headers)(sent, pass))
      yield* instance.network.disturb(Replicating.plainReads(emptied))
      // The query that is blocked is answered as it was sent.
      yield* put(source, "elsewhere/a")
      yield* Effect.sleep("1 minute")
      yield* put(source, "global/new")
      yield* until(holds(destination, "global/new"))
      expect(Events.of(instance, "AnswersWrong")).toMatchObject([{ keys: 1 }])
      expect(yield* stored).toMatchObject({ State: "in-sync" })
    }))

  it("is not asked for its rights by an agent that takes no transactions: both causes are possible", () =>
    Effect.gen(function* () {
      const instance = yield* World.instance()
      yield* instance.network.disturb(
        Network.on(/^PUT \/v1\/txn.*dc=nyc1/, Network.answer(405, "not allowed"))
      )
      yield* once(instance)
      expect(Events.of(instance, "SourceEmpty")).toMatchObject([{ isReadable: false }])
    }))
})

describe("a source whose keys the token may not read", () => {
  it("is not in sync: it is logged with the right that is lacking, and copied when that is granted", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(3))
      yield* put(destination, "global/ours")
      const instance = yield* World.instance()
      yield* instance.network.disturb(unreadable)
      yield* replicate(instance)
      yield* Effect.sleep("3 minutes")
      expect(Events.troubles(instance, "Replication")).toMatchObject([
        { cause: "SourceUnreadable", message: cannotRead }
      ])
      expect(Events.inSync(instance)).toEqual([])
      expect(Events.of(instance, "FirstComparison")).toEqual([])
      expect(yield* stored).toMatchObject({ State: "comparing", LastReplicated: 0 })
      expect(Object.values(yield* World.services(destination))).toEqual(["warning"])
      expect(yield* keys(destination)).toEqual(["global/ours"])
      yield* instance.network.heal
      yield* until(inSync)
      expect(yield* keys(destination)).toEqual(named(3))
    }))

  it("keeps its copy when the right is taken away later", () =>
    Effect.gen(function* () {
      const instance = yield* synced(3)
      yield* instance.network.disturb(unreadable)
      yield* put(source, "global/new")
      yield* until(
        Effect.sync(() => Events.troubles(instance, "Replication").length > 0),
        "15 minutes"
      )
      expect(Events.troubles(instance)).toMatchObject([{ message: cannotRead }])
      yield* Effect.sleep("3 minutes")
      // The query that was blocked when the right was taken away was answered.
      expect(yield* keys(destination)).toEqual([...named(3), "global/new"])
      expect(Events.of(instance, "SourceEmpty")).toEqual([])
    }))

  it("is reported to whoever waits for one pass, which does not end", () =>
    Effect.gen(function* () {
      const instance = yield* World.instance()
      yield* instance.network.disturb(unreadable)
      const fiber = yield* Effect.forkScoped(once(instance))
      yield* Effect.sleep("1 minute")
      expect(Events.causes(instance)).toEqual(["Replication SourceUnreadable"])
      expect(Option.isNone(yield* Fiber.poll(fiber))).toBe(true)
    }))
})
