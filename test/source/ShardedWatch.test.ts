import { describe, expect } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { SimConsul } from "../../src/testing/index.js"
import * as Network from "../../src/testing/Network.js"
import * as World from "../../src/testing/World.js"
import * as Watcher from "../../src/Watcher.js"
import * as Replicating from "../support/Replicating.js"
import { options, watching } from "../support/Watching.js"

const { it, named, put, remove, sent, until } = Replicating
const { source } = World

/** `global/a0` to `global/j9`: ten folders, as it were. */
const hundred = [..."abcdefghij"].flatMap((letter) => named(10, letter))

const queries = (instance: World.Instance) => sent(instance, /^GET .*[?&]index=.*dc=nyc1/)

describe("a prefix of many keys", () => {
  it("is read part by part, and is complete when all of it has been said", () =>
    Effect.gen(function* () {
      yield* put(source, ...hundred)
      const { isComplete, isRight, names } = yield* watching(yield* World.instance())
      yield* until(isComplete)
      expect(yield* isRight).toBe(true)
      expect(names().filter((name) => name === "global/")).toEqual([])
      expect(names().filter((name) => name.startsWith("complete"))).toHaveLength(1)
    }))

  it("says a change with the part that it is in, at once, and that it is complete within a second", () =>
    Effect.gen(function* () {
      yield* put(source, ...hundred)
      const { isComplete, isRight, said } = yield* watching(yield* World.instance())
      yield* until(isComplete)
      yield* Effect.sleep("1 minute")
      const before = said.length
      const at = yield* Clock.currentTimeMillis
      yield* put(source, "global/c7")
      yield* Effect.flatMap(SimConsul.SimConsul, (sim) => sim.put(source, "global/c7", "other"))
      yield* until(isComplete)
      const news = said.slice(before)
      expect(yield* isRight).toBe(true)
      expect(news[0]).toEqual({ what: "global/c7", at })
      expect(news).toHaveLength(2)
      expect((news.at(-1)?.at ?? 0) - at).toBeLessThan(1_000)
    }))

  it("shows a new key that is in no part within a second, and then it is in one", () =>
    Effect.gen(function* () {
      yield* put(source, ...hundred)
      const { copy, isComplete, isRight, said } = yield* watching(yield* World.instance())
      yield* until(isComplete)
      yield* put(source, "global/zebra")
      expect(yield* until(isRight)).toBeLessThan(1_000)
      yield* until(isComplete)
      const before = said.length
      yield* Effect.flatMap(SimConsul.SimConsul, (sim) => sim.put(source, "global/zebra", "other"))
      yield* Effect.sleep("100 millis")
      expect(copy.get("global/zebra")).toBe("other")
      expect(said[before]?.what).toBe("global/z")
    }))

  it("shows such a key as soon where the source was away for a while before", () =>
    Effect.gen(function* () {
      yield* put(source, ...hundred)
      const instance = yield* World.instance()
      const { isComplete, isRight } = yield* watching(instance)
      yield* until(isComplete)
      yield* instance.network.disturb(
        Network.on(/^GET \/v1\/kv\/global\/\?keys=&consistent/, Network.refused)
      )
      yield* put(source, "global/yak")
      yield* Effect.sleep("10 seconds")
      yield* instance.network.heal
      yield* until(isComplete, "10 seconds")
      yield* put(source, "global/zebra")
      expect(yield* until(isRight)).toBeLessThan(1_000)
    }))

  it("is said to be complete each minute in which nothing changes, for whoever waits to judge again", () =>
    Effect.gen(function* () {
      yield* put(source, ...hundred)
      const { isComplete, said } = yield* watching(yield* World.instance())
      yield* until(isComplete)
      const before = said.length
      yield* Effect.sleep("200 seconds")
      expect(said.slice(before).map(({ what }) => what)).toEqual(Array(3).fill(said[before - 1]?.what))
    }))

  it("has no query that blocks before all of it has been said and dealt with, for one cannot be taken back", () =>
    Effect.gen(function* () {
      yield* put(source, ...hundred)
      const instance = yield* World.instance()
      const read = yield* Watcher.events(options).pipe(
        Stream.takeUntil((news) => news.some(({ _tag }) => _tag === "CaughtUp")),
        Stream.runCollect,
        instance.run
      )
      expect(read.length).toBeGreaterThan(0)
      expect(queries(instance)).toBe(0)
      // Neither one for what is there, nor one for what comes.
      yield* Effect.sleep("1 minute")
      expect(queries(instance)).toBe(0)
    }))

  it("is asked for no more than whether it has moved where nothing has changed for a while", () =>
    Effect.gen(function* () {
      yield* put(source, ...hundred)
      const instance = yield* World.instance()
      const { isComplete, isRight, said } = yield* watching(instance, { keysEach: 12 })
      yield* until(isComplete)
      const all = () => sent(instance, /^GET .*[?&]recurse=.*[?&]index=.*dc=nyc1/)
      yield* Effect.sleep("10 minutes")
      expect(all()).toBe(0)
      const before = said.length
      const at = yield* Clock.currentTimeMillis
      yield* Effect.flatMap(SimConsul.SimConsul, (sim) => sim.put(source, "global/c7", "other"))
      yield* until(isRight)
      expect(said[before]?.what).toBe("global/c")
      expect((said[before]?.at ?? 0) - at).toBeLessThan(50)
      yield* until(isComplete)
      expect(all()).toBe(1)
    }))

  it("is asked for as few names as tell whether a part has moved", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(40, "a/b/"), ...named(40, "c/d/"))
      const instance = yield* World.instance()
      const { isComplete, isRight } = yield* watching(instance, { shards: 2, keysEach: 12 })
      yield* until(isComplete)
      yield* Effect.flatMap(SimConsul.SimConsul, (sim) => sim.put(source, "global/a/b/7", "other"))
      yield* until(isRight)
      yield* until(isComplete)
      const parts = (pattern: string) =>
        sent(instance, new RegExp(`^GET /v1/kv/global/.+[?&]keys=${pattern}`))
      expect(parts("")).toBeGreaterThan(10)
      expect(parts("&separator=%2F")).toBe(parts(""))
    }))

  it("has no query of a part that would outlast its process by more than twice the age of that, or by more than three minutes", () =>
    Effect.gen(function* () {
      const waits: Array<{ readonly at: number; readonly wait: number }> = []
      const instance = yield* World.instance()
      yield* instance.network.disturb(({ target }, pass) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          const wait = /\/global\/.+[?&]keys=.*[?&]index=.*[?&]wait=(\d+)ms/.exec(target)?.[1]
          if (wait !== undefined) waits.push({ at: now, wait: Number(wait) })
          return pass
        })
      )
      yield* put(source, ...hundred)
      const { isComplete } = yield* watching(instance)
      yield* until(isComplete)
      yield* Effect.sleep("6 minutes")
      const begun = waits[0]?.at ?? 0
      for (const { at, wait } of waits) expect(wait).toBeLessThanOrEqual(Math.max(1_000, 2 * (at - begun)))
      expect(Math.max(...waits.map(({ wait }) => wait))).toBe(180_000)
      // Five while they grow longer, then one every three minutes for each part.
      expect(waits.length).toBeLessThanOrEqual(8 * 12)
    }))

  it("is watched with no more queries than it may be, whatever its shape", () =>
    Effect.gen(function* () {
      let open = 0
      let most = 0
      const instance = yield* World.instance()
      yield* instance.network.disturb((request, pass) => {
        if (!/[?&]index=/.test(request.target)) return pass
        return Effect.acquireUseRelease(
          Effect.sync(() => {
            open += 1
            most = Math.max(most, open)
          }),
          () => pass,
          () =>
            Effect.sync(() => {
              open -= 1
            })
        )
      })
      yield* put(source, ...hundred)
      const { isComplete, isRight } = yield* watching(instance, { keysEach: 12 })
      yield* until(isComplete)
      for (let i = 0; i < 8; i++) yield* put(source, ...named(7, String.fromCodePoint(0x4e00 + i)))
      yield* until(isComplete)
      yield* put(source, ...named(50, "a/b/c/d/e/f/"))
      yield* remove(source, ...named(10, "a"))
      yield* until(isComplete)
      expect(yield* isRight).toBe(true)
      // And one for the whole.
      expect(most).toBeLessThanOrEqual(13)
      expect(most).toBeGreaterThan(4)
    }))

  it("that grows is divided, and one that shrinks is watched as one again", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(2))
      const { isComplete, isRight, ranges } = yield* watching(yield* World.instance())
      yield* until(isRight)
      expect(new Set(ranges())).toEqual(new Set(["global/"]))
      yield* put(source, ...hundred)
      yield* until(isComplete)
      expect(yield* isRight).toBe(true)
      yield* remove(source, ...hundred)
      yield* until(isRight)
      yield* Effect.sleep("2 seconds")
      yield* put(source, "global/last")
      yield* until(isRight)
      expect(ranges().at(-1)).toBe("global/")
    }))

  it("with one query allowed is listed once, never divided, and nothing else is asked for", () =>
    Effect.gen(function* () {
      yield* put(source, ...hundred)
      const instance = yield* World.instance()
      const { isRight, ranges } = yield* watching(instance, { shards: 1 })
      yield* until(isRight)
      yield* put(source, "global/zebra")
      yield* until(isRight)
      expect(new Set(ranges())).toEqual(new Set(["global/"]))
      expect(sent(instance, /\?keys/)).toBe(1)
    }))

  it("is quiet while nothing changes: an answer every three minutes for each part, and one a minute for the whole", () =>
    Effect.gen(function* () {
      yield* put(source, ...hundred)
      const instance = yield* World.instance()
      const { isComplete } = yield* watching(instance)
      yield* until(isComplete)
      const [all, before] = [sent(instance, "GET"), queries(instance)]
      yield* Effect.sleep("20 minutes")
      expect(queries(instance) - before).toBeLessThanOrEqual(20 + 9 * 12)
      expect(sent(instance, "GET") - all).toBe(queries(instance) - before)
    }))

  it("notices a part whose query nobody answers any more, by the index of the part", () =>
    Effect.gen(function* () {
      yield* put(source, ...hundred)
      const instance = yield* World.instance()
      yield* instance.network.disturb(Network.on(/^GET \/v1\/kv\/global\/c.*index=/, Network.silent))
      const { isComplete, isRight } = yield* watching(instance)
      yield* until(isComplete)
      yield* Effect.flatMap(SimConsul.SimConsul, (sim) => sim.put(source, "global/c7", "other"))
      expect(yield* until(isRight)).toBeLessThan(4_000)
      yield* until(isComplete)
    }))

  it("is complete only when every part has said everything", () =>
    Effect.gen(function* () {
      yield* put(source, ...hundred)
      const instance = yield* World.instance()
      yield* instance.network.disturb(Network.on(/^GET \/v1\/kv\/global\/c.*index=/, Network.silent))
      const { isComplete, said } = yield* watching(instance)
      yield* until(isComplete)
      const before = said.length
      yield* Effect.flatMap(SimConsul.SimConsul, (sim) =>
        Effect.zipRight(sim.put(source, "global/c7", "other"), sim.put(source, "global/d7", "other"))
      )
      yield* until(isComplete)
      const names = said.slice(before).map(({ what }) => what)
      const first = names.findIndex((name) => name.startsWith("complete"))
      expect(names.slice(0, first).some((name) => name.startsWith("global/c"))).toBe(true)
    }))

  it("shows a change no later where all parts are being asked whether they have said everything", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* put(source, ...hundred)
      const instance = yield* World.instance()
      const { isComplete, isRight } = yield* watching(instance, { shards: 60 })
      yield* until(isComplete)
      yield* instance.network.disturb(({ target }, pass) =>
        /[?&]index=/.test(target) ? pass : Effect.delay(pass, "1 second")
      )
      yield* sim.put(source, "global/j7", "other")
      const quiet = yield* until(isRight)
      yield* until(isComplete, "1 minute")
      const asked = () => sent(instance, /^GET (?!.*[?&]index=)/)
      const before = asked()
      yield* sim.put(source, "global/a0", "other")
      yield* until(Effect.sync(() => asked() - before > 6))
      expect(yield* isComplete).toBe(false)
      yield* sim.put(source, "global/j7", "another")
      expect(yield* until(isRight)).toBeLessThanOrEqual(quiet)
    }))

  it("whose datacenter was restored is read again as a whole", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* put(source, ...hundred)
      const saved = yield* sim.snapshot(source)
      yield* put(source, ...named(30, "a"))
      const { isComplete, isRight } = yield* watching(yield* World.instance())
      yield* until(isComplete)
      for (const rebuilt of [true, false]) {
        yield* sim.put(source, "global/a0", "after the snapshot")
        yield* until(isRight)
        yield* sim.restore(saved, { rebuilt })
        yield* until(isRight, "5 seconds")
      }
    }))

  it("keeps no change waiting for whoever is slow: many to one key are seen as one", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* put(source, ...hundred)
      const { isComplete, isRight, names } = yield* watching(yield* World.instance(), {}, { pace: 3_000 })
      yield* until(isComplete, "20 minutes")
      const before = names().length
      for (let i = 0; i < 50; i++) {
        yield* sim.put(source, "global/c7", `value ${i}`)
        yield* Effect.sleep("100 millis")
      }
      yield* until(isRight)
      expect(
        names()
          .slice(before)
          .filter((name) => name.startsWith("global/c")).length
      ).toBeLessThan(5)
    }))

  it("holds keys that no path can name, and keys that are a part of others' names", () =>
    Effect.gen(function* () {
      yield* put(
        source,
        ...hundred,
        "global/",
        "global/a",
        "global/a//b",
        "global/../c",
        "global/x\ny",
        "global/é/"
      )
      const { isComplete, isRight, names } = yield* watching(yield* World.instance())
      yield* until(isComplete)
      expect(yield* isRight).toBe(true)
      for (const key of ["global/", "global/a", "global/a//b", "global/../c", "global/x\ny", "global/é/"]) {
        yield* Effect.flatMap(SimConsul.SimConsul, (sim) => sim.put(source, key, "other"))
        expect(yield* until(isRight)).toBeLessThan(1_500)
      }
      // A read of everything could be older than what a part has said meanwhile.
      expect(names().filter((name) => name === "global/")).toEqual([])
    }))

  it("with more beginnings than there may be queries for is watched as one", () =>
    Effect.gen(function* () {
      const letters = Array.from({ length: 80 }, (_, i) => String.fromCodePoint(0x4e00 + i))
      yield* put(source, ...letters.map((letter) => `global/${letter}`))
      const { isRight, names, ranges } = yield* watching(yield* World.instance())
      yield* until(isRight)
      yield* Effect.flatMap(SimConsul.SimConsul, (sim) => sim.put(source, "global/丁", "other"))
      expect(yield* until(isRight)).toBeLessThan(100)
      yield* Effect.sleep("2 minutes")
      expect(new Set(ranges())).toEqual(new Set(["global/"]))
      // As soon as it can be, it is divided.
      yield* remove(source, ...letters.slice(16).map((letter) => `global/${letter}`))
      yield* until(isRight)
      yield* Effect.sleep("2 seconds")
      yield* put(source, "global/丁")
      expect(yield* until(isRight)).toBeLessThan(1_000)
      expect(names().filter((name) => name.startsWith("complete")).length).toBeGreaterThan(0)
    }))

  it("shows a delete that its source has forgotten while it was away, in a range without a query too", () =>
    Effect.gen(function* () {
      yield* put(source, ...hundred)
      const instance = yield* World.instance()
      const { isComplete, isRight } = yield* watching(instance, { shards: 7, keysEach: 12 })
      yield* until(isComplete)
      yield* instance.network.disturb(Network.on(/dc=nyc1/, Network.refused))
      // None of them is the newest of its range: their going leaves no trace in its index after 15 minutes.
      yield* remove(source, ...[..."abcdefghij"].map((letter) => `global/${letter}1`))
      yield* Effect.sleep("20 minutes")
      yield* instance.network.heal
      expect(yield* until(isRight)).toBeLessThan(10_000)
    }))

  it("or that it has forgotten while one was about to look which of its parts had changed", () =>
    Effect.gen(function* () {
      const two = (letter: string) =>
        Array.from({ length: 100 }, (_, i) => `${letter}${String(i).padStart(2, "0")}`)
      yield* put(source, ...["a", "b", "c"].flatMap(two).map((name) => `global/${name}`))
      const instance = yield* World.instance()
      const { isComplete, isRight, names } = yield* watching(instance, { shards: 3, keysEach: 12 })
      yield* until(isComplete)
      let isAway = false
      yield* instance.network.disturb((sent, pass) => {
        // Some have been looked at by then.
        isAway ||= sent.target.includes("/global/a4?")
        return isAway && sent.target.includes("dc=nyc1") ? Network.refused(sent, pass) : pass
      })
      yield* Effect.flatMap(SimConsul.SimConsul, (sim) => sim.put(source, "global/a05", "other"))
      yield* until(Effect.sync(() => isAway))
      expect(names().at(-1)).toBe("global/a0")
      yield* remove(source, "global/a11")
      yield* Effect.sleep("20 minutes")
      yield* instance.network.heal
      expect(yield* until(isRight)).toBeLessThan(10_000)
    }))

  it("is read again where a part was read between a change and the restore that undid it", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* put(source, ...hundred)
      const saved = yield* sim.snapshot(source)
      // Most parts are read long after the answer that their shard begins with.
      const { copy, isRight } = yield* watching(yield* World.instance(), {}, { pace: 1_000 })
      yield* until(Effect.sync(() => copy.size > 0))
      expect(copy.has("global/j1")).toBe(false)
      yield* sim.put(source, "global/j1", "undone")
      yield* until(
        Effect.sync(() => copy.get("global/j1") === "undone"),
        "2 minutes"
      )
      yield* sim.restore(saved, { rebuilt: false })
      // A look at all shards, and all parts once more at that pace.
      expect(yield* until(isRight, "20 minutes")).toBeLessThan(240_000)
    }))

  it("is read again where its indexes say nothing, since it was restored while no query waited for the whole", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* put(source, ...hundred)
      const { isComplete, isRight } = yield* watching(yield* World.instance(), { shards: 7, keysEach: 12 })
      yield* until(isComplete)
      const saved = yield* sim.snapshot(source)
      yield* remove(source, "global/h1")
      yield* until(isComplete)
      // The delete is forgotten, and with it the index that it gave: the range has the one of the snapshot again.
      yield* Effect.sleep("20 minutes")
      yield* sim.put(source, "global/a1", "other")
      yield* until(isComplete)
      yield* sim.put(source, "global/a1", "another")
      yield* Effect.sleep("100 millis")
      yield* sim.restore(saved, { rebuilt: false })
      yield* sim.put(source, "global/a2", "after the restore")
      expect(yield* until(isRight)).toBeLessThan(70_000)
    }))
})
