import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import * as LockTimes from "../../src/internal/lock/LockTimes.js"
import * as LeaderLock from "../../src/LeaderLock.js"
import { Operation } from "../../src/Operation.js"
import * as Replication from "../../src/Replication.js"
import * as Replicator from "../../src/Replicator.js"
import { SimConsul } from "../../src/testing/index.js"
import * as Network from "../../src/testing/Network.js"
import * as VirtualTime from "../../src/testing/VirtualTime.js"
import * as World from "../../src/testing/World.js"
import * as Value from "../../src/Value.js"
import * as Events from "../support/Events.js"

const { destination, lock, source } = World

const sharing = World.instance({ leaderLock: LeaderLock.shared })

/** A use that leads, again after each loss, until it is interrupted. */
const leads = (instance: World.Instance, options: LeaderLock.UseOptions = {}) =>
  Effect.gen(function* () {
    const led: Array<LeaderLock.Leadership> = []
    const losses: Array<string> = []
    const leading = Effect.flatMap(LeaderLock.LeaderLock, ({ lead }) =>
      lead(
        (leadership) =>
          Effect.zipRight(
            Effect.sync(() => led.push(leadership)),
            Effect.never
          ),
        options
      )
    ).pipe(
      Effect.tapError((error) => Effect.sync(() => losses.push(error._tag))),
      Effect.retry(LockTimes.retryLeadership)
    )
    const fiber = yield* Effect.forkScoped(instance.run(leading))
    yield* TestClock.adjust(0)
    return { led, losses, fiber }
  })

const sessions = Effect.flatMap(SimConsul.SimConsul, (sim) => sim.sessions(destination))

/** What an instance has told its agent last. */
const shown = ({ network }: World.Instance) => {
  const last = network.sent.findLast(({ target }) => target.startsWith("/v1/agent/check/update/"))
  return JSON.parse(last?.body ?? "{}") as Record<string, unknown>
}

const leaderships = (instance: World.Instance) => Events.of(instance, "Leading")

const contents = (prefix: string) => World.contents(destination, prefix)

const stored = (key: string) =>
  Effect.map(
    World.contents(destination, key),
    (all) => JSON.parse(all[key] ?? "{}") as Record<string, unknown>
  )

describe.concurrent("LeaderLock.shared", () => {
  it.scoped("several uses lead at the same time, under one session, until the last of them ends", () =>
    Effect.gen(function* () {
      const instance = yield* sharing
      const [first, second] = yield* Effect.all([leads(instance), leads(instance)])
      yield* VirtualTime.pass("10 seconds")
      expect([first.led.length, second.led.length]).toEqual([1, 1])
      expect(first.led[0]?.fence).toEqual(second.led[0]?.fence)
      expect(yield* sessions).toHaveLength(1)
      expect(leaderships(instance)).toHaveLength(1)
      yield* Fiber.interrupt(first.fiber)
      yield* VirtualTime.pass("10 seconds")
      expect(second.losses).toEqual([])
      expect(yield* sessions).toHaveLength(1)
      yield* Fiber.interrupt(second.fiber)
      expect(yield* sessions).toEqual([])
      expect(yield* World.services(destination)).toEqual({})
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped("a lost lock fails every use, and one acquisition follows", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      const instance = yield* sharing
      const uses = yield* Effect.all([leads(instance), leads(instance), leads(instance)])
      yield* sim.destroySession(destination, uses[0].led[0]?.fence.session ?? "")
      yield* VirtualTime.pass("10 seconds")
      expect(uses.map(({ losses }) => losses)).toEqual([["LockLost"], ["LockLost"], ["LockLost"]])
      expect(new Set(uses.map(({ led }) => led[1]?.fence.session)).size).toBe(1)
      expect(leaderships(instance)).toHaveLength(2)
      expect(Events.of(instance, "StandingBy")).toEqual([])
      expect(yield* sessions).toHaveLength(1)
      expect(Object.keys(yield* World.services(destination))).toHaveLength(1)
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped(
    "a use that gives the session up and ends takes the lock from the others, who lead under another session",
    () =>
      Effect.gen(function* () {
        const instance = yield* sharing
        const one = yield* leads(instance)
        const other = yield* leads(instance)
        yield* VirtualTime.until(Effect.sync(() => one.led.length + other.led.length === 2))
        const before = other.led[0]?.fence.session
        yield* one.led[0]?.giveUp("a write may still land") ?? Effect.void
        yield* Fiber.interrupt(one.fiber)
        yield* VirtualTime.until(Effect.sync(() => other.led.length === 2))
        expect(other.losses).toEqual(["LockLost"])
        expect(other.led[1]?.fence.session).not.toBe(before)
      }).pipe(Effect.provide(World.layer))
  )

  it.scoped("a use that is stopped while it gives a lost lock up keeps no later use from leading", () =>
    Effect.gen(function* () {
      const instance = yield* sharing
      const first = yield* leads(instance)
      yield* instance.network.disturb(Network.silent)
      const isLeaving = () =>
        instance.network.sent.some(({ target }) => target.startsWith("/v1/session/destroy/"))
      yield* VirtualTime.until(Effect.sync(isLeaving), "1 minute")
      yield* Fiber.interruptFork(first.fiber)
      yield* VirtualTime.pass("10 seconds")
      yield* instance.network.heal
      const second = yield* leads(instance)
      yield* VirtualTime.until(
        Effect.sync(() => second.led.length === 1),
        "1 minute"
      )
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped("a use that stops while the lock is awaited does not end the wait of the others", () =>
    Effect.gen(function* () {
      const other = yield* leads(yield* World.instance())
      const instance = yield* sharing
      const [first, second] = yield* Effect.all([leads(instance), leads(instance)])
      yield* VirtualTime.pass("5 seconds")
      yield* Fiber.interrupt(first.fiber)
      yield* Fiber.interrupt(other.fiber)
      yield* VirtualTime.pass("2 seconds")
      expect([first.led.length, second.led.length]).toEqual([0, 1])
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped("a lock that cannot be acquired fails every use, and is tried again by one of them", () =>
    Effect.gen(function* () {
      const instance = yield* sharing
      yield* instance.network.disturb(Network.refused)
      const uses = yield* Effect.all([leads(instance), leads(instance)])
      yield* VirtualTime.pass("10 seconds")
      expect(uses.map(({ led }) => led.length)).toEqual([0, 0])
      yield* instance.network.heal
      yield* VirtualTime.pass("10 seconds")
      expect(uses.map(({ led }) => led.length)).toEqual([1, 1])
      expect(yield* sessions).toHaveLength(1)
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped("uses that name the same exclusive key lead one after another", () =>
    Effect.gen(function* () {
      const instance = yield* sharing
      const uses = yield* Effect.all([
        leads(instance, { exclusive: "a" }),
        leads(instance, { exclusive: "a" }),
        leads(instance, { exclusive: "b" })
      ])
      yield* VirtualTime.pass("5 seconds")
      expect(uses.map(({ led }) => led.length)).toEqual([1, 0, 1])
      expect(Events.of(instance, "StandingBy")).toMatchObject([{ reason: "UsedHere", key: "a" }])
      yield* Fiber.interrupt(uses[0].fiber)
      yield* VirtualTime.pass("1 second")
      expect(uses.map(({ led }) => led.length)).toEqual([1, 1, 1])
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped("the check warns if one of the uses does, and says which", () =>
    Effect.gen(function* () {
      const instance = yield* sharing
      const [first, second] = yield* Effect.all([
        leads(instance, { purpose: "one" }),
        leads(instance, { purpose: "two" })
      ])
      const report = (use: typeof first, health: LeaderLock.Health) =>
        Effect.zipRight(use.led[0]?.report(health) ?? Effect.void, VirtualTime.pass("3 seconds"))
      yield* report(first, { status: "passing", output: "all is well" })
      expect(shown(instance)).toEqual({ Status: "passing", Output: "leading: one: all is well" })
      yield* report(second, { status: "warning", output: "held up" })
      expect(shown(instance)).toEqual({
        Status: "warning",
        Output: "leading: two: held up; one: all is well"
      })
      yield* Fiber.interrupt(second.fiber)
      yield* VirtualTime.pass("3 seconds")
      expect(shown(instance)).toEqual({ Status: "passing", Output: "leading: all is well" })
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped(
    "the last operations of a use are written when it ends, before the others or with the lock's value",
    () =>
      Effect.gen(function* () {
        const instance = yield* sharing
        const uses = yield* Effect.all([leads(instance), leads(instance), leads(instance)])
        const write = (key: string) => Operation.Set({ key, value: Value.fromText("done"), flags: 0n })
        for (const [i, { led }] of uses.entries()) {
          yield* led[0]?.onResign(Effect.succeed([write(`last/${i}`)])) ?? Effect.void
        }
        yield* Fiber.interrupt(uses[0].fiber)
        expect(Object.keys(yield* contents("last/"))).toEqual(["last/0"])
        yield* Fiber.interruptAll([uses[1].fiber, uses[2].fiber])
        expect(Object.keys(yield* contents("last/"))).toEqual(["last/0", "last/1", "last/2"])
        expect((yield* contents(lock))[lock]).toContain('"until"')
      }).pipe(Effect.provide(World.layer))
  )
})

describe.concurrent("two replications under one leadership", () => {
  const replications = Effect.all([
    Replication.make({ source, prefix: "one/", status: "status/one" }),
    Replication.make({ source, prefix: "two/", status: "status/two" })
  ])

  const put = (key: string, value: string) =>
    Effect.flatMap(SimConsul.SimConsul, (sim) => sim.put(source, key, value))

  const arrived = (key: string, value: string) => Effect.map(contents(key), (all) => all[key] === value)

  /** Both replicate what each has at first. */
  const replicating = Effect.gen(function* () {
    const instance = yield* sharing
    yield* put("one/a", "1")
    yield* put("two/a", "1")
    const [one, two] = yield* Effect.flatMap(replications, ([one, two]) =>
      Effect.all([
        Effect.forkScoped(instance.run(Replicator.run(one))),
        Effect.forkScoped(instance.run(Replicator.run(two)))
      ])
    )
    yield* VirtualTime.until(Effect.zipWith(arrived("one/a", "1"), arrived("two/a", "1"), (a, b) => a && b))
    yield* VirtualTime.pass("1 second")
    return { instance, one, two }
  })

  it.scoped("replicate side by side, and both statuses say that they were stopped with their session", () =>
    Effect.gen(function* () {
      const { instance, one, two } = yield* replicating
      expect(leaderships(instance)).toHaveLength(1)
      const [session] = yield* sessions
      for (const key of ["status/one", "status/two"]) {
        expect(yield* stored(key)).toMatchObject({ State: "in-sync", Session: session?.id, Lock: lock })
      }
      yield* VirtualTime.pass("3 seconds")
      const { Output, Status } = shown(instance)
      expect(Status).toBe("passing")
      for (const prefix of ["one/", "two/"]) {
        expect(Output).toContain(`nyc1 "${prefix}" to "${prefix}": in sync since`)
      }
      yield* Fiber.interruptAll([one, two])
      for (const key of ["status/one", "status/two"]) {
        expect(yield* stored(key)).toMatchObject({ State: "stopped", LastState: "in-sync" })
      }
      expect(yield* sessions).toEqual([])
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped(
    "a replication that is stopped alone writes that into its status at once, and the other goes on",
    () =>
      Effect.gen(function* () {
        const { instance, one } = yield* replicating
        yield* Fiber.interrupt(one)
        expect(yield* stored("status/one")).toMatchObject({ State: "stopped" })
        yield* put("one/a", "2")
        yield* put("two/a", "2")
        yield* VirtualTime.until(arrived("two/a", "2"))
        yield* VirtualTime.pass("5 seconds")
        expect(yield* arrived("one/a", "1")).toBe(true)
        expect(yield* stored("status/two")).toMatchObject({ State: "in-sync" })
        expect(leaderships(instance)).toHaveLength(1)
        expect(Events.odd(instance)).toEqual([])
      }).pipe(Effect.provide(World.layer))
  )

  it.scoped("a lost lock stops both; both replicate again under the next leadership", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      const { instance } = yield* replicating
      const [session] = yield* sessions
      yield* sim.destroySession(destination, session?.id ?? "")
      yield* put("one/a", "2")
      yield* put("two/a", "2")
      yield* VirtualTime.until(
        Effect.zipWith(arrived("one/a", "2"), arrived("two/a", "2"), (a, b) => a && b),
        Duration.seconds(30)
      )
      yield* VirtualTime.pass("1 second")
      const [next] = yield* sessions
      for (const key of ["status/one", "status/two"]) {
        expect(yield* stored(key)).toMatchObject({ State: "in-sync", Session: next?.id })
      }
      expect(leaderships(instance)).toHaveLength(2)
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped("two that were given one status key replicate one after another", () =>
    Effect.gen(function* () {
      const instance = yield* sharing
      yield* put("one/a", "1")
      yield* put("two/a", "1")
      const replicate = (prefix: string) =>
        Effect.flatMap(Replication.make({ source, prefix }), Replicator.run).pipe(
          instance.run,
          Effect.forkScoped
        )
      const one = yield* replicate("one/")
      yield* VirtualTime.until(arrived("one/a", "1"))
      yield* replicate("two/")
      yield* VirtualTime.pass("1 minute")
      expect(yield* contents("two/")).toEqual({})
      expect(Events.odd(instance)).toEqual([])
      expect(Events.of(instance, "StandingBy")).toMatchObject([{ reason: "UsedHere", key: World.status }])
      yield* Fiber.interrupt(one)
      yield* VirtualTime.until(arrived("two/a", "1"))
    }).pipe(Effect.provide(World.layer))
  )
})
