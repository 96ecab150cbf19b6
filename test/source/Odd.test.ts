import { describe, expect } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Silence from "../../src/internal/report/Silence.js"
import * as Liveness from "../../src/internal/source/Liveness.js"
import { SimConsul } from "../../src/testing/index.js"
import * as Network from "../../src/testing/Network.js"
import * as World from "../../src/testing/World.js"
import * as Events from "../support/Events.js"
import * as Replicating from "../support/Replicating.js"
import { watching } from "../support/Watching.js"

const { it, named, put, remove, removeTree, sent, until } = Replicating
const { source } = World

/** `global/a0` to `global/j9`: ten groups. */
const hundred = [..."abcdefghij"].flatMap((letter) => named(10, letter))

const change = (key: string) => Effect.flatMap(SimConsul.SimConsul, (sim) => sim.put(source, key, "other"))

/** A delete in each folder, which its index remembers. */
const buried = [..."abcdefghij"].map((letter) => `global/${letter}x`)

describe("a prefix that is emptied from above, which moves no index under it,", () => {
  const emptied = (given: Parameters<typeof watching>[1]) =>
    Effect.gen(function* () {
      yield* put(source, ...hundred, ...buried)
      yield* remove(source, ...buried)
      const { copy, isRight } = yield* watching(yield* World.instance(), given)
      yield* until(isRight)
      yield* Effect.sleep("1 minute")
      yield* removeTree(source, "global")
      // The wait of the query for the whole prefix is over by then.
      yield* until(
        Effect.sync(() => copy.size === 0),
        "70 seconds"
      )
    })

  it("is empty in the events when the wait is over, if it is watched in shards", () => emptied({}))

  it("is empty in the events too if one query stands for all ranges, or it is watched with one query", () =>
    Effect.zipRight(emptied({ shards: 1 }), emptied({ keysEach: 1_000 })))

  it("is read again if it is filled again, although its ranges have the indexes of before", () =>
    Effect.gen(function* () {
      yield* put(source, ...hundred, ...buried)
      yield* remove(source, ...buried)
      const { isRight } = yield* watching(yield* World.instance(), { shards: 3 })
      yield* until(isRight)
      yield* removeTree(source, "global")
      yield* put(source, ...hundred.slice(0, 60))
      yield* until(isRight, "70 seconds")
    }))
})

describe("an answer that lacks keys which are listed", () => {
  const lacking = (given: Parameters<typeof watching>[1]) =>
    Effect.gen(function* () {
      yield* put(source, ...hundred)
      const instance = yield* World.instance()
      const lying: Network.Fault = Network.on(/^GET \/v1\/kv\/global\/c.*recurse/, (sent, pass) =>
        Effect.flatMap(pass, (response) =>
          Effect.flatMap(response.text, (text) => {
            const entries = JSON.parse(text) as ReadonlyArray<{ readonly Key: string }>
            const left = entries.filter(({ Key }) => Key !== "global/c7")
            return Network.answer(200, JSON.stringify(left), response.headers)(sent, pass)
          })
        )
      )
      yield* instance.network.disturb(lying)
      const { copy, isComplete, isRight, names } = yield* watching(instance, given)
      yield* Effect.sleep("1 minute")
      expect(copy.has("global/a1")).toBe(true)
      // The answer about that range does not count, so that no CaughtUp was emitted.
      expect(copy.has("global/c6")).toBe(false)
      expect(names().some((name) => name.startsWith("complete"))).toBe(false)
      expect(Events.troubles(instance, "Source")).toMatchObject([
        { message: expect.stringContaining('it lacks keys that the source lists: "global/c7"') }
      ])
      yield* instance.network.heal
      yield* until(isComplete, "10 seconds")
      expect(yield* isRight).toBe(true)
    })

  it("does not count, and no CaughtUp follows until the source agrees with itself", () =>
    lacking({ keysEach: 12 }))

  it("counts if the keys were deleted after they were listed", () =>
    Effect.gen(function* () {
      yield* put(source, ...hundred)
      const instance = yield* World.instance()
      let isDeleted = false
      const sim = yield* SimConsul.SimConsul
      yield* instance.network.disturb(
        Network.on(/^GET \/v1\/kv\/global\/c.*recurse/, (_, pass) => {
          if (isDeleted) return pass
          isDeleted = true
          return Effect.zipRight(sim.remove(source, "global/c7"), pass)
        })
      )
      const { copy, isRight } = yield* watching(instance, { keysEach: 12 })
      expect(yield* until(isRight)).toBeLessThan(1_000)
      expect(copy.has("global/c7")).toBe(false)
      expect(Events.odd(instance)).toEqual([])
    }))
})

describe("a proxy that ends each query without an answer after 20 s", () => {
  const balanced = (end: Network.Fault): Network.Fault =>
    Network.on(/[?&]index=/, (sent, pass) =>
      Effect.raceFirst(
        pass,
        Effect.delay(
          Effect.suspend(() => end(sent, pass)),
          "20 seconds"
        )
      )
    )

  const reads = (instance: World.Instance) => sent(instance, /^GET .*recurse=/)

  for (const [what, end] of [
    ["504", Network.answer(504, "Gateway Time-out")],
    ["a closed connection", Network.refused]
  ] as const) {
    it(`with ${what} ends waits: nothing is read again, and they become shorter`, () =>
      Effect.gen(function* () {
        yield* put(source, ...hundred)
        const instance = yield* World.instance()
        yield* instance.network.disturb(balanced(end))
        const { isComplete, isRight } = yield* watching(instance, { keysEach: 12 })
        yield* until(isComplete)
        const before = reads(instance)
        yield* Effect.sleep("20 minutes")
        expect(reads(instance)).toBe(before)
        expect(Events.odd(instance)).toMatchObject([{ _tag: "WaitShortened", source, limit: 20_000 }])
        yield* change("global/c7")
        expect(yield* until(isRight)).toBeLessThan(1_000)
        expect(yield* until(isComplete)).toBeLessThan(2_000)
      }))
  }

  it("hides no restart of the source with older data", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* put(source, ...hundred)
      const older = yield* sim.snapshot(source)
      yield* put(source, ...named(30, "a"))
      const instance = yield* World.instance()
      yield* instance.network.disturb(balanced(Network.refused))
      const { isComplete, isRight } = yield* watching(instance)
      yield* until(isComplete)
      yield* Effect.sleep("3 minutes")
      yield* sim.restore(older, { rebuilt: true })
      yield* until(isRight, "70 seconds")
    }))
})

describe("the silence of a source that is watched in shards", () => {
  it("is short at rest, although each shard is asked only every three minutes", () =>
    Effect.gen(function* () {
      yield* put(source, ...hundred)
      const liveness = yield* Liveness.make
      const { isComplete } = yield* watching(yield* World.instance(), { liveness })
      yield* until(isComplete)
      for (let i = 0; i < 60; i++) {
        yield* Effect.sleep("10 seconds")
        expect(Duration.toSeconds(yield* liveness.silence)).toBeLessThan(70)
      }
    }))

  it("is noticed in time if one shard is silent and others change often", () =>
    Effect.gen(function* () {
      yield* put(source, ...hundred)
      const liveness = yield* Liveness.make
      const instance = yield* World.instance()
      const { isComplete } = yield* watching(instance, { liveness, keysEach: 12 })
      yield* until(isComplete)
      yield* instance.network.disturb(Network.on(/^GET \/v1\/kv\/global\/c/, Network.silent))
      for (let i = 0; i < 130; i++) {
        yield* change(`global/${i % 2 === 0 ? "a1" : "d1"}`)
        yield* put(source, `global/b${i}`)
        yield* Effect.sleep("1 second")
      }
      expect(Duration.toSeconds(yield* liveness.silence)).toBeGreaterThan(
        Duration.toSeconds(Silence.silenceLimit)
      )
      yield* instance.network.heal
      // A read without an answer lasts as long as its server answers others: about a minute.
      yield* until(
        Effect.map(liveness.silence, (silence) => Duration.toSeconds(silence) < 5),
        "90 seconds"
      )
    }))

  it("does not grow while the consumer is slow, and is noticed even then", () =>
    Effect.gen(function* () {
      yield* put(source, ...hundred)
      const liveness = yield* Liveness.make
      const instance = yield* World.instance()
      yield* watching(instance, { liveness }, { pace: 600_000 })
      for (let i = 0; i < 60; i++) {
        yield* Effect.sleep("20 seconds")
        expect(Duration.toSeconds(yield* liveness.silence)).toBeLessThan(110)
      }
      yield* instance.network.disturb(Network.refused)
      const at = yield* Clock.currentTimeMillis
      yield* until(
        Effect.map(liveness.silence, (silence) => Duration.toSeconds(silence) >= 120),
        "121 seconds"
      )
      expect((yield* Clock.currentTimeMillis) - at).toBeLessThan(122_000)
    }))
})
