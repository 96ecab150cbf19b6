import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { type ConsulError, Rejected } from "../../src/ConsulError.js"
import type { Answer } from "../../src/ConsulHttp.js"
import * as BlockingQuery from "../../src/internal/consul/BlockingQuery.js"
import * as QueryPool from "../../src/internal/source/QueryPool.js"

const answer = (index: number): Answer<string> => ({ value: "new", index, knownLeader: true, lastContact: 0 })

const from = (index: number): BlockingQuery.Request => ({ index, wait: Duration.minutes(1) })

const keys = { kind: "keys", of: "global/" }

describe("a pooled query", () => {
  it.scoped("is joined by a fiber that asks the same after the first fiber has left", () =>
    Effect.gen(function* () {
      const pool = yield* QueryPool.make(1)
      let sent = 0
      const query = Effect.suspend(() => {
        sent += 1
        return Effect.delay(Effect.succeed(answer(8)), "1 minute")
      })
      const first = yield* Effect.fork(pool.ask(keys, from(7), query))
      yield* TestClock.adjust("30 seconds")
      yield* Fiber.interrupt(first)
      const second = yield* Effect.fork(pool.ask(keys, from(7), query))
      yield* TestClock.adjust("30 seconds")
      expect(yield* Fiber.join(second)).toMatchObject({ ...answer(8), isOver: true })
      expect(sent).toBe(1)
    })
  )

  it.scoped("is abandoned when a later index of its keys is asked for: its answer was lost", () =>
    Effect.gen(function* () {
      const pool = yield* QueryPool.make(1)
      const lost = yield* Effect.fork(pool.ask(keys, from(7), Effect.never))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(lost)
      // A query of other keys, or from an earlier index, does not make it overdue.
      const other = yield* Effect.fork(
        pool.ask({ ...keys, of: "other/" }, from(9), Effect.succeed(answer(9)))
      )
      const older = yield* Effect.fork(pool.ask(keys, from(6), Effect.succeed(answer(7))))
      yield* TestClock.adjust("1 hour")
      expect(Option.isNone(yield* Fiber.poll(other))).toBe(true)
      expect(Option.isNone(yield* Fiber.poll(older))).toBe(true)
      yield* Fiber.interruptAll([other, older])

      const next = yield* Effect.fork(
        pool.ask({ ...keys, kind: "names" }, from(9), Effect.succeed(answer(10)))
      )
      yield* TestClock.adjust("2 seconds")
      expect(yield* Fiber.join(next)).toMatchObject(answer(10))
    })
  )

  it.scoped("is no longer joined while it is being abandoned, however long that takes", () =>
    Effect.gen(function* () {
      const pool = yield* QueryPool.make(2)
      const lingering = Effect.onInterrupt(Effect.never, () => Effect.sleep("1 minute"))
      const lost = yield* Effect.fork(pool.ask(keys, from(7), lingering))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(lost)
      yield* Effect.fork(pool.ask(keys, from(9), Effect.never))
      yield* TestClock.adjust(QueryPool.shardTimeout)
      const again = yield* Effect.fork(pool.ask(keys, from(7), Effect.succeed(answer(8))))
      yield* TestClock.adjust("1 minute")
      expect(yield* Fiber.join(again)).toMatchObject(answer(8))
    })
  )

  it.scoped("is not abandoned while a fiber waits for it", () =>
    Effect.gen(function* () {
      const pool = yield* QueryPool.make(2)
      const waiting = yield* Effect.fork(
        pool.ask(keys, from(7), Effect.delay(Effect.succeed(answer(8)), "1 minute"))
      )
      yield* TestClock.adjust("1 second")
      expect(yield* pool.ask(keys, from(8), Effect.succeed(answer(9)))).toMatchObject(answer(9))
      yield* TestClock.adjust("1 minute")
      expect(yield* Fiber.join(waiting)).toMatchObject(answer(8))
    })
  )

  it.scoped("whose wait is over does not look broken off to a fiber that joined it later", () =>
    Effect.gen(function* () {
      const pool = yield* QueryPool.make(1)
      const start = yield* Clock.currentTimeMillis
      const query = Effect.delay(Effect.succeed(answer(7)), "1 minute")
      const chain = yield* BlockingQuery.make()
      const ask = chain.ask({ index: 7, at: start }, Duration.minutes(1), (wait) =>
        pool.ask(keys, wait, query)
      )
      const first = yield* Effect.fork(ask)
      yield* TestClock.adjust("30 seconds")
      yield* Fiber.interrupt(first)
      const second = yield* Effect.fork(ask)
      yield* TestClock.adjust("35 seconds")
      expect(yield* Fiber.join(second)).toMatchObject({ wasUnconditional: false, next: { index: 7 } })
    })
  )

  it.scoped("that waited for the end of another does not look silent when its wait is cut off", () =>
    Effect.gen(function* () {
      const pool = yield* QueryPool.make(1)
      const start = yield* Clock.currentTimeMillis
      yield* Effect.fork(
        pool.ask({ ...keys, of: "other/" }, from(7), Effect.delay(Effect.succeed(answer(8)), "1 minute"))
      )
      const cutOff = Effect.delay(
        Effect.fail(new Rejected({ request: "", status: 504, reason: "" })),
        "20 seconds"
      )
      const failures: Array<ConsulError> = []
      const chain = yield* BlockingQuery.make({ failed: (error) => Effect.sync(() => failures.push(error)) })
      const asked = yield* Effect.fork(
        chain.ask({ index: 7, at: start }, Duration.minutes(1), (wait) =>
          BlockingQuery.isNow(wait) ? Effect.succeed(answer(7)) : pool.ask(keys, wait, cutOff)
        )
      )
      yield* TestClock.adjust("80 seconds")
      expect(yield* Fiber.join(asked)).toMatchObject({ wasUnconditional: false, next: { index: 7 } })
      expect(failures).toEqual([])
    })
  )
})
