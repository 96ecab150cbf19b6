import * as HttpClientError from "@effect/platform/HttpClientError"
import { describe, expect, it as plain } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { identity } from "effect/Function"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { TooManyConnections } from "../../src/ConsulError.js"
import { NewConnection } from "../../src/internal/consul/NewConnection.js"
import { ClosedUnused } from "../../src/internal/consul/Words.js"
import * as QueryBudget from "../../src/internal/source/QueryBudget.js"
import { SimConsul } from "../../src/testing/index.js"
import type * as Network from "../../src/testing/Network.js"
import * as World from "../../src/testing/World.js"
import * as Watcher from "../../src/Watcher.js"
import * as Events from "../support/Events.js"
import * as Replicating from "../support/Replicating.js"
import { watching } from "../support/Watching.js"

const { it, named, put, until } = Replicating
const { source } = World

/** An agent that accepts `room` requests at once, and closes the connections of all others. */
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

describe("a watch of an agent that accepts only a few connections", () => {
  it("has fewer queries while the agent refuses some, misses nothing, and has all again later", () =>
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
      // One for the whole prefix and at most six for shards: there is room for others.
      expect(agent.open).toBeLessThanOrEqual(7)
      const { refused } = agent
      expect(refused).toBeLessThan(30)
      agent.room = 100
      yield* Effect.sleep("2 hours")
      // One for the whole prefix and one for each letter.
      expect([agent.open, agent.refused]).toEqual([11, refused])
      expect(Events.recovered(instance, "Connections")).toHaveLength(1)
      expect(Events.of(instance, "QueryBudgetChanged").at(-1)).toMatchObject({ share: 1 })
    }))
})

/** Blocking queries of an instance that are open now, by the first letters of their keys. */
const blocked = () => {
  const open = new Map<string, number>()
  const add = (prefix: string, by: number) => open.set(prefix, (open.get(prefix) ?? 0) + by)
  const fault: Network.Fault = ({ target }, pass) => {
    const [, prefix = ""] = /^\/v1\/kv\/(\w+)\/.*[?&]index=/.exec(target) ?? []
    if (prefix === "") return pass
    return Effect.acquireUseRelease(
      Effect.sync(() => add(prefix, 1)),
      () => pass,
      () => Effect.sync(() => add(prefix, -1))
    )
  }
  const count = (...prefixes: ReadonlyArray<string>) => prefixes.map((prefix) => open.get(prefix) ?? 0)
  return { fault, count }
}

describe("the watches of one agent", () => {
  it("share its queries by their number of keys, and share again when a watch joins or leaves", () =>
    Effect.gen(function* () {
      const letters = [..."abcdefghij"]
      for (const prefix of ["one", "two"]) {
        yield* put(
          source,
          ...letters.flatMap((letter) => named(10, letter)).map((key) => key.replace("global", prefix))
        )
      }
      yield* put(source, "small/a")
      const instance = yield* World.instance()
      const { count, fault } = blocked()
      yield* instance.network.disturb(fault)
      const seen = new Set<string>()
      /** Watches a prefix until it is interrupted. */
      const watch = (prefix: string) =>
        Watcher.events({
          source: { datacenter: source },
          prefix: `${prefix}/`,
          shards: 12,
          keysEach: 12
        }).pipe(
          Stream.runForEach((events) =>
            Effect.sync(() => {
              for (const event of events) {
                if (event._tag === "Snapshot") for (const { key } of event.entries) seen.add(key)
              }
            })
          ),
          Effect.fork
        )
      const arrives = (key: string) =>
        Effect.zipRight(
          put(source, key),
          until(
            Effect.sync(() => seen.has(key)),
            "10 seconds"
          )
        )
      yield* Effect.gen(function* () {
        yield* watch("one")
        yield* Effect.sleep("20 minutes")
        // One for the whole prefix, and one for each letter.
        expect(count("one")).toEqual([11])
        yield* watch("small")
        const two = yield* watch("two")
        yield* Effect.sleep("20 seconds")
        yield* arrives("one/a_new")
        yield* arrives("two/a_new")
        yield* Effect.sleep("20 minutes")
        // Of 14 queries, one is for the whole prefix of each watch except the first. Twelve are for shards.
        expect(count("one", "two", "small")).toEqual([7, 7, 1])
        yield* Fiber.interrupt(two)
        yield* Effect.sleep("20 minutes")
        expect(count("one", "two", "small")).toEqual([11, 0, 1])
        yield* arrives("one/b_new")
      }).pipe(Effect.provide(Watcher.layerWith({ queries: 14 })), Effect.scoped, instance.run)
    }))
})

/** The budget of the only watch of an agent, which may have 56 queries. */
const alone = Effect.flatMap(QueryBudget.make("agent"), ({ join }) => join(56))

describe("the budget of queries", () => {
  plain.scoped("is halved once by all refusals of one moment, and never below four", () =>
    Effect.gen(function* () {
      const budget = yield* alone
      expect(yield* budget.allowed).toBe(56)
      for (let i = 0; i < 50; i++) yield* budget.refused("full")
      expect(yield* budget.allowed).toBe(28)
      for (const left of [14, 7, 4, 4]) {
        yield* TestClock.adjust("5 seconds")
        yield* budget.refused("full")
        expect(yield* budget.allowed).toBe(left)
      }
    })
  )

  plain.scoped("is halved again only when the waits are over of the queries that were sent before", () =>
    Effect.gen(function* () {
      const budget = yield* alone
      yield* TestClock.adjust("1 hour")
      expect(Duration.toSeconds(yield* budget.wait(Duration.hours(1)))).toBe(180)
      yield* budget.refused("full")
      yield* TestClock.adjust("190 seconds")
      yield* budget.refused("full")
      expect(yield* budget.allowed).toBe(28)
      yield* TestClock.adjust("2 seconds")
      yield* budget.refused("full")
      expect(yield* budget.allowed).toBe(14)
    })
  )

  plain.scoped("grows step by step, with short waits first, and more seldom where a step was too much", () =>
    Effect.gen(function* () {
      const budget = yield* alone
      /** How long it takes until more than `used` are allowed. */
      const growth = (used: number) =>
        Effect.gen(function* () {
          const before = yield* Clock.currentTimeMillis
          const waiting = yield* Effect.fork(budget.changed(used))
          while ((yield* Fiber.poll(waiting))._tag === "None") yield* TestClock.adjust("10 seconds")
          return Duration.minutes(((yield* Clock.currentTimeMillis) - before) / 60_000).pipe(
            Duration.toMinutes
          )
        })
      yield* budget.refused("full")
      const first = yield* growth(28)
      expect(first).toBeGreaterThanOrEqual(5)
      expect(first).toBeLessThan(8)
      expect(yield* budget.allowed).toBe(35)
      expect(Duration.toSeconds(yield* budget.wait(Duration.hours(1)))).toBeLessThan(30)
      yield* budget.refused("full")
      expect(yield* budget.allowed).toBe(17)
      const second = yield* growth(17)
      expect(second).toBeGreaterThanOrEqual(10)
      expect(second).toBeLessThan(16)
      yield* TestClock.adjust("3 hours")
      expect(yield* budget.allowed).toBe(56)
    })
  )

  plain.scoped("is lowered by a new connection that is refused while all others stay open", () =>
    Effect.gen(function* () {
      const budget = yield* alone
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
      expect(yield* budget.allowed).toBeLessThan(56)
    })
  )
})
