import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fc from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import * as Deadlines from "../../src/internal/effect/Deadlines.js"

const shortest = Duration.seconds(10)

const late = (limit: Duration.Duration) => Effect.fail(`nothing within ${Duration.format(limit)}`)

describe("Time limits", () => {
  it.effect("are kept to the millisecond, and end what they limit", () =>
    Effect.gen(function* () {
      const { withDeadline: within } = Deadlines.make(shortest)
      let isEnded = false
      const endless = Effect.onInterrupt(Effect.never, () =>
        Effect.sync(() => {
          isEnded = true
        })
      )
      yield* TestClock.adjust("3 seconds")
      const fiber = yield* Effect.fork(Effect.flip(within(shortest, () => endless, late)))
      yield* TestClock.adjust(9_999)
      expect(yield* Fiber.poll(fiber)).toMatchObject({ _tag: "None" })
      yield* TestClock.adjust(1)
      expect(yield* Fiber.join(fiber)).toBe("nothing within 10s")
      expect(isEnded).toBe(true)
    })
  )

  it.effect.each([-3_600_000, 3_600_000])("are kept while somebody sets the clock by %d ms", (step) =>
    Effect.gen(function* () {
      const { withDeadline: within } = Deadlines.make(shortest)
      const clock = yield* Effect.clock
      let offset = 0
      const millis = () => clock.unsafeCurrentTimeMillis() + offset
      const set: Clock.Clock = {
        [Clock.ClockTypeId]: Clock.ClockTypeId,
        unsafeCurrentTimeMillis: millis,
        currentTimeMillis: Effect.sync(millis),
        unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
        currentTimeNanos: clock.currentTimeNanos,
        sleep: (duration) => clock.sleep(duration)
      }
      const limited = Effect.withClock(
        within(shortest, () => Effect.never, late),
        set
      )
      const fiber = yield* Effect.fork(Effect.flip(limited))
      yield* TestClock.adjust("1 second")
      offset = step
      yield* TestClock.adjust(8_999)
      expect(yield* Fiber.poll(fiber)).toMatchObject({ _tag: "None" })
      yield* TestClock.adjust(1)
      expect(yield* Fiber.join(fiber)).toBe("nothing within 10s")
    })
  )

  it.effect.prop(
    "are those of each effect, however many are under way and whenever they begin",
    [
      fc.array(
        fc.record({
          begins: fc.nat(60_000),
          takes: fc.nat(60_000),
          limit: fc.integer({ min: 10_000, max: 40_000 }),
          renewed: fc.option(
            fc.record({ after: fc.nat(9_999), limit: fc.integer({ min: 10_000, max: 40_000 }) })
          )
        }),
        { minLength: 1, maxLength: 8 }
      )
    ],
    ([all]) =>
      Effect.gen(function* () {
        const { withDeadline: within } = Deadlines.make(shortest)
        const fibers = yield* Effect.forEach(all, ({ begins, limit, renewed, takes }) =>
          Effect.gen(function* () {
            yield* Effect.sleep(begins)
            const exit = yield* Effect.exit(
              within(
                Duration.millis(limit),
                (renew) =>
                  Effect.gen(function* () {
                    const first = Math.min(takes, renewed?.after ?? takes)
                    yield* Effect.sleep(first)
                    if (renewed !== null) renew(Duration.millis(renewed.limit))
                    yield* Effect.sleep(takes - first)
                    return "done"
                  }),
                () => Effect.fail("late" as const)
              )
            )
            const at = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
            return { took: at - begins, exit }
          }).pipe(Effect.fork)
        )
        yield* TestClock.adjust("3 minutes")
        for (const [i, { limit, renewed, takes }] of all.entries()) {
          const { exit, took } = yield* Fiber.join(fibers[i] ?? Fiber.never)
          const until = renewed === null ? limit : Math.min(takes, renewed.after) + renewed.limit
          // At the same millisecond, either may be first.
          if (takes < until) expect({ exit, took }).toEqual({ exit: Exit.succeed("done"), took: takes })
          if (takes > until) expect({ exit, took }).toEqual({ exit: Exit.fail("late"), took: until })
        }
      }),
    { fastCheck: { numRuns: 30 } }
  )

  it.effect("are prolonged as often as somebody says so, and then end what they limit", () =>
    Effect.gen(function* () {
      const { withDeadline: within } = Deadlines.make(shortest)
      let left = 3
      const more = () =>
        left-- > 0 ? Effect.delay(Effect.succeed(shortest), "1 second") : Effect.fail("late")
      const fiber = yield* Effect.fork(Effect.flip(within(shortest, () => Effect.never, more)))
      yield* TestClock.adjust(4 * 10_000 + 3 * 1_000 - 1)
      expect(yield* Fiber.poll(fiber)).toMatchObject({ _tag: "None" })
      yield* TestClock.adjust(1)
      expect(yield* Fiber.join(fiber)).toBe("late")
      const before = yield* roots
      left = 3
      const soon = within(shortest, () => Effect.sleep("10500 millis"), more)
      const done = yield* Effect.fork(soon)
      yield* TestClock.adjust("12 seconds")
      yield* Fiber.join(done)
      yield* Effect.yieldNow()
      expect((yield* roots) - before).toBe(0)
    })
  )

  it.effect("go on for what is prolonged while all else that is limited ends", () =>
    Effect.gen(function* () {
      const { withDeadline: within } = Deadlines.make(shortest)
      let left = 1
      const more = () =>
        left-- > 0 ? Effect.delay(Effect.succeed(shortest), "1 second") : Effect.fail("late")
      const prolonged = yield* Effect.fork(Effect.flip(within(shortest, () => Effect.never, more)))
      const other = yield* Effect.fork(Effect.flip(within(shortest, () => Effect.never, late)))
      yield* TestClock.adjust(shortest)
      expect(yield* Fiber.join(other)).toBe("nothing within 10s")
      yield* TestClock.adjust("11 seconds")
      expect(yield* Fiber.join(prolonged)).toBe("late")
    })
  )

  it.effect("hold where the one who waits cannot be interrupted", () =>
    Effect.gen(function* () {
      const { withDeadline: within } = Deadlines.make(shortest)
      const fiber = yield* Effect.fork(
        Effect.uninterruptible(Effect.flip(within(shortest, () => Effect.never, late)))
      )
      yield* TestClock.adjust(shortest)
      expect(yield* Fiber.join(fiber)).toBe("nothing within 10s")
    })
  )

  it.effect("do not outlast the one who waits: what is limited ends before it does", () =>
    Effect.gen(function* () {
      const { withDeadline: within } = Deadlines.make(shortest)
      let isEnded = false
      const slowToEnd = Effect.onInterrupt(Effect.never, () =>
        Effect.zipRight(
          Effect.sleep("1 second"),
          Effect.sync(() => {
            isEnded = true
          })
        )
      )
      const fiber = yield* Effect.fork(within(shortest, () => slowToEnd, late))
      yield* TestClock.adjust("1 second")
      const interrupting = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(interrupting)
      expect(isEnded).toBe(true)
    })
  )

  it.effect("leave nothing running once nothing is limited, however it ended", () =>
    Effect.gen(function* () {
      const { withDeadline: within } = Deadlines.make(shortest)
      const before = yield* roots
      const limited = (seconds: number) => within(shortest, () => Effect.sleep(seconds * 1_000), late)
      const fibers = yield* Effect.forEach([1, 2, 20], (seconds) => Effect.fork(limited(seconds)))
      // One that is interrupted before it has begun to wait.
      const early = yield* Effect.fork(limited(5))
      yield* Fiber.interrupt(early)
      yield* TestClock.adjust("1 second")
      expect((yield* roots) - before).toBeGreaterThan(0)
      yield* TestClock.adjust("9 seconds")
      yield* Fiber.awaitAll(fibers)
      yield* Effect.yieldNow()
      expect((yield* roots) - before).toBe(0)
    })
  )
})

/** How many fibers run that belong to no other. */
const roots = Effect.map(Fiber.roots, (fibers) => [...fibers].length)
