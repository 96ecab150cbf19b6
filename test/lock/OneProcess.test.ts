import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import type * as Checkpoint from "../../src/Checkpoint.js"
import { ConsulHttp } from "../../src/ConsulHttp.js"
import * as LockTimes from "../../src/internal/lock/LockTimes.js"
import * as LeaderLock from "../../src/LeaderLock.js"
import * as Replicator from "../../src/Replicator.js"
import * as Network from "../../src/testing/Network.js"
import * as VirtualTime from "../../src/testing/VirtualTime.js"
import * as World from "../../src/testing/World.js"
import type * as Watcher from "../../src/Watcher.js"
import * as Events from "../support/Events.js"

/** Leads on the lock of an instance, again after each loss, until it is interrupted. */
const leads = (instance: World.Instance) =>
  Effect.gen(function* () {
    const led: Array<LeaderLock.Leadership> = []
    const leading = Effect.flatMap(LeaderLock.LeaderLock, (lock) =>
      lock.lead((leadership) =>
        Effect.zipRight(
          Effect.sync(() => led.push(leadership)),
          Effect.never
        )
      )
    )
    const fiber = yield* Effect.forkScoped(instance.run(Effect.retry(leading, LockTimes.retryLeadership)))
    yield* TestClock.adjust(0)
    return { led, fiber }
  })

describe.concurrent("a LeaderLock that one process uses twice", () => {
  it.scoped("leads once at a time: the second stands by until the first ends, and emits that once", () =>
    Effect.gen(function* () {
      const instance = yield* World.instance()
      const [first, second] = yield* Effect.all([leads(instance), leads(instance)])
      yield* VirtualTime.pass("10 seconds")
      expect([first.led.length, second.led.length]).toEqual([1, 0])
      expect(Object.keys(yield* World.services(World.destination))).toEqual([first.led[0]?.instance])
      expect(Events.of(instance, "StandingBy")).toMatchObject([{ reason: "LedHere", lock: World.lock }])
      yield* Fiber.interrupt(first.fiber)
      yield* VirtualTime.pass("1 second")
      expect(second.led).toHaveLength(1)
      expect(Object.keys(yield* World.services(World.destination))).toEqual([second.led[0]?.instance])
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped(
    "that is taken out of its layer dies when the layer's scope has ended, and says what was wrong",
    () =>
      Effect.gen(function* () {
        const instance = yield* World.instance()
        const made = LeaderLock.layer(yield* LeaderLock.options())
        const consul = yield* instance.run(ConsulHttp)
        const lock = yield* LeaderLock.LeaderLock.pipe(
          Effect.provide(made),
          Effect.provideService(ConsulHttp, consul)
        )
        const run = Replicator.run(instance.replication).pipe(
          Effect.provideService(LeaderLock.LeaderLock, lock),
          instance.run
        )
        const uses: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
          lock.lead(() => Effect.void),
          Effect.scoped(lock.acquire),
          run
        ]
        for (const use of uses) {
          const exit = yield* Effect.exit(use)
          expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain(
            `the LeaderLock of ${World.lock} was used after the scope of its layer was closed: provide the layer to the effect that leads`
          )
        }
      }).pipe(Effect.provide(World.layer))
  )

  it.scoped(
    "and so does a Replicator over a Watcher whose layer's scope has ended, instead of ending as interrupted",
    () =>
      Effect.gen(function* () {
        const instance = yield* World.instance()
        const consul = yield* instance.run(ConsulHttp)
        const services = yield* Effect.context<Watcher.Watcher | Checkpoint.Checkpoint>().pipe(
          Effect.provide(Replicator.services),
          Effect.provideService(ConsulHttp, consul)
        )
        const lock = yield* instance.run(LeaderLock.LeaderLock)
        const exit = yield* Replicator.run(instance.replication).pipe(
          Effect.provide(services),
          Effect.provideService(LeaderLock.LeaderLock, lock),
          Effect.provideService(ConsulHttp, consul),
          Effect.exit
        )
        expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain(
          "the Watcher was used after the scope of its layer was closed"
        )
      }).pipe(Effect.provide(World.layer))
  )

  for (const [what, make] of [
    ["a lock", LeaderLock.layer],
    ["a shared lock", LeaderLock.shared]
  ] as const) {
    it.scoped(`${what} can be acquired again in the scope in which an attempt has failed`, () =>
      Effect.gen(function* () {
        const instance = yield* World.instance({ leaderLock: make })
        yield* instance.network.disturb(
          Network.on("GET /v1/agent/self", Network.answer(500, "rpc error making call: EOF"))
        )
        const acquire = Effect.flatMap(LeaderLock.LeaderLock, ({ acquire }) => acquire)
        const acquiring = yield* Effect.forkScoped(
          instance.run(Effect.retry(acquire, Schedule.spaced("1 second")))
        )
        yield* VirtualTime.pass("3 seconds")
        yield* instance.network.heal
        yield* VirtualTime.pass("3 seconds")
        const { instance: id } = yield* Fiber.join(acquiring)
        expect(Object.keys(yield* World.services(World.destination))).toEqual([id])
        expect(Events.of(instance, "StandingBy")).toEqual([])
      }).pipe(Effect.provide(World.layer))
    )
  }

  it.scoped("whose layer's scope ends while it leads dies, and nothing of it is left at Consul", () =>
    Effect.gen(function* () {
      const instance = yield* World.instance()
      const scope = yield* Scope.make()
      const context = yield* Layer.build(LeaderLock.layer(yield* LeaderLock.options())).pipe(
        Scope.extend(scope),
        Effect.provideService(ConsulHttp, yield* instance.run(ConsulHttp))
      )
      const { lead } = Context.get(context, LeaderLock.LeaderLock)
      const fiber = yield* Effect.forkScoped(lead(() => Effect.never))
      yield* TestClock.adjust("1 second")
      expect(Object.keys(yield* World.services(World.destination))).toHaveLength(1)
      yield* Scope.close(scope, Exit.void)
      const exit = yield* Fiber.await(fiber)
      expect(Exit.isFailure(exit) && Cause.isDie(exit.cause)).toBe(true)
      expect(yield* World.services(World.destination)).toEqual({})
    }).pipe(Effect.provide(World.layer))
  )
})
