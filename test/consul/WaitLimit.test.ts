import * as vitest from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as WaitLimit from "../../src/internal/consul/WaitLimit.js"
import * as VirtualTime from "../../src/testing/VirtualTime.js"

const { describe, expect } = vitest

/** In time that jumps from one sleeper to the next. */
const it = (claim: string, test: Effect.Effect<void>) =>
  vitest.it(claim, () => {
    const exit = VirtualTime.runSyncExit(test, claim)
    if (Exit.isFailure(exit)) throw Cause.squash(exit.cause)
  })

const minute = Duration.minutes(1)
const seconds = Duration.seconds

const make = () => {
  const said: Array<string> = []
  const limit = WaitLimit.make((limit) => Effect.sync(() => said.push(Duration.format(limit))))
  return { limit, said }
}

/** A query that something ends after `most`, as long as it would wait for longer. */
const query = (limit: WaitLimit.WaitLimit, most: Duration.Duration, wanted = minute) =>
  Effect.gen(function* () {
    const wait = yield* limit.next(wanted)
    const isCut = Duration.greaterThan(wait, most)
    yield* Effect.sleep(isCut ? most : wait)
    yield* isCut ? limit.ended(most) : limit.lasted(wait)
    return { wait, isCut }
  })

describe("the limit of waits", () => {
  it(
    "is none until a query was ended",
    Effect.gen(function* () {
      const { limit } = make()
      expect(yield* limit.next(minute)).toEqual(minute)
    })
  )

  it(
    "is shorter than what was ended, with room for the sixteenth that servers add",
    Effect.gen(function* () {
      const { limit } = make()
      yield* limit.ended(seconds(20))
      const wait = yield* limit.next(minute)
      expect(Duration.toSeconds(wait)).toBe(16)
      expect(Duration.toSeconds(wait) * (17 / 16)).toBeLessThan(20)
      expect(yield* limit.next(seconds(3))).toEqual(seconds(3))
    })
  )

  it(
    "is said once, when it was seen at a second moment",
    Effect.gen(function* () {
      const { limit, said } = make()
      // Queries that were asked together end together.
      yield* limit.ended(seconds(20))
      yield* limit.ended(seconds(20))
      expect(said).toEqual([])
      for (let i = 0; i < 500; i++) yield* query(limit, seconds(20))
      expect(said).toEqual(["20s"])
    })
  )

  it(
    "is tried again ever more seldom while it stays, with one query each time",
    Effect.gen(function* () {
      const { limit } = make()
      yield* query(limit, seconds(20))
      let cut = 0
      // A day.
      for (let i = 0; i < 5_400; i++) if ((yield* query(limit, seconds(20))).isCut) cut += 1
      expect(cut).toBeGreaterThan(3)
      expect(cut).toBeLessThan(12)
    })
  )

  it(
    "goes when waits last again",
    Effect.gen(function* () {
      const { limit, said } = make()
      yield* query(limit, seconds(20))
      for (let i = 0; i < 100; i++) yield* query(limit, Duration.minutes(10), Duration.minutes(3))
      expect(yield* limit.next(Duration.minutes(3))).toEqual(Duration.minutes(3))
      expect(said).toEqual([])
    })
  )
})
