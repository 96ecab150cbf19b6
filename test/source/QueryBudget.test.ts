import * as HttpClientError from "@effect/platform/HttpClientError"
import { describe, expect, it as plain } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { identity } from "effect/Function"
import * as TestClock from "effect/TestClock"
import { TooManyConnections } from "../../src/ConsulError.js"
import { NewConnection } from "../../src/internal/consul/NewConnection.js"
import { ClosedUnused } from "../../src/internal/consul/Words.js"
import * as QueryBudget from "../../src/internal/source/QueryBudget.js"
import { SimConsul } from "../../src/testing/index.js"
import type * as Network from "../../src/testing/Network.js"
import * as World from "../../src/testing/World.js"
import * as Events from "../support/Events.js"
import * as Replicating from "../support/Replicating.js"
import { watching } from "../support/Watching.js"

const { it, named, put, until } = Replicating
const { source } = World

/** An agent that takes `room` requests at once, and closes the connections of all others. */
const crowded = (room: number) => {
  const agent = { room, open: 0, refused: 0 }
  const fault: Network.Fault = ({ request }, pass) =>
    Effect.suspend(() => {
      if (agent.open >= agent.room) {
        agent.refused += 1
        return Effect.fail(
          new HttpClientError.RequestError({ request, reason: "Transport", cause: new ClosedUnused() })
        )
      }
      agent.open += 1
      return Effect.ensuring(
        pass,
        Effect.sync(() => {
          agent.open -= 1
        })
      )
    })
  return { agent, fault }
}

describe("a watch of an agent that takes only so many connections", () => {
  it("has fewer queries while there is no room for all, misses nothing, and has all again when there is", () =>
    Effect.gen(function* () {
      yield* put(source, ...[..."abcdefghij"].flatMap((letter) => named(10, letter)))
      const instance = yield* World.instance()
      const { agent, fault } = crowded(9)
      yield* instance.network.disturb(fault)
      const { isComplete, isRight } = yield* watching(instance, { keysEach: 12 })
      yield* until(isComplete)
      yield* Effect.sleep("1 minute")
      expect(agent.refused).toBeGreaterThan(0)
      expect(Events.troubles(instance, "Connections")).toHaveLength(1)
      yield* Effect.flatMap(SimConsul.SimConsul, (sim) => sim.put(source, "global/c7", "other"))
      yield* Effect.sleep("2 minutes")
      expect(yield* isRight).toBe(true)
      // One for the whole and at most six for parts: there is room for others.
      expect(agent.open).toBeLessThanOrEqual(7)
      const { refused } = agent
      expect(refused).toBeLessThan(30)
      agent.room = 100
      yield* Effect.sleep("2 hours")
      // One for the whole and one for each letter.
      expect([agent.open, agent.refused]).toEqual([11, refused])
      expect(Events.recovered(instance, "Connections")).toHaveLength(1)
      expect(Events.of(instance, "QueryBudgetChanged").at(-1)).toMatchObject({ share: 1 })
    }))
})

describe("the budget of queries", () => {
  plain.scoped("is halved once by all refusals of one moment, and never below four", () =>
    Effect.gen(function* () {
      const budget = yield* QueryBudget.make("agent")
      expect(yield* budget.allowed(56)).toBe(56)
      for (let i = 0; i < 50; i++) yield* budget.refused("full")
      expect(yield* budget.allowed(56)).toBe(28)
      for (const left of [14, 7, 4, 4]) {
        yield* TestClock.adjust("5 seconds")
        yield* budget.refused("full")
        expect(yield* budget.allowed(56)).toBe(left)
      }
      expect(yield* budget.allowed(2)).toBe(2)
    })
  )

  plain.scoped("is halved again only when the waits are over of the queries that were sent before", () =>
    Effect.gen(function* () {
      const budget = yield* QueryBudget.make("agent")
      yield* TestClock.adjust("1 hour")
      expect(Duration.toSeconds(yield* budget.wait(Duration.hours(1)))).toBe(180)
      yield* budget.refused("full")
      yield* TestClock.adjust("190 seconds")
      yield* budget.refused("full")
      expect(yield* budget.allowed(56)).toBe(28)
      yield* TestClock.adjust("2 seconds")
      yield* budget.refused("full")
      expect(yield* budget.allowed(56)).toBe(14)
    })
  )

  plain.scoped("grows step by step, with short waits first, and more seldom where a step was too much", () =>
    Effect.gen(function* () {
      const budget = yield* QueryBudget.make("agent")
      /** How long it takes until more than `used` are allowed. */
      const growth = (used: number) =>
        Effect.gen(function* () {
          const before = yield* Clock.currentTimeMillis
          const waiting = yield* Effect.fork(budget.changed(56, used))
          while ((yield* Fiber.poll(waiting))._tag === "None") yield* TestClock.adjust("10 seconds")
          return Duration.minutes(((yield* Clock.currentTimeMillis) - before) / 60_000).pipe(
            Duration.toMinutes
          )
        })
      yield* budget.refused("full")
      const first = yield* growth(28)
      expect(first).toBeGreaterThanOrEqual(5)
      expect(first).toBeLessThan(8)
      expect(yield* budget.allowed(56)).toBe(35)
      expect(Duration.toSeconds(yield* budget.wait(Duration.hours(1)))).toBeLessThan(30)
      yield* budget.refused("full")
      expect(yield* budget.allowed(56)).toBe(17)
      const second = yield* growth(17)
      expect(second).toBeGreaterThanOrEqual(10)
      expect(second).toBeLessThan(16)
      yield* TestClock.adjust("3 hours")
      expect(yield* budget.allowed(56)).toBe(56)
    })
  )

  plain.scoped("is lowered by a new connection that is refused while all others stay open", () =>
    Effect.gen(function* () {
      const budget = yield* QueryBudget.make("agent")
      let asked = 0
      const ask = Effect.suspend(() => {
        asked += 1
        return new TooManyConnections({ request: "GET /", address: "http://agent", isAnswered: true })
      })
      let queries = 4
      const probing = budget.probe(
        ask,
        Effect.sync(() => queries)
      )
      // A client that cannot open a new connection is asked nothing.
      yield* probing
      yield* probing.pipe(Effect.provideService(NewConnection, { over: identity }), Effect.forkScoped)
      yield* TestClock.adjust("2 minutes")
      expect(asked).toBe(0)
      queries = 56
      yield* TestClock.adjust("2 minutes")
      expect(asked).toBeGreaterThan(0)
      expect(yield* budget.allowed(56)).toBeLessThan(56)
    })
  )
})
