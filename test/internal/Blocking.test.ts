import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import * as Blocking from "../../src/internal/Blocking.js"
import * as Schedules from "../../src/Schedules.js"

const answered = (index: number) => ({ value: "", index, knownLeader: true, lastContact: 0 })

/** Asks from index 7, known so long ago, a source that is still at 7, and answers with the index it was asked with. */
const askedAfter = (age: Duration.DurationInput) =>
  Effect.gen(function* () {
    const from: Blocking.From = { index: 7, at: yield* Clock.currentTimeMillis }
    yield* TestClock.adjust(age)
    return yield* Blocking.ask(from, Duration.zero, ({ index }) =>
      Effect.succeed({ ...answered(7), value: index })
    )
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
})
