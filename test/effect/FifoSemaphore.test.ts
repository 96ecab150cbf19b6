import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fc from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import * as FifoSemaphore from "../../src/internal/effect/FifoSemaphore.js"

describe("Turns", () => {
  it.effect("come in order, no more than so many at once", () =>
    Effect.gen(function* () {
      const turns = FifoSemaphore.make(3)
      const begun: Array<number> = []
      let now = 0
      let most = 0
      const one = (i: number) =>
        turns(
          Effect.gen(function* () {
            begun.push(i)
            now += 1
            most = Math.max(most, now)
            yield* Effect.sleep("1 second")
            now -= 1
            return i
          })
        )
      const all = Array.from({ length: 10 }, (_, i) => i)
      const fiber = yield* Effect.fork(Effect.forEach(all, one, { concurrency: "unbounded" }))
      yield* TestClock.adjust("4 seconds")
      expect(yield* Fiber.join(fiber)).toEqual(all)
      expect(begun).toEqual(all)
      expect(most).toBe(3)
    })
  )

  it.effect("are not lost with what fails, dies or is interrupted at its turn", () =>
    Effect.gen(function* () {
      const turns = FifoSemaphore.make(1)
      expect(Exit.isFailure(yield* Effect.exit(turns(Effect.fail("no"))))).toBe(true)
      expect(Exit.isFailure(yield* Effect.exit(turns(Effect.die("no"))))).toBe(true)
      expect(Exit.isFailure(yield* Effect.exit(turns(Effect.interrupt)))).toBe(true)
      expect(yield* turns(Effect.succeed("mine"))).toBe("mine")
    })
  )

  it.effect.prop(
    "are not lost with whoever is interrupted while it waits, or at the moment when it need not any more",
    [
      fc.integer({ min: 1, max: 4 }),
      fc.array(
        fc.record({ lasts: fc.integer({ min: 0, max: 6 }), stopsAt: fc.integer({ min: 0, max: 12 }) }),
        {
          maxLength: 30
        }
      )
    ],
    ([most, all]) =>
      Effect.gen(function* () {
        const turns = FifoSemaphore.make(most)
        const yields = (count: number) => Effect.repeatN(Effect.yieldNow(), count)
        yield* Effect.forEach(
          all,
          ({ lasts, stopsAt }) =>
            Effect.gen(function* () {
              const fiber = yield* Effect.fork(turns(yields(lasts)))
              yield* yields(stopsAt)
              yield* Fiber.interrupt(fiber)
            }),
          { concurrency: "unbounded" }
        )
        // As many as there are get one now, all at once.
        let now = 0
        const met = Effect.repeat(
          Effect.suspend(() => Effect.as(Effect.yieldNow(), now)),
          { until: (count) => count === most }
        )
        const one = turns(
          Effect.suspend(() => {
            now += 1
            return met
          })
        )
        yield* Effect.all(Effect.replicate(one, most), { concurrency: "unbounded" })
      })
  )
})
