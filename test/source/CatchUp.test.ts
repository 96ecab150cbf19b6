import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { type ConsulError, Unreachable } from "../../src/ConsulError.js"
import type { Answer } from "../../src/ConsulHttp.js"
import * as WaitLimit from "../../src/internal/consul/WaitLimit.js"
import { Listing } from "../../src/internal/source/Listing.js"
import * as Liveness from "../../src/internal/source/Liveness.js"
import * as PartReader from "../../src/internal/source/PartReader.js"
import * as QueryBudget from "../../src/internal/source/QueryBudget.js"
import * as QueryPool from "../../src/internal/source/QueryPool.js"
import * as ShardedWatch from "../../src/internal/source/ShardedWatch.js"
import * as ShardLayout from "../../src/internal/source/ShardLayout.js"
import type { Shards } from "../../src/internal/source/Shards.js"
import { chain, type SourceReader } from "../../src/internal/source/SourceReader.js"
import { Weights } from "../../src/internal/source/Weights.js"
import * as KeyRange from "../../src/KeyRange.js"

const prefix = "a/"
const names = Array.from({ length: 100 }, (_, i) => `${prefix}${String(i).padStart(2, "0")}`)

const answer = <A>(index: number, value: A): Answer<A> => ({
  value,
  index,
  knownLeader: true,
  lastContact: 0
})

/** A watch of a hundred keys in ten shards that was caught up at index 7, and a log of its steps. */
const makeState = (listed: Effect.Effect<Answer<ReadonlyArray<string>>, ConsulError>) =>
  Effect.gen(function* () {
    const steps: Array<string> = []
    const log = (step: string) => Effect.sync(() => void steps.push(step))
    const source: SourceReader = {
      read: () => Effect.succeed(answer(7, { entries: [], invalidUtf8Keys: [], malformed: [] })),
      newer: () => Effect.succeed(answer(7, Option.none())),
      moved: () => Effect.succeed(answer(7, true)),
      presence: () => Effect.succeed({ absent: new Set(), unreadable: new Set(), created: new Map() }),
      names: () => Effect.zipRight(log("list"), listed),
      isNameable: () => true,
      failed: () => Effect.void,
      answered: Effect.void
    }
    const weights = new Weights()
    const listing = new Listing()
    const shards: Shards = {
      watch: (shards) => log(`watch ${shards.length} shards`),
      awaitFirstRead: Effect.void,
      verify: log("verify"),
      pollUnwatched: (_, trust) => log(trust === PartReader.noTrust ? "poll without trust" : "poll"),
      startBlocking: Effect.void,
      tooHeavy: Effect.never,
      activity: Effect.succeed(0),
      restartedSince: () => Effect.succeed(false),
      rewoundSince: () => Effect.succeed(false),
      failure: Effect.never,
      reader: PartReader.make({ weights, listing, emit: () => Effect.void, failed: Effect.void })
    }
    const options = { source: {}, prefix, shards: 12, keysEach: 12 }
    const liveness = yield* Liveness.make
    const limit = WaitLimit.make(() => Effect.void)
    const isNameable = () => true
    const state: ShardedWatch.State = {
      options,
      means: {
        budget: yield* Effect.flatMap(QueryBudget.make("agent"), ({ join }) => join(12)),
        limit,
        weights,
        whole: yield* QueryPool.make(2),
        shards: yield* QueryPool.make(12)
      },
      emit: (...events) => log(events.map(({ _tag, index }) => `${_tag} ${index}`).join()),
      liveness,
      source,
      topic: yield* liveness.topic(),
      links: yield* chain(source, limit),
      listing,
      shards,
      division: {
        allowed: 12,
        from: { index: 7, at: 0 },
        names,
        layout: ShardLayout.make(prefix, names, { shards: 12, keysEach: 12, isNameable }),
        separator: "/",
        layoutChanged: false,
        caughtUpAt: 0
      }
    }
    return { state, steps }
  })

const catchUp = (state: ShardedWatch.State) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(ShardedWatch.catchUp(state, { index: 7, at: 0 }, Duration.seconds(1)))
    yield* TestClock.adjust("10 seconds")
    return yield* Fiber.join(fiber)
  })

describe("a watch in shards that catches up", () => {
  it.scoped("emits a CaughtUp at the index of the names after all shards were verified", () =>
    Effect.gen(function* () {
      const { state, steps } = yield* makeState(Effect.succeed(answer(8, names)))
      expect(Option.isSome(yield* catchUp(state))).toBe(true)
      expect(steps).toEqual(["list", "watch 10 shards", "poll", "verify", "CaughtUp 8"])
    })
  )

  it.scoped("trusts no read of before if the source failed meanwhile, which may have been a restart", () =>
    Effect.gen(function* () {
      let isFirst = true
      const listed = Effect.suspend(() => {
        if (!isFirst) return Effect.succeed(answer(8, names))
        isFirst = false
        return new Unreachable({ request: "keys", address: "agent", reason: "refused" })
      })
      const { state, steps } = yield* makeState(listed)
      yield* catchUp(state)
      expect(steps).toEqual(["list", "list", "watch 10 shards", "poll without trust", "verify", "CaughtUp 8"])
    })
  )

  it.scoped("ends without a CaughtUp if the names have an older index: the source has another history", () =>
    Effect.gen(function* () {
      const { state, steps } = yield* makeState(Effect.succeed(answer(6, names)))
      expect(Option.isNone(yield* catchUp(state))).toBe(true)
      expect(steps).toEqual(["list"])
    })
  )

  it.scoped("ends without a CaughtUp if the names have an older index than a range that was emitted", () =>
    Effect.gen(function* () {
      const { state, steps } = yield* makeState(Effect.succeed(answer(8, names)))
      const invalidUtf8Keys = ["a/\uFFFD"]
      const read = { entries: [], invalidUtf8Keys, malformed: [], range: KeyRange.under(prefix) }
      yield* state.shards.reader.emitRange({ ...read, index: 9 })
      expect(Option.isNone(yield* catchUp(state))).toBe(true)
      expect(steps).toEqual(["list"])
    })
  )

  it.effect("counts as active only if ranges were emitted in the second half of a pause", () =>
    Effect.gen(function* () {
      let emitted = 0
      const shards = { activity: Effect.sync(() => emitted) }
      const active = yield* Effect.fork(ShardedWatch.isActiveAfter({ shards }, Duration.seconds(2)))
      yield* TestClock.adjust("500 millis")
      emitted += 1
      yield* TestClock.adjust("2 seconds")
      expect(yield* Fiber.join(active)).toBe(false)
      const activeLater = yield* Effect.fork(ShardedWatch.isActiveAfter({ shards }, Duration.seconds(2)))
      yield* TestClock.adjust("1500 millis")
      emitted += 1
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(activeLater)).toBe(true)
    })
  )
})
