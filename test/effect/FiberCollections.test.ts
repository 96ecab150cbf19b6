/**
 * Why the fibers of shards are not in a `FiberMap`, nor those of a leadership in a `FiberSet` (effect 3.22). If a claim about
 * either fails, it may have become usable.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberMap from "effect/FiberMap"
import * as FiberSet from "effect/FiberSet"
import * as Scope from "effect/Scope"

const makeLog = () => {
  const events: Array<string> = []
  return { events, log: (event: string) => Effect.sync(() => void events.push(event)) }
}

/** A fiber that waits without end, and logs its own end. */
const waiting = (log: (event: string) => Effect.Effect<void>, name: string) =>
  Effect.onInterrupt(Effect.never, () => log(`${name} ends`))

/** A shard's topic of the liveness, until the scope closes. */
const topic = (log: (event: string) => Effect.Effect<void>) =>
  Effect.acquireRelease(log("the topic is added"), () => log("the topic is removed"))

describe("a shard whose fiber ends because a range must be divided", () => {
  it.effect(
    "keeps its topic of the liveness in a scope of its own, until shards of another layout replace it",
    () =>
      Effect.gen(function* () {
        const { events, log } = makeLog()
        const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.parallel)
        yield* Scope.extend(topic(log), scope)
        yield* Effect.flatMap(Effect.forkIn(log("the fiber ends"), scope), Fiber.await)
        yield* log("the next layout is there")
        yield* Scope.close(scope, Exit.void)
        expect(events).toEqual([
          "the topic is added",
          "the fiber ends",
          "the next layout is there",
          "the topic is removed"
        ])
      }).pipe(Effect.scoped)
  )

  it.effect(
    "loses its topic with its fiber in a FiberMap: how long the source was silent about it is forgotten",
    () =>
      Effect.gen(function* () {
        const { events, log } = makeLog()
        const fibers = yield* FiberMap.make<string>()
        const shard = Effect.scoped(Effect.zipRight(topic(log), log("the fiber ends")))
        yield* Effect.flatMap(FiberMap.run(fibers, "shard", shard), Fiber.await)
        expect(yield* FiberMap.has(fibers, "shard")).toBe(false)
        yield* log("the next layout is there")
        expect(events).toEqual([
          "the topic is added",
          "the fiber ends",
          "the topic is removed",
          "the next layout is there"
        ])
      }).pipe(Effect.scoped)
  )
})

/** A leadership: each resource needs the fiber before it, and each fiber the resource before it. */
const lead = (
  log: (event: string) => Effect.Effect<void>,
  fork: (fiber: Effect.Effect<never>) => Effect.Effect<unknown, never, Scope.Scope>
) =>
  Effect.gen(function* () {
    yield* Effect.addFinalizer(() => log("the service is deregistered"))
    yield* fork(waiting(log, "the heartbeat"))
    yield* Effect.addFinalizer(() => log("the lock is given back"))
    yield* fork(waiting(log, "the watch of the lock"))
    yield* Effect.yieldNow()
  }).pipe(Effect.scoped)

describe("a leadership", () => {
  it.effect("ends each of its fibers before the resource that the fiber needs", () =>
    Effect.gen(function* () {
      const { events, log } = makeLog()
      yield* lead(log, Effect.forkScoped)
      expect(events).toEqual([
        "the watch of the lock ends",
        "the lock is given back",
        "the heartbeat ends",
        "the service is deregistered"
      ])
    })
  )

  it.effect(
    "whose fibers are in one FiberSet gives the lock back while they run: the set interrupts all of them at one time",
    () =>
      Effect.gen(function* () {
        const { events, log } = makeLog()
        yield* Effect.scoped(
          Effect.flatMap(FiberSet.make(), (fibers) => lead(log, (fiber) => FiberSet.run(fibers, fiber)))
        )
        expect(events.slice(0, 2)).toEqual(["the lock is given back", "the service is deregistered"])
        expect(events.slice(2).sort()).toEqual(["the heartbeat ends", "the watch of the lock ends"])
      })
  )
})
