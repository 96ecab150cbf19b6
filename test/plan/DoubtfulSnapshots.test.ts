import { describe, expect } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as RequestTimes from "../../src/internal/consul/RequestTimes.js"
import { SimConsul } from "../../src/testing/index.js"
import * as Network from "../../src/testing/Network.js"
import * as World from "../../src/testing/World.js"
import * as Events from "../support/Events.js"
import * as Replicating from "../support/Replicating.js"

const { consistentReads, converged, holds, inSync, it, keys, named, plainReads, put, remove } = Replicating
const { removeTree, replicate, sent, stored, synced, until } = Replicating
const { destination, source } = World

const nothing = Network.answer(404, "", { "x-consul-index": "9999" })

/** The longest pause of `SnapshotCheck.retryDoubtful`: 5 s, lengthened by jitter by up to a fifth. */
const longestPause = Duration.seconds(6)

/** The longest time for which a query with `RequestTimes.watchWait` blocks: Consul lengthens each wait by up to a sixteenth. */
const longestWait = Duration.times(RequestTimes.watchWait, 17 / 16)

/**
 * While all plain reads are empty, the watch takes turns: it reads consistently, and that snapshot is applied after a pause; then
 * an empty snapshot is confirmed after another pause. A change just after the first read of a turn waits for both pauses.
 */
const longestTurn = Duration.times(longestPause, 2)

/**
 * After the fault has ended, one query may still block with the made-up index. Its answer has a lower index, so the chain restarts
 * with a consistent read. That read shows nothing about blocking queries, so the trouble is over with the answer after it. Before
 * each of the two queries is at most one pause of the planner, and a short one of the chain.
 */
const longestRecovery = Duration.times(
  Duration.sum(Duration.sum(longestPause, longestWait), RequestTimes.restartPause),
  2
)

describe("a snapshot that looks wrong", () => {
  it("and is empty by a fault deletes nothing, is asked for rarely, and replication goes on", () =>
    Effect.gen(function* () {
      // Few enough for any limit.
      const instance = yield* synced(5)
      yield* instance.network.disturb(plainReads(nothing))
      // Ends the query that is blocked; the next ones are answered with nothing.
      yield* put(source, "global/first")
      yield* Effect.sleep("1 minute")
      yield* put(source, "global/second")
      yield* until(converged, longestTurn)
      const before = sent(instance, /^GET .*dc=nyc1/)
      yield* Effect.sleep("10 minutes")
      // A turn is five requests, two pauses and `restartPause`. The pauses are 0.1, 0.2, 0.4, 0.8, 1.6, 3.2 and then 5 s in the
      // mean, and are short again after a minute: 38 requests a minute.
      expect(sent(instance, /^GET .*dc=nyc1/) - before).toBeLessThan(400)
      expect(yield* keys(destination)).toHaveLength(7)
      expect(Events.odd(instance)).toMatchObject([{ _tag: "AnswersWrong", keys: 6 }])
      yield* instance.network.heal
      yield* put(source, "global/third")
      yield* until(converged, longestTurn)
      const answersRight = Effect.sync(() => Events.of(instance, "AnswersRight"))
      yield* until(
        Effect.map(answersRight, ({ length }) => length > 0),
        longestRecovery
      )
      expect(yield* answersRight).toHaveLength(1)
      expect(Events.passes(instance).filter(({ deletes }) => deletes > 0)).toEqual([])
    }))

  it("an answer that is empty by a fault hides no change: the range is read again, and not only the keys that it lacked", () =>
    Effect.gen(function* () {
      const instance = yield* synced(5)
      const emptied: Network.Fault = (sent, pass) =>
        Effect.flatMap(pass, ({ headers }) => Network.answer(404, "", headers)(sent, pass))
      yield* instance.network.disturb(plainReads(Network.once(emptied)))
      // Ends the query that is blocked. The next one is answered once with nothing, at the index of the new key.
      yield* put(source, "global/first")
      yield* Effect.sleep("5 seconds")
      yield* put(source, "global/new")
      yield* until(converged, "6 seconds")
      expect(yield* holds(destination, "global/new")).toBe(true)
      expect(Events.passes(instance).filter(({ deletes }) => deletes > 0)).toEqual([])
    }))

  it("an answer that is shrunken by a fault deletes nothing", () =>
    Effect.gen(function* () {
      const instance = yield* synced(40)
      const shrunken = JSON.stringify([
        { Key: "global/0", Value: btoa("of nyc1"), Flags: 0, LockIndex: 0, CreateIndex: 5, ModifyIndex: 5 }
      ])
      yield* instance.network.disturb(plainReads(Network.answer(200, shrunken, { "x-consul-index": "9999" })))
      yield* put(source, "global/other")
      yield* Effect.sleep("1 minute")
      expect(yield* keys(destination)).toHaveLength(41)
      expect(Events.odd(instance)).toMatchObject([{ _tag: "AnswersWrong", keys: 40 }])
      expect(yield* stored).toMatchObject({ State: "in-sync", HeldDeletes: 0 })
    }))

  it("a doubtful snapshot is confirmed only by servers that know their leader, and until then nothing is deleted", () =>
    Effect.gen(function* () {
      const instance = yield* synced(5)
      const leaderless = { "x-consul-index": "9999", "x-consul-knownleader": "false" }
      yield* instance.network.disturb((sent, pass) => {
        if (!sent.target.includes("dc=nyc1")) return pass
        const fault = sent.target.includes("consistent") ? Network.answer(404, "", leaderless) : nothing
        return fault(sent, pass)
      })
      yield* put(source, "global/other")
      yield* Effect.sleep("10 minutes")
      expect(yield* keys(destination)).toHaveLength(6)
      yield* removeTree(source)
      yield* put(source, "global/other")
      yield* instance.network.heal
      yield* until(converged)
      expect(yield* keys(destination)).toEqual(["global/other"])
    }))

  it("a doubtful snapshot is followed once it is the truth", () =>
    Effect.gen(function* () {
      const instance = yield* synced(5)
      yield* instance.network.disturb(plainReads(nothing))
      yield* put(source, "global/other")
      yield* Effect.sleep("1 minute")
      expect(yield* keys(destination)).toHaveLength(6)
      yield* removeTree(source)
      yield* until(converged)
      expect(yield* keys(destination)).toEqual([])
    }))

  it("doubtful snapshots of many parts at once keep the next change waiting for one pause, not for one of each", () =>
    Effect.gen(function* () {
      const folders = Array.from({ length: 12 }, (_, i) => `f${String.fromCharCode(97 + i)}/`)
      yield* put(source, ...folders.flatMap((folder) => named(10, folder)))
      const instance = yield* World.instance({ shardKeys: 10 })
      yield* replicate(instance)
      yield* until(inSync)
      const sim = yield* SimConsul.SimConsul
      const changeAll = (value: string) =>
        Effect.forEach(folders, (folder) => sim.put(source, `global/${folder}0`, value), { discard: true })
      // Parts that change are asked for all that they hold.
      yield* changeAll("1")
      yield* Effect.sleep("5 seconds")
      let lies = 0
      yield* instance.network.disturb(
        Network.on(/^GET .*recurse=(?!.*consistent).*dc=nyc1/, (sent, pass) =>
          Effect.flatMap(pass, ({ headers }) => {
            lies += 1
            return Network.answer(404, "", headers)(sent, pass)
          })
        )
      )
      // The first ends queries that were there before the fault.
      yield* changeAll("2")
      yield* Effect.sleep("5 seconds")
      yield* changeAll("3")
      yield* Effect.sleep("1 second")
      expect(lies).toBe(folders.length)
      yield* instance.network.heal
      yield* put(source, "global/fa/new")
      expect(yield* until(converged)).toBeLessThan(5_000)
      expect(Events.passes(instance).filter(({ deletes }) => deletes > 0)).toEqual([])
    }))

  it("a source that was set up anew is confirmed, and followed in full", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* put(source, ...named(3, "old"))
      const saved = yield* sim.snapshot(source)
      const instance = yield* synced(6)
      const before = consistentReads(instance)
      yield* sim.restore(saved, { rebuilt: true })
      yield* put(source, "global/0")
      yield* until(converged)
      yield* until(inSync)
      expect(yield* keys(destination)).toEqual(["global/0", ...named(3, "old")])
      expect((yield* stored)["LastReplicated"]).toBe((yield* sim.state(source)).index)
      // The chain begins anew with it, since what was asked from belongs to the other history; that confirms it too.
      expect(consistentReads(instance) - before).toBe(1)
    }))

  it("a source is followed that was restored, and whose index is as it was again after more writes", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* put(source, ...named(3))
      const before = yield* sim.snapshot(source)
      const instance = yield* World.instance()
      yield* replicate(instance)
      yield* until(inSync)
      yield* put(source, "global/0", "global/1", "global/lost")
      yield* until(converged)
      const { LastReplicated } = yield* stored
      yield* instance.network.disturb(Network.on(/dc=nyc1/, Network.refused))
      yield* sim.restore(before, { rebuilt: true })
      yield* remove(source, "global/2")
      yield* put(source, "global/a")
      while ((yield* sim.state(source)).index < Number(LastReplicated)) yield* put(source, "global/a")
      expect((yield* sim.state(source)).index).toBe(LastReplicated)
      yield* Effect.sleep("10 seconds")
      yield* instance.network.heal
      yield* until(converged)
      expect(yield* keys(destination)).toEqual(["global/0", "global/1", "global/a"])
    }))
})
