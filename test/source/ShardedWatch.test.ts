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

/** `global/a0` to `global/j9`: ten groups. */
const hundred = [..."abcdefghij"].flatMap((letter) => named(10, letter))

const queries = (instance: World.Instance) => sent(instance, /^GET .*[?&]index=.*dc=nyc1/)

describe("a prefix of many keys", () => {
  it("is read range by range, and a CaughtUp follows when every range was emitted", () =>
    Effect.gen(function* () {
      yield* put(source, ...hundred)
      const { isComplete, isRight, names } = yield* watching(yield* World.instance())
      yield* until(isComplete)
      expect(yield* isRight).toBe(true)
      expect(names().filter((name) => name === "global/")).toEqual([])
      expect(names().filter((name) => name.startsWith("complete"))).toHaveLength(1)
    }))

  it("emits the range of a change at once, and a CaughtUp within a second", () =>
    Effect.gen(function* () {
      yield* put(source, ...hundred)
      const { isComplete, isRight, emitted } = yield* watching(yield* World.instance())
      yield* until(isComplete)
      yield* Effect.sleep("1 minute")
      const before = emitted.length
      const at = yield* Clock.currentTimeMillis
      yield* put(source, "global/c7")
      yield* Effect.flatMap(SimConsul.SimConsul, (sim) => sim.put(source, "global/c7", "other"))
      yield* until(isComplete)
      const batch = emitted.slice(before)
      expect(yield* isRight).toBe(true)
      expect(batch[0]).toEqual({ what: "global/c7", at })
      expect(batch).toHaveLength(2)
      expect((batch.at(-1)?.at ?? 0) - at).toBeLessThan(1_000)
    }))

  it("shows a new key that is in no range within a second, and then has a range for it", () =>
    Effect.gen(function* () {
      yield* put(source, ...hundred)
      const { copy, isComplete, isRight, emitted } = yield* watching(yield* World.instance())
      yield* until(isComplete)
      yield* put(source, "global/zebra")
      expect(yield* until(isRight)).toBeLessThan(1_000)
      yield* until(isComplete)
      const before = emitted.length
      yield* Effect.flatMap(SimConsul.SimConsul, (sim) => sim.put(source, "global/zebra", "other"))
      yield* Effect.sleep("100 millis")
      expect(copy.get("global/zebra")).toBe("other")
      expect(emitted[before]?.what).toBe("global/z")
    }))

  it("shows a new key that is in no range as soon after an outage of the source", () =>
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

  it("emits a CaughtUp each minute in which nothing changes", () =>
    Effect.gen(function* () {
      yield* put(source, ...hundred)
      const { isComplete, emitted } = yield* watching(yield* World.instance())
      yield* until(isComplete)
      const before = emitted.length
      yield* Effect.sleep("200 seconds")
      expect(emitted.slice(before).map(({ what }) => what)).toEqual(Array(3).fill(emitted[before - 1]?.what))
    }))

  it("sends no query that blocks before all of it was processed: such a query cannot be taken back", () =>
    Effect.gen(function* () {
      yield* put(source, ...hundred)
      const instance = yield* World.instance()
      const read = yield* Watcher.events(options).pipe(
        Stream.takeUntil((events) => events.some(({ _tag }) => _tag === "CaughtUp")),
        Stream.runCollect,
        instance.run
      )
      expect(read.length).toBeGreaterThan(0)
      expect(queries(instance)).toBe(0)
      // The watch has ended: no query begins later either.
      yield* Effect.sleep("1 minute")
      expect(queries(instance)).toBe(0)
    }))

  it("is asked only for its indexes if nothing has changed for a while", () =>
    Effect.gen(function* () {
      yield* put(source, ...hundred)
      const instance = yield* World.instance()
      const { isComplete, isRight, emitted } = yield* watching(instance, { keysEach: 12 })
      yield* until(isComplete)
      const all = () => sent(instance, /^GET .*[?&]recurse=.*[?&]index=.*dc=nyc1/)
      yield* Effect.sleep("10 minutes")
      expect(all()).toBe(0)
      const before = emitted.length
      const at = yield* Clock.currentTimeMillis
      yield* Effect.flatMap(SimConsul.SimConsul, (sim) => sim.put(source, "global/c7", "other"))
      yield* until(isRight)
      expect(emitted[before]?.what).toBe("global/c")
      expect((emitted[before]?.at ?? 0) - at).toBeLessThan(50)
      yield* until(isComplete)
      expect(all()).toBe(1)
    }))

  it("is asked for few names to see whether a range has moved", () =>
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

  it("has no query of a shard that could outlast its process by more than twice the age of the watch, or by more than three minutes", () =>
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
      // Five while the waits grow, then one every three minutes for each shard.
      expect(waits.length).toBeLessThanOrEqual(8 * 12)
    }))

  it("is watched with no more queries than it may have, whatever its keys", () =>
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
      // One more is for the whole prefix.
      expect(most).toBeLessThanOrEqual(13)
      expect(most).toBeGreaterThan(4)
    }))

  it("is divided when it grows, and is watched with one query again when it shrinks", () =>
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

  it("is quiet while nothing changes: an answer every three minutes for each shard, and one a minute for the whole prefix", () =>
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

  it("notices a shard whose query is not answered, by the index of its range", () =>
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

  it("emits a CaughtUp only when every shard has emitted everything", () =>
    Effect.gen(function* () {
      yield* put(source, ...hundred)
      const instance = yield* World.instance()
      yield* instance.network.disturb(Network.on(/^GET \/v1\/kv\/global\/c.*index=/, Network.silent))
      const { isComplete, emitted } = yield* watching(instance)
      yield* until(isComplete)
      const before = emitted.length
      yield* Effect.flatMap(SimConsul.SimConsul, (sim) =>
        Effect.zipRight(sim.put(source, "global/c7", "other"), sim.put(source, "global/d7", "other"))
      )
      yield* until(isComplete)
      const names = emitted.slice(before).map(({ what }) => what)
      const first = names.findIndex((name) => name.startsWith("complete"))
      expect(names.slice(0, first).some((name) => name.startsWith("global/c"))).toBe(true)
    }))

  it("shows a change no later while all shards are verified", () =>
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

  it("is read again completely if its datacenter was restored", () =>
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

  it("does not queue changes for a slow consumer, which sees many changes of a key as one", () =>
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

  it("can have keys that no path can name, and keys that are prefixes of others", () =>
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
      // A read of everything could be older than a later snapshot of a range.
      expect(names().filter((name) => name === "global/")).toEqual([])
    }))

  it("is watched with one query if it has more ranges than there may be queries", () =>
    Effect.gen(function* () {
      const letters = Array.from({ length: 80 }, (_, i) => String.fromCodePoint(0x4e00 + i))
      yield* put(source, ...letters.map((letter) => `global/${letter}`))
      const { isRight, names, ranges } = yield* watching(yield* World.instance())
      yield* until(isRight)
      yield* Effect.flatMap(SimConsul.SimConsul, (sim) => sim.put(source, "global/丁", "other"))
      expect(yield* until(isRight)).toBeLessThan(100)
      yield* Effect.sleep("2 minutes")
      expect(new Set(ranges())).toEqual(new Set(["global/"]))
      // The prefix is divided as soon as that is possible.
      yield* remove(source, ...letters.slice(16).map((letter) => `global/${letter}`))
      yield* until(isRight)
      yield* Effect.sleep("2 seconds")
      yield* put(source, "global/丁")
      expect(yield* until(isRight)).toBeLessThan(1_000)
      expect(names().filter((name) => name.startsWith("complete")).length).toBeGreaterThan(0)
    }))

  it("shows a delete that its source forgot during an outage, in a range without a query too", () =>
    Effect.gen(function* () {
      yield* put(source, ...hundred)
      const instance = yield* World.instance()
      const { isComplete, isRight } = yield* watching(instance, { shards: 7, keysEach: 12 })
      yield* until(isComplete)
      yield* instance.network.disturb(Network.on(/dc=nyc1/, Network.refused))
      // None of the deleted keys is the newest of its range: after 15 minutes its index shows no trace of them.
      yield* remove(source, ...[..."abcdefghij"].map((letter) => `global/${letter}1`))
      yield* Effect.sleep("20 minutes")
      yield* instance.network.heal
      expect(yield* until(isRight)).toBeLessThan(10_000)
    }))

  it("shows a delete that its source forgot while a shard compared the versions of its parts", () =>
    Effect.gen(function* () {
      const two = (letter: string) =>
        Array.from({ length: 100 }, (_, i) => `${letter}${String(i).padStart(2, "0")}`)
      yield* put(source, ...["a", "b", "c"].flatMap(two).map((name) => `global/${name}`))
      const instance = yield* World.instance()
      const { isComplete, isRight, names } = yield* watching(instance, { shards: 3, keysEach: 12 })
      yield* until(isComplete)
      let isAway = false
      yield* instance.network.disturb((sent, pass) => {
        // Some parts have been compared by then.
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

  it("is read again if a range was read between a change and the restore that undid it", () =>
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

  it("is read again if it was restored while no query for the whole prefix waited", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* put(source, ...hundred)
      const { isComplete, isRight } = yield* watching(yield* World.instance(), { shards: 7, keysEach: 12 })
      yield* until(isComplete)
      const saved = yield* sim.snapshot(source)
      yield* remove(source, "global/h1")
      yield* until(isComplete)
      // The delete is forgotten, and with it its index: the range has the index of the snapshot again.
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
