import { describe, expect, it } from "@effect/vitest"
import * as Array from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { AnswerTooLarge } from "../../src/ConsulError.js"
import type { Answer } from "../../src/ConsulHttp.js"
import * as Liveness from "../../src/internal/source/Liveness.js"
import * as PartReader from "../../src/internal/source/PartReader.js"
import type { SourceReader } from "../../src/internal/source/SourceReader.js"
import * as KeyRange from "../../src/KeyRange.js"
import { makeShards } from "../support/Sharding.js"

const answer = <A>(value: A): Answer<A> => ({ value, index: 7, knownLeader: true, lastContact: 0 })

/** A source in which nothing ever changes, and how often it was asked. */
const makeSource = () => {
  let asked = 0
  const counted = <A>(value: A) =>
    Effect.suspend(() => {
      asked += 1
      return Effect.succeed(answer(value))
    })
  const source: SourceReader = {
    read: () => counted({ entries: [], invalidUtf8Keys: [], malformed: [] }),
    newer: () => Effect.delay(counted(Option.none()), "5 millis"),
    moved: () => Effect.delay(counted(true), "5 millis"),
    presence: () => Effect.succeed({ absent: new Set(), unreadable: new Set(), created: new Map() }),
    names: () => counted([]),
    isNameable: () => true,
    failed: () => Effect.void,
    answered: Effect.void
  }
  return { source, asked: () => asked }
}

const range = KeyRange.under("a")

describe("shards", () => {
  it.scoped.each(Array.range(0, 5))(
    "ask nothing any more when the watch has ended that was stopping one, interrupted after %i steps",
    (steps) =>
      Effect.gen(function* () {
        const { asked, source } = makeSource()
        const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
        const shards = yield* Scope.extend(makeShards({ source, liveness: yield* Liveness.make }), scope)
        yield* shards.watch([{ range, parts: [range] }])
        yield* shards.awaitFirstRead
        yield* shards.startBlocking
        yield* TestClock.adjust("1 second")
        expect(asked()).toBeGreaterThan(0)
        const stopping = yield* Effect.fork(shards.watch([]))
        yield* Effect.repeatN(Effect.yieldNow(), steps)
        yield* Fiber.interrupt(stopping)
        yield* Scope.close(scope, Exit.void)
        yield* TestClock.adjust("1 second")
        const before = asked()
        yield* TestClock.adjust("1 minute")
        expect(asked()).toBe(before)
      })
  )

  it.scoped("of which one is too heavy count as silent about its keys until the next layout", () =>
    Effect.gen(function* () {
      const liveness = yield* Liveness.make
      const tooLarge = Effect.fail(new AnswerTooLarge({ request: "keys under a", maxBytes: 1 }))
      const shards = yield* makeShards({ source: { ...makeSource().source, read: () => tooLarge }, liveness })
      yield* shards.watch([{ range, parts: [range] }])
      yield* shards.tooHeavy
      yield* TestClock.adjust("1 minute")
      // The source is heard about all other ranges.
      yield* shards.pollUnwatched([], PartReader.fullTrust)
      expect(Duration.toSeconds(yield* liveness.silence)).toBe(60)
      yield* shards.watch([])
      expect(Duration.toSeconds(yield* liveness.silence)).toBe(0)
    })
  )
})
