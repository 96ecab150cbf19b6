import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fc from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as PartitionedSemaphore from "effect/PartitionedSemaphore"
import * as Scheduler from "effect/Scheduler"
import * as TestClock from "effect/TestClock"
import * as FifoSemaphore from "../../src/internal/effect/FifoSemaphore.js"

/** How many tasks the scheduler runs while as many fibers as given use one permit, one after another. */
const tasksOf = (withPermit: FifoSemaphore.FifoSemaphore, fibers: number) =>
  Effect.gen(function* () {
    const scheduler = new Scheduler.MixedScheduler(2048)
    let tasks = 0
    const counting: Scheduler.Scheduler = {
      shouldYield: (fiber) => scheduler.shouldYield(fiber),
      scheduleTask: (task, priority, fiber) => {
        tasks += 1
        scheduler.scheduleTask(task, priority, fiber)
      }
    }
    yield* Effect.all(Effect.replicate(withPermit(Effect.yieldNow()), fibers), {
      concurrency: "unbounded",
      discard: true
    }).pipe(Effect.withScheduler(counting))
    return tasks
  })

describe("why Effect's own semaphores (3.22) are not used", () => {
  it.effect(
    "a release of Effect.Semaphore wakes all fibers that wait, so that the work grows as their square",
    () =>
      Effect.gen(function* () {
        const own = yield* Effect.makeSemaphore(1)
        const few = yield* tasksOf(own.withPermits(1), 20)
        const many = yield* tasksOf(own.withPermits(1), 200)
        expect(many).toBeGreaterThan(50 * few)
        const fifo = FifoSemaphore.make(1)
        expect(yield* tasksOf(fifo, 200)).toBeLessThan(20 * (yield* tasksOf(fifo, 20)))
      })
  )

  it.effect("PartitionedSemaphore loses the permit of a fiber that is interrupted at its turn", () =>
    Effect.gen(function* () {
      const own = yield* PartitionedSemaphore.make<string>({ permits: 1 })
      const isFree = (withPermit: FifoSemaphore.FifoSemaphore) =>
        Effect.gen(function* () {
          const holder = yield* Effect.fork(withPermit(Effect.never))
          const waiter = yield* Effect.fork(withPermit(Effect.never))
          yield* Effect.yieldNow()
          // The permit goes to the waiter when the holder ends. It is interrupted before it runs again.
          holder.addObserver(() => waiter.unsafeInterruptAsFork(holder.id()))
          yield* Fiber.interrupt(holder)
          yield* Fiber.await(waiter)
          const next = yield* Effect.fork(withPermit(Effect.void))
          yield* Effect.repeatN(Effect.yieldNow(), 10)
          const exit = yield* Fiber.poll(next)
          yield* Fiber.interruptFork(next)
          return exit._tag === "Some"
        })
      expect(yield* isFree(own.withPermits("all", 1))).toBe(false)
      expect(yield* isFree(FifoSemaphore.make(1))).toBe(true)
    })
  )
})

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
