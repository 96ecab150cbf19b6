import { describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as EventHub from "../../src/internal/report/EventHub.js"
import { type ReplicationEvent, ReplicationEvents } from "../../src/ReplicationEvent.js"
import * as Replicator from "../../src/Replicator.js"
import * as World from "../../src/testing/World.js"
import * as Replicating from "../support/Replicating.js"

const event = (at: number): ReplicationEvent => ({
  _tag: "QueryBudgetChanged",
  at,
  address: "agent",
  share: 1
})

const silent = { consume: () => Effect.void, wantsRequests: () => false }

const publish = (hub: EventHub.EventHub, from: number, to: number) =>
  Effect.forEach(
    Array.from({ length: to - from }, (_, i) => from + i),
    (at) => hub.consume(event(at)),
    {
      discard: true
    }
  )

const numbers = (events: Iterable<ReplicationEvent>) =>
  Array.from(events, (event) => (event._tag === "EventsLost" ? `lost ${event.count}` : event.at))

describe("a hub of events", () => {
  it.scoped("gives a subscriber what happens from its subscription on, up to the last event", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const hub = yield* Scope.extend(EventHub.make(silent), scope)
      yield* publish(hub, 0, 3)
      const stream = yield* hub.subscribe
      yield* publish(hub, 3, 6)
      yield* Scope.close(scope, Exit.void)
      expect(numbers(yield* Stream.runCollect(stream))).toEqual([3, 4, 5])
      expect(numbers(yield* Stream.runCollect(yield* hub.subscribe))).toEqual([])
    })
  )

  it.scoped("is never held up by a subscriber that does not read, which learns how many events it lost", () =>
    Effect.gen(function* () {
      const hub = yield* EventHub.make(silent, { capacity: 16 })
      const slow = yield* hub.subscribe
      const fast = yield* hub.subscribe
      const reading = yield* Effect.fork(Stream.runCollect(Stream.take(fast, 100)))
      for (let at = 0; at < 100; at += 10) {
        yield* publish(hub, at, at + 10)
        yield* Effect.yieldNow()
        yield* Effect.yieldNow()
        yield* Effect.yieldNow()
        yield* Effect.yieldNow()
      }
      expect(numbers(yield* Fiber.join(reading))).toEqual(Array.from({ length: 100 }, (_, i) => i))
      const late = yield* Stream.runCollect(Stream.take(slow, 17))
      expect(numbers(late)).toEqual(["lost 84", ...Array.from({ length: 16 }, (_, i) => 84 + i)])
    })
  )

  it.scoped("gives each event to its own consumer before the one that emits it goes on", () =>
    Effect.gen(function* () {
      const seen: Array<number> = []
      const hub = yield* EventHub.make({
        ...silent,
        consume: ({ at }) => Effect.sync(() => void seen.push(at))
      })
      yield* hub.consume(event(1))
      expect(seen).toEqual([1])
    })
  )

  it.scoped("wants an event for each request only while there is a subscriber", () =>
    Effect.gen(function* () {
      const hub = yield* EventHub.make(silent)
      expect(
        yield* Effect.withFiberRuntime<boolean>((fiber) => Effect.succeed(hub.wantsRequests(fiber)))
      ).toBe(false)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* Effect.asVoid(hub.subscribe)
          expect(
            yield* Effect.withFiberRuntime<boolean>((fiber) => Effect.succeed(hub.wantsRequests(fiber)))
          ).toBe(true)
        })
      )
      expect(
        yield* Effect.withFiberRuntime<boolean>((fiber) => Effect.succeed(hub.wantsRequests(fiber)))
      ).toBe(false)
    })
  )
})

describe("Replicator.events", () => {
  Replicating.it("is the stream of what a replicator does, and its subscriber need not read", () =>
    Effect.gen(function* () {
      yield* Replicating.put(World.source, ...Replicating.named(300))
      const instance = yield* World.instance()
      const { stuck, tags } = yield* instance.run(
        Effect.gen(function* () {
          const { subscribe } = yield* ReplicationEvents
          const stuck = yield* subscribe
          const first = yield* Effect.forkScoped(
            Stream.runCollect(
              Stream.takeUntil(Replicator.events, ({ _tag }) => _tag === "ComparisonDone").pipe(
                Stream.map(({ _tag }) => _tag)
              )
            )
          )
          yield* Effect.sleep(1)
          yield* Effect.forkScoped(Replicator.run(instance.replication))
          return { stuck, tags: yield* Fiber.join(first) }
        })
      )
      expect(new Set(tags)).toEqual(
        new Set(["AgentAnswered", "Leading", "ComparisonBegan", "TransactionSent", "ComparisonDone"])
      )
      // The first subscriber has not read anything yet.
      yield* Replicating.put(World.source, "global/new")
      yield* Replicating.until(Replicating.converged)
      const all = yield* Stream.runCollect(Stream.take(stuck, Chunk.size(tags)))
      expect(Chunk.toReadonlyArray(all).map(({ _tag }) => _tag)).toEqual(Chunk.toReadonlyArray(tags))
    })
  )
})
