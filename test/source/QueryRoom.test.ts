import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import type { Answer } from "../../src/ConsulHttp.js"
import type * as BlockingQuery from "../../src/internal/consul/BlockingQuery.js"
import * as QueryPool from "../../src/internal/source/QueryPool.js"
import * as QueryRoom from "../../src/internal/source/QueryRoom.js"

const answer: Answer<string> = { value: "new", index: 8, knownLeader: true, lastContact: 0 }
const from = (index: number): BlockingQuery.Request => ({ index, wait: Duration.minutes(3) })

/** Two pools of queries that block for three minutes, in one room. */
const pools = (most: { room: number }) =>
  Effect.gen(function* () {
    const room = QueryRoom.make(() => most.room)
    const [one, two] = [yield* QueryPool.make(8, room), yield* QueryPool.make(8, room)]
    const state = { open: 0, sent: 0 }
    const query = Effect.acquireUseRelease(
      Effect.sync(() => {
        state.open += 1
        state.sent += 1
      }),
      () => Effect.delay(Effect.succeed(answer), "3 minutes"),
      () =>
        Effect.sync(() => {
          state.open -= 1
        })
    )
    const ask = (pool: QueryPool.QueryPool, of: string) =>
      Effect.zipLeft(Effect.fork(pool.ask({ kind: "keys", of }, from(7), query)), TestClock.adjust(0))
    return { ask, one, room, state, two }
  })

describe("the room for queries", () => {
  it.scoped("is shared by all pools: the next query waits until another has ended", () =>
    Effect.gen(function* () {
      const { ask, one, state, two } = yield* pools({ room: 2 })
      yield* ask(one, "a")
      yield* TestClock.adjust("1 minute")
      yield* ask(two, "b")
      const last = yield* ask(two, "c")
      expect(state.open).toBe(2)
      yield* TestClock.adjust("2 minutes")
      expect([state.open, state.sent]).toEqual([2, 3])
      yield* TestClock.adjust("3 minutes")
      expect(yield* Fiber.join(last)).toMatchObject(answer)
    })
  )

  it.scoped("gives the place of an idle query to one that a fiber waits for", () =>
    Effect.gen(function* () {
      const { ask, one, state, two } = yield* pools({ room: 2 })
      const [a, b] = [yield* ask(one, "a"), yield* ask(one, "b")]
      const c = yield* ask(two, "c")
      expect(state.sent).toBe(2)
      yield* Fiber.interrupt(a)
      yield* TestClock.adjust(0)
      expect([state.open, state.sent]).toEqual([2, 3])
      yield* TestClock.adjust("3 minutes")
      for (const fiber of [b, c]) expect(yield* Fiber.join(fiber)).toMatchObject(answer)
    })
  )

  it.scoped("does not end a query that a fiber waits for again", () =>
    Effect.gen(function* () {
      const { ask, one, state, two } = yield* pools({ room: 1 })
      yield* Fiber.interrupt(yield* ask(one, "a"))
      const again = yield* ask(one, "a")
      yield* ask(two, "b")
      expect([state.open, state.sent]).toEqual([1, 1])
      yield* TestClock.adjust("3 minutes")
      expect(yield* Fiber.join(again)).toMatchObject(answer)
      expect(state.sent).toBe(2)
    })
  )

  it.scoped("abandons no more queries than it has places while Consul keeps their connections", () =>
    Effect.gen(function* () {
      const { ask, one, state } = yield* pools({ room: 2 })
      for (const of of ["a", "b", "c", "d"]) yield* Fiber.interrupt(yield* ask(one, of))
      // Two were abandoned for c and d. The next query waits for the end of c or d.
      const last = yield* ask(one, "e")
      expect(state.sent).toBe(4)
      yield* TestClock.adjust("3 minutes")
      expect(state.sent).toBe(5)
      yield* Fiber.interrupt(last)
      yield* TestClock.adjust("16 seconds")
      for (const of of ["f", "g"]) yield* ask(one, of)
      expect(state.sent).toBe(7)
    })
  )

  it.scoped("that grows admits waiting queries in their order", () =>
    Effect.gen(function* () {
      const most = { room: 1 }
      const { ask, one, room, state, two } = yield* pools(most)
      yield* ask(one, "a")
      const [b, c] = [yield* ask(two, "b"), yield* ask(one, "c")]
      most.room = 2
      yield* room.adjust
      yield* TestClock.adjust("3 minutes")
      expect([Option.isSome(yield* Fiber.poll(b)), Option.isSome(yield* Fiber.poll(c))]).toEqual([
        true,
        false
      ])
      expect(state.open).toBe(1)
    })
  )

  it.scoped("that shrinks ends idle queries and no others", () =>
    Effect.gen(function* () {
      const most = { room: 4 }
      const { ask, one, room, state, two } = yield* pools(most)
      for (const of of ["a", "b"]) yield* Fiber.interrupt(yield* ask(one, of))
      const c = yield* ask(two, "c")
      yield* ask(two, "d")
      most.room = 1
      yield* room.adjust
      yield* TestClock.adjust(0)
      // One query was abandoned: Consul may keep one more connection than there is room, and not two.
      expect(state.open).toBe(3)
      most.room = 2
      yield* Fiber.interrupt(c)
      yield* TestClock.adjust(0)
      expect(state.open).toBe(2)
    })
  )

  it.scoped("is left by a query that was interrupted while it waited", () =>
    Effect.gen(function* () {
      const { state } = yield* pools({ room: 1 })
      const room = QueryRoom.make(() => 1)
      const occupant = { isIdle: () => false, abandon: () => Effect.void }
      const within = () =>
        Effect.zipLeft(Effect.fork(room.within({ ...occupant }, Effect.never)), TestClock.adjust(0))
      const first = yield* within()
      yield* Fiber.interrupt(yield* within())
      yield* Fiber.interrupt(first)
      expect(yield* room.within({ ...occupant }, Effect.succeed(state.open))).toBe(0)
    })
  )
})
