import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { RateLimited } from "../../src/ConsulError.js"
import * as Blocking from "../../src/internal/Blocking.js"
import * as Schedules from "../../src/Schedules.js"

const answered = (index: number) => ({ value: "", index, knownLeader: true, lastContact: 0 })

/** Asks from index 7, known so long ago, a source that is still at 7, and answers with the index it was asked with. */
const askedAfter = (age: Duration.DurationInput) =>
  Effect.gen(function* () {
    const from: Blocking.From = { index: 7, at: yield* Clock.currentTimeMillis }
    yield* TestClock.adjust(age)
    const { ask } = yield* Blocking.make()
    return yield* ask(from, Duration.zero, ({ index }) => Effect.succeed({ ...answered(7), value: index }))
  })

describe("Blocking", () => {
  it.effect("goes on from an answer that is not old", () =>
    Effect.gen(function* () {
      const { isFresh, value } = yield* askedAfter(Duration.subtract(Schedules.indexTrust, 1))
      expect({ isFresh, value }).toEqual({ isFresh: false, value: 7 })
    })
  )

  it.effect("starts over from one that is: what happened since may be forgotten", () =>
    Effect.gen(function* () {
      const { isFresh, next, value } = yield* askedAfter(Schedules.indexTrust)
      expect({ isFresh, value }).toEqual({ isFresh: true, value: 0 })
      expect(next).toEqual({ index: 7, at: yield* Clock.currentTimeMillis })
    })
  )

  it.effect("asks ever more seldom where only what may block fails, until that is answered", () =>
    Effect.gen(function* () {
      const { ask } = yield* Blocking.make()
      const at: Array<number> = []
      let isHealed = false
      const query = ({ index }: Blocking.Wait) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          if (index === 0) return Effect.succeed(answered(7))
          at.push(now)
          return isHealed
            ? Effect.succeed(answered(index + 1))
            : Effect.fail(new RateLimited({ request: "" }))
        })
      const asking = Effect.iterate(Blocking.start, {
        while: () => true,
        body: (from) => Effect.map(ask(from, Duration.minutes(1), query), ({ next }) => next)
      })
      const fiber = yield* Effect.fork(asking)
      yield* TestClock.adjust("10 minutes")
      // 5 s at most, less some jitter.
      expect(at.length).toBeGreaterThan(100)
      expect(at.length).toBeLessThan(160)
      yield* Fiber.interrupt(fiber)
      isHealed = true
      const { next } = yield* ask({ index: 7, at: yield* Clock.currentTimeMillis }, Duration.zero, query)
      isHealed = false
      const before = yield* Clock.currentTimeMillis
      const again = yield* Effect.fork(ask(next, Duration.zero, query))
      yield* TestClock.adjust("150 millis")
      expect((yield* Fiber.join(again)).next.at - before).toBeLessThanOrEqual(150)
    })
  )
})
