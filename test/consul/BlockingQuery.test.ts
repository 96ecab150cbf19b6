import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { type ConsulError, RateLimited, Rejected, Unreachable } from "../../src/ConsulError.js"
import * as BlockingQuery from "../../src/internal/consul/BlockingQuery.js"
import * as RequestTimes from "../../src/internal/consul/RequestTimes.js"
import * as WaitLimit from "../../src/internal/consul/WaitLimit.js"
import * as Monotonic from "../../src/internal/effect/Monotonic.js"
import * as VirtualTime from "../../src/testing/VirtualTime.js"

const answered = (index: number) => ({ value: "", index, knownLeader: true, lastContact: 0 })

/** Asks from index 7, known so long ago, a source that is still at 7, and answers with the index it was asked with. */
const askedAfter = (age: Duration.DurationInput) =>
  Effect.gen(function* () {
    const from: BlockingQuery.Cursor = { index: 7, at: yield* Monotonic.now }
    yield* TestClock.adjust(age)
    const { ask } = yield* BlockingQuery.make()
    return yield* ask(from, Duration.zero, ({ index }) => Effect.succeed({ ...answered(7), value: index }))
  })

describe("Blocking", () => {
  it.effect("goes on from an answer that is not old", () =>
    Effect.gen(function* () {
      const { wasUnconditional, value } = yield* askedAfter(Duration.subtract(RequestTimes.indexMaxAge, 1))
      expect({ wasUnconditional, value }).toEqual({ wasUnconditional: false, value: 7 })
    })
  )

  it.effect("starts over from one that is: what happened since may be forgotten", () =>
    Effect.gen(function* () {
      const { wasUnconditional, next, value } = yield* askedAfter(RequestTimes.indexMaxAge)
      expect({ wasUnconditional, value }).toEqual({ wasUnconditional: true, value: 0 })
      expect(next).toEqual({ index: 7, at: yield* Monotonic.now })
    })
  )

  it.effect("asks ever more seldom where only what may block fails, until that is answered", () =>
    Effect.gen(function* () {
      const { ask } = yield* BlockingQuery.make()
      const at: Array<number> = []
      let isHealed = false
      const query = ({ index }: BlockingQuery.Request) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          if (index === 0) return Effect.succeed(answered(7))
          at.push(now)
          return isHealed
            ? Effect.succeed(answered(index + 1))
            : Effect.fail(new RateLimited({ request: "" }))
        })
      const asking = Effect.iterate(BlockingQuery.fromScratch, {
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
      const { next } = yield* ask({ index: 7, at: yield* Monotonic.now }, Duration.zero, query)
      isHealed = false
      const before = yield* Clock.currentTimeMillis
      const again = yield* Effect.fork(ask(next, Duration.zero, query))
      yield* TestClock.adjust("150 millis")
      expect((yield* Fiber.join(again)).next.at - before).toBeLessThanOrEqual(150)
    })
  )

  it("measures the age of an answer by the clock that nobody sets", () => {
    /** The time of day goes backwards. */
    const setBack = (clock: Clock.Clock): Clock.Clock => ({
      [Clock.ClockTypeId]: Clock.ClockTypeId,
      unsafeCurrentTimeMillis: () => -clock.unsafeCurrentTimeMillis(),
      currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => -now),
      unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
      currentTimeNanos: clock.currentTimeNanos,
      sleep: (duration) => clock.sleep(duration)
    })
    const isFreshAfter = (age: Duration.Duration) =>
      Effect.clockWith((clock) =>
        Effect.gen(function* () {
          const from: BlockingQuery.Cursor = { index: 7, at: yield* Monotonic.now }
          yield* Effect.sleep(age)
          const { ask } = yield* BlockingQuery.make()
          const { wasUnconditional } = yield* ask(from, Duration.zero, () => Effect.succeed(answered(7)))
          return wasUnconditional
        }).pipe(Effect.withClock(setBack(clock)))
      )
    const young = Duration.subtract(RequestTimes.indexMaxAge, 1)
    expect(VirtualTime.runSyncExit(isFreshAfter(young), "young")).toEqual(Exit.succeed(false))
    expect(VirtualTime.runSyncExit(isFreshAfter(RequestTimes.indexMaxAge), "old")).toEqual(Exit.succeed(true))
  })

  /** Asks from index 7 for a minute; what blocks ends as given, and what does not is answered with `now`. */
  const cut = (
    end: Effect.Effect<BlockingQuery.Raw<string>, ConsulError>,
    now: Effect.Effect<BlockingQuery.Raw<string>, ConsulError>
  ) =>
    Effect.gen(function* () {
      const failures: Array<string> = []
      const asked: Array<BlockingQuery.Request> = []
      const { ask } = yield* BlockingQuery.make({
        failed: ({ _tag }) => Effect.sync(() => failures.push(_tag))
      })
      const from = { index: 7, at: yield* Monotonic.now }
      const asking = yield* Effect.fork(
        ask(from, Duration.minutes(1), (wait) => {
          asked.push(wait)
          return BlockingQuery.isNow(wait) ? now : end
        })
      )
      yield* TestClock.adjust("10 minutes")
      const { index, wasUnconditional, next } = yield* Fiber.join(asking)
      return { index, wasUnconditional, next: next.index, failures, asked: asked.map(({ index }) => index) }
    })

  const closed = new Unreachable({ request: "", address: "", reason: "socket hang up" })
  const gateway = new Rejected({ request: "", status: 504, reason: "Gateway Time-out" })

  for (const error of [closed, gateway]) {
    it.effect(`goes on where a query that had blocked for a while ends with ${error._tag}`, () =>
      Effect.gen(function* () {
        const ended = yield* cut(Effect.delay(Effect.fail(error), "20 seconds"), Effect.succeed(answered(7)))
        expect(ended).toEqual({ index: 7, wasUnconditional: false, next: 7, failures: [], asked: [7, 7] })
      })
    )

    it.effect(`and starts over where that comes soon, as ${error._tag} of a server that is gone does`, () =>
      Effect.gen(function* () {
        const failed = yield* cut(Effect.delay(Effect.fail(error), "2 seconds"), Effect.succeed(answered(7)))
        expect(failed).toMatchObject({ wasUnconditional: true, failures: [error._tag], asked: [7, 0] })
      })
    )
  }

  it.effect("starts over where the source does not answer at once after that", () =>
    Effect.gen(function* () {
      let isFirst = true
      const failed = yield* cut(
        Effect.delay(Effect.fail(closed), "20 seconds"),
        Effect.suspend(() => {
          const now = isFirst ? Effect.fail(closed) : Effect.succeed(answered(7))
          isFirst = false
          return now
        })
      )
      expect(failed).toMatchObject({ wasUnconditional: true, failures: ["Unreachable"], asked: [7, 7, 0] })
    })
  )

  it.effect("or where the source has an older index then", () =>
    Effect.gen(function* () {
      const older = yield* cut(Effect.delay(Effect.fail(closed), "20 seconds"), Effect.succeed(answered(5)))
      expect(older).toMatchObject({ index: 5, wasUnconditional: true, next: 5, asked: [7, 7, 0] })
    })
  )

  it.effect("returns no answer whose index went backwards, but what is there when it asks anew", () =>
    Effect.gen(function* () {
      const order: Array<string> = []
      const { ask } = yield* BlockingQuery.make({
        restarting: Effect.sync(() => order.push("restarting"))
      })
      const asking = yield* Effect.fork(
        ask({ index: 7, at: yield* Monotonic.now }, Duration.minutes(1), ({ index }) => {
          order.push(`from ${index}`)
          return Effect.succeed({
            ...answered(index === 0 ? 9 : 5),
            value: index === 0 ? "certain" : "doubtful"
          })
        })
      )
      yield* TestClock.adjust("1 second")
      const { next, restarted, value, wasUnconditional } = yield* Fiber.join(asking)
      expect({ index: next.index, restarted, value, wasUnconditional }).toEqual({
        index: 9,
        restarted: true,
        value: "certain",
        wasUnconditional: true
      })
      expect(order).toEqual(["from 7", "restarting", "from 0"])
    })
  )

  it.effect("asks ever more seldom where servers contradict each other about the index", () =>
    Effect.gen(function* () {
      const { ask } = yield* BlockingQuery.make()
      let count = 0
      const asking = yield* Effect.fork(
        Effect.iterate(BlockingQuery.fromScratch, {
          while: () => true,
          body: (from) =>
            Effect.map(
              ask(from, Duration.minutes(1), ({ index }) => {
                count += 1
                return Effect.succeed(answered(index === 0 ? 7 : 5))
              }),
              ({ next }) => next
            )
        })
      )
      yield* TestClock.adjust("10 minutes")
      yield* Fiber.interrupt(asking)
      // Two every 5 s, less some jitter.
      expect(count).toBeLessThan(320)
    })
  )

  it.effect("starts over once where servers answer sooner than asked, and then asks for less long", () =>
    Effect.gen(function* () {
      const { ask } = yield* BlockingQuery.make({ limit: WaitLimit.make(() => Effect.void) })
      const waits: Array<number> = []
      let restarts = 0
      const query = ({ index, wait }: BlockingQuery.Request) => {
        if (index === 0) {
          restarts += 1
          return Effect.succeed(answered(7))
        }
        waits.push(Duration.toSeconds(wait))
        return Effect.delay(Effect.succeed(answered(7)), Duration.min(wait, Duration.seconds(10)))
      }
      const asking = yield* Effect.fork(
        Effect.iterate(BlockingQuery.fromScratch, {
          while: () => true,
          body: (from) => Effect.map(ask(from, Duration.minutes(1), query), ({ next }) => next)
        })
      )
      yield* TestClock.adjust("1 minute")
      yield* Fiber.interrupt(asking)
      expect(restarts).toBe(2)
      expect(waits.slice(0, 2)).toEqual([60, 8])
    })
  )
})
