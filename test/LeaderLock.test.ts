import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { ConsulHttp } from "../src/ConsulHttp.js"
import { defaults, LeaderLock, type Leadership, layer, options, passing } from "../src/LeaderLock.js"
import { Operation } from "../src/Operation.js"
import { SimConsul } from "../src/testing/index.js"
import * as Network from "../src/testing/Network.js"
import * as VirtualTime from "../src/testing/VirtualTime.js"
import * as World from "../src/testing/World.js"
import * as Value from "../src/Value.js"
import { version } from "../src/Version.js"
import * as Events from "./support/Events.js"
import { failureOf } from "./support/Failure.js"

/** Lets everything run that needs no time. */
const settle = TestClock.adjust(0)

const heartbeats = "PUT /v1/agent/check/update/"
const registering = "PUT /v1/agent/service/register"
const enrolling = "PUT /v1/session/create"
const reading = `GET /v1/kv/${World.lock}`
const taking = `PUT /v1/kv/${World.lock}`

/** An instance that stands for leadership once, and leads until something ends it. */
const stand = (instance: World.Instance) =>
  Effect.gen(function* () {
    const led: Array<Leadership> = []
    const interrupted: Array<number> = []
    const leading = Effect.flatMap(LeaderLock, (lock) =>
      lock.lead((leadership) =>
        Effect.zipRight(
          Effect.sync(() => led.push(leadership)),
          Effect.never
        ).pipe(Effect.onInterrupt(() => Effect.map(Clock.currentTimeMillis, (now) => interrupted.push(now))))
      )
    )
    const fiber = yield* Effect.forkScoped(instance.run(leading))
    yield* settle
    const count = (line: string) =>
      instance.network.sent.filter(({ method, target }) => `${method} ${target}`.startsWith(line)).length
    return { ...instance, fiber, led, interrupted, count, failure: failureOf(Fiber.join(fiber)) }
  })

const newcomer = Effect.flatMap(World.instance(), stand)

type Standing = Effect.Effect.Success<typeof newcomer>

const holds = (standing: Standing) =>
  Effect.map(World.entry(World.destination, World.lock), (entry) => {
    const session = standing.led.at(-1)?.fence.session
    return session !== undefined && entry?.session === session
  })

/** It leads, has led all the time, and Consul agrees. */
const leadsUndisturbed = (standing: Standing) =>
  Effect.gen(function* () {
    expect(standing.led).toHaveLength(1)
    expect(standing.interrupted).toEqual([])
    expect(yield* holds(standing)).toBe(true)
  })

const isLost = (standing: Standing, reason: string | RegExp) =>
  Effect.gen(function* () {
    expect(yield* standing.failure).toMatchObject({
      _tag: "LockLost",
      lock: World.lock,
      reason: expect.stringMatching(reason)
    })
    expect(standing.interrupted).toHaveLength(1)
  })

/** What an instance leaves behind: its session, its service, its hold on the lock. */
const nothingIsLeft = Effect.gen(function* () {
  const sim = yield* SimConsul.SimConsul
  expect(yield* sim.sessions(World.destination)).toEqual([])
  expect(yield* World.services(World.destination)).toEqual({})
  expect((yield* World.entry(World.destination, World.lock))?.session ?? "").toBe("")
})

/** The lock's value. */
const holder = Effect.map(
  World.entry(World.destination, World.lock),
  (entry) => JSON.parse(new TextDecoder().decode(entry?.value)) as Record<string, unknown>
)

/** What an instance has told its agent last. */
const output = ({ network }: Standing) => {
  const last = network.sent.findLast(({ method, target }) => `${method} ${target}`.startsWith(heartbeats))
  return last === undefined ? undefined : (JSON.parse(last.body) as Record<string, unknown>)["Output"]
}

/** Another tool's session, which holds the lock. */
const otherHolder = (lockDelay: number) =>
  Effect.gen(function* () {
    const other = yield* World.instance()
    const { kv, session } = yield* other.run(ConsulHttp)
    const id = yield* session.create({
      name: "consul lock",
      checks: ["serfHealth"],
      behavior: "release",
      lockDelay
    })
    expect(yield* kv.put({ key: World.lock, value: Value.empty }, { acquire: id })).toBe(true)
    return id
  })

const time = Clock.currentTimeMillis

describe.concurrent("LeaderLock", () => {
  describe("holding", () => {
    it.scoped("a free lock is taken at once, and its value says who holds it, and for what", () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(1_427_889_600_000)
        const leader = yield* newcomer
        yield* leadsUndisturbed(leader)
        const entry = yield* World.entry(World.destination, World.lock)
        expect(JSON.parse(new TextDecoder().decode(entry?.value))).toEqual({
          node: "sfo1-a",
          pid: process.pid,
          version,
          since: "2015-04-01T12:00:00.000Z",
          purpose: 'nyc1 "global/" to "global/"'
        })
        expect(leader.led[0]?.fence).toEqual({ lock: World.lock, session: entry?.session })
        expect(leader.events).toEqual([
          {
            _tag: "Leading",
            at: Date.parse("2015-04-01T12:00:00.000Z"),
            lock: World.lock,
            service: defaults.service,
            instance: leader.led[0]?.instance,
            session: entry?.session
          }
        ])
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("the service stands in the catalog with a passing check, and the session ends with it", () =>
      Effect.gen(function* () {
        const sim = yield* SimConsul.SimConsul
        const leader = yield* newcomer
        const instance = leader.led[0]?.instance ?? ""
        expect(instance).toMatch(/^consul-replicate-[0-9a-f]{8}$/)
        expect(yield* World.services(World.destination)).toEqual({ [instance]: "passing" })
        expect(yield* sim.sessions(World.destination)).toMatchObject([
          {
            name: `consul-replicate for ${World.lock}`,
            behavior: "release",
            lockDelay: 0n,
            ttl: "30000ms",
            checks: ["serfHealth", `service:${instance}`]
          }
        ])
        const registration = leader.network.sent.find(({ target }) => target.endsWith("/service/register"))
        expect(JSON.parse(registration?.body ?? "")).toMatchObject({
          ID: instance,
          Name: "consul-replicate",
          Check: { TTL: "3000ms", Status: "passing", DeregisterCriticalServiceAfter: "60000ms" }
        })
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped(
      "when its scope closes, nothing is left but the lock's value, which says since and until when",
      () =>
        Effect.gen(function* () {
          const leader = yield* newcomer
          const before = yield* holder
          yield* TestClock.adjust("1 minute")
          yield* Fiber.interrupt(leader.fiber)
          yield* nothingIsLeft
          expect(yield* holder).toEqual({ ...before, until: "1970-01-01T00:01:00.000Z" })
          expect(leader.interrupted).toHaveLength(1)
        }).pipe(Effect.provide(World.layer))
    )

    it.scoped(
      "the last operations of a leader that is stopped land with the end of its leadership, or none of them does",
      () =>
        Effect.gen(function* () {
          const write = (index: number) =>
            Operation.Cas({ key: "last", value: Value.fromText("1"), flags: 0n, index })
          for (const [operations, isWritten] of [
            [Effect.succeed([write(7)]), false],
            [Effect.succeed([write(0)]), true]
          ] as const) {
            const leader = yield* newcomer
            yield* leader.led[0]?.onResign(operations) ?? Effect.void
            yield* Fiber.interrupt(leader.fiber)
            yield* nothingIsLeft
            expect("until" in (yield* holder)).toBe(isWritten)
            expect((yield* World.entry(World.destination, "last")) !== undefined).toBe(isWritten)
          }
        }).pipe(Effect.provide(World.layer))
    )

    it.scoped("the last operations of a leader that is stopped are made once more after a conflict", () =>
      Effect.gen(function* () {
        const leader = yield* newcomer
        let asked = 0
        const operations = Effect.sync(() => {
          asked += 1
          return [
            Operation.Cas({ key: "last", value: Value.fromText("1"), flags: 0n, index: asked === 1 ? 7 : 0 })
          ]
        })
        yield* leader.led[0]?.onResign(operations) ?? Effect.void
        yield* Fiber.interrupt(leader.fiber)
        expect(asked).toBe(2)
        expect(yield* holder).toHaveProperty("until")
        yield* nothingIsLeft
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("the work's own end gives the lock back, and its result or failure is passed on", () =>
      Effect.gen(function* () {
        const instance = yield* World.instance()
        const lead = <A, E>(work: Effect.Effect<A, E>) =>
          instance.run(Effect.flatMap(LeaderLock, (lock) => lock.lead(() => work)))
        expect(yield* lead(Effect.succeed("done"))).toBe("done")
        yield* nothingIsLeft
        expect(yield* Effect.flip(lead(Effect.fail("failed")))).toBe("failed")
        yield* nothingIsLeft
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped(
      "the check shows what is reported from the next heartbeat on, and a warning keeps the lock",
      () =>
        Effect.gen(function* () {
          const leader = yield* newcomer
          const bodies = () =>
            leader.network.sent.flatMap(({ body, method, target }) =>
              `${method} ${target}`.startsWith(heartbeats) ? [JSON.parse(body) as unknown] : []
            )
          yield* leader.led[0]?.report({ status: "warning", output: "look here" }) ?? Effect.void
          expect(bodies()).toHaveLength(1)
          yield* TestClock.adjust("1 second")
          expect(bodies().at(-1)).toEqual({ Status: "warning", Output: "leading: look here" })
          expect(Object.values(yield* World.services(World.destination))).toEqual(["warning"])
          for (let second = 1; second <= 20; second++) yield* TestClock.adjust("1 second")
          yield* leadsUndisturbed(leader)
          yield* leader.led[0]?.report(passing) ?? Effect.void
          yield* TestClock.adjust("1 second")
          expect(Object.values(yield* World.services(World.destination))).toEqual(["passing"])
        }).pipe(Effect.provide(World.layer))
    )

    it.scoped("any time to live will do, though its third is no whole number of milliseconds", () =>
      Effect.gen(function* () {
        const instance = yield* World.instance()
        const patient = layer(yield* options({ lock: World.lock, service: "any", ttl: "10 seconds" }))
        const leading = Effect.flatMap(LeaderLock, (lock) => lock.lead(() => Effect.never))
        const fiber = yield* Effect.forkScoped(
          leading.pipe(
            Effect.provide(patient),
            Effect.provideService(ConsulHttp, yield* instance.run(ConsulHttp))
          )
        )
        yield* TestClock.adjust("1 minute")
        expect(yield* Fiber.poll(fiber)).toEqual(Option.none())
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped(
      "a service may have a name that no path of Consul carries, such as one with an emoji newer than it",
      () =>
        Effect.gen(function* () {
          const instance = yield* World.instance()
          const named = layer(yield* options({ lock: World.lock, service: "team 🫠" }))
          const leading = Effect.flatMap(LeaderLock, (lock) => lock.lead(() => Effect.never))
          const fiber = yield* Effect.forkScoped(
            leading.pipe(
              Effect.provide(named),
              Effect.provideService(ConsulHttp, yield* instance.run(ConsulHttp))
            )
          )
          yield* TestClock.adjust("1 minute")
          expect(yield* Fiber.poll(fiber)).toEqual(Option.none())
          expect(Object.entries(yield* World.services(World.destination))).toEqual([
            [expect.stringMatching(/^team _-[0-9a-f]{8}$/), "passing"]
          ])
          yield* Fiber.interrupt(fiber)
          expect(yield* World.services(World.destination)).toEqual({})
        }).pipe(Effect.provide(World.layer))
    )

    it.scoped("heartbeats go every third of the time to live, and keep the check passing", () =>
      Effect.gen(function* () {
        const leader = yield* newcomer
        expect(leader.count(heartbeats)).toBe(1)
        for (let second = 1; second <= 10; second++) {
          yield* TestClock.adjust("999 millis")
          expect(leader.count(heartbeats)).toBe(second)
          yield* TestClock.adjust("1 millis")
          expect(leader.count(heartbeats)).toBe(second + 1)
        }
        expect(Object.values(yield* World.services(World.destination))).toEqual(["passing"])
        yield* leadsUndisturbed(leader)
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("a token that may not renew the session loses the lock in the end, and that is said", () =>
      Effect.gen(function* () {
        const leader = yield* newcomer
        yield* leader.network.disturb(
          Network.on("PUT /v1/session/renew/", Network.answer(403, "ACL not found"))
        )
        yield* TestClock.adjust("29 seconds")
        yield* leadsUndisturbed(leader)
        // Consul lets a session live up to twice as long.
        yield* TestClock.adjust("31 seconds")
        yield* isLost(leader, "the session ended")
        expect(Events.odd(leader)).toMatchObject([
          { _tag: "Trouble", subject: { _tag: "Session" }, cause: "Denied" }
        ])
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped(
      "the check shows nothing new while the servers have no leader, and then what is wanted last",
      () =>
        Effect.gen(function* () {
          const sim = yield* SimConsul.SimConsul
          const leader = yield* newcomer
          const shown = () =>
            leader.network.sent
              .filter(({ target }) => target.startsWith("/v1/agent/check/update/"))
              .map(({ body }) => JSON.parse(body).Output as string)
          yield* TestClock.adjust("2 seconds")
          yield* sim.setLeader(World.destination, false)
          for (const output of ["one", "another"]) {
            yield* leader.led[0]?.report({ status: "warning", output }) ?? Effect.void
            yield* TestClock.adjust("10 seconds")
          }
          expect(new Set(shown())).toEqual(new Set([passing.output, `leading: ${passing.output}`]))
          yield* sim.setLeader(World.destination, true)
          yield* TestClock.adjust("10 seconds")
          expect(new Set(shown()).size).toBe(3)
          expect(shown().at(-1)).toBe("leading: another")
          yield* leadsUndisturbed(leader)
        }).pipe(Effect.provide(World.layer))
    )

    it.scoped("the check of one that stands by says so, and who leads since when", () =>
      Effect.gen(function* () {
        const leader = yield* newcomer
        const second = yield* newcomer
        yield* TestClock.adjust("2 seconds")
        expect(output(leader)).toBe(`leading: ${passing.output}`)
        expect(output(second)).toBe(
          `standing by: ${World.lock} is held by pid ${process.pid} on sfo1-a since 1970-01-01T00:00:00.000Z`
        )
        yield* Fiber.interrupt(leader.fiber)
        yield* TestClock.adjust("2 seconds")
        expect(output(second)).toBe(`leading: ${passing.output}`)
        yield* leadsUndisturbed(second)
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped(
      "the session lives no shorter than the servers allow, which is said once, with what it costs",
      () =>
        Effect.gen(function* () {
          const sim = yield* SimConsul.SimConsul
          const instance = yield* World.instance()
          const refusal = "Invalid Session TTL '30000000000', must be between [1m0s=24h0m0s]"
          yield* instance.network.disturb((sent, pass) =>
            sent.body.includes('"TTL":"30000ms"')
              ? Network.on(enrolling, Network.answer(500, `rpc error making call: ${refusal}`))(sent, pass)
              : pass
          )
          const leader = yield* stand(instance)
          yield* TestClock.adjust("120 millis")
          yield* leadsUndisturbed(leader)
          expect(yield* sim.sessions(World.destination)).toMatchObject([{ ttl: "60000ms" }])
          yield* TestClock.adjust("1 second")
          const before = leader.count("PUT /v1/session/renew/")
          yield* TestClock.adjust("1 minute")
          expect(leader.count("PUT /v1/session/renew/") - before).toBe(3)
          yield* Fiber.interrupt(leader.fiber)
          // The next attempt knows.
          const again = yield* stand(instance)
          yield* leadsUndisturbed(again)
          expect(Events.odd(leader)).toMatchObject([
            { _tag: "SessionTtlRaised", service: defaults.service, ttl: 60_000, before: 30_000 }
          ])
        }).pipe(Effect.provide(World.layer))
    )

    it.scoped.each([
      ["renewing its session", "PUT /v1/session/renew/", "2 seconds", 45],
      ["its heartbeats", heartbeats, "500 millis", 40]
    ] as const)("a limited rate of %s is waited out", ([, line, step, steps]) =>
      Effect.gen(function* () {
        const leader = yield* newcomer
        let asked = 0
        // Consul takes one request of three.
        yield* leader.network.disturb(
          Network.on(line, (sent, pass) => {
            asked += 1
            return asked % 3 === 0
              ? pass
              : Network.answer(429, "Your IP is issuing too many requests")(sent, pass)
          })
        )
        yield* Effect.repeatN(TestClock.adjust(step), steps - 1)
        yield* leadsUndisturbed(leader)
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("a limited rate of taking the lock is waited out with the same session", () =>
      Effect.gen(function* () {
        const instance = yield* World.instance()
        yield* instance.network.disturb(
          Network.on(taking, Network.answer(429, "Your IP is issuing too many requests"))
        )
        const waiting = yield* stand(instance)
        yield* TestClock.adjust("1 minute")
        expect(waiting.led).toEqual([])
        yield* instance.network.heal
        yield* TestClock.adjust("6 seconds")
        yield* leadsUndisturbed(waiting)
        expect(waiting.count(enrolling)).toBe(1)
        expect(waiting.count(registering)).toBe(1)
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("standing by with a session that has ended is not standing by", () =>
      Effect.gen(function* () {
        const sim = yield* SimConsul.SimConsul
        const leader = yield* newcomer
        const second = yield* newcomer
        const [session] = (yield* sim.sessions(World.destination)).filter(
          ({ id }) => id !== leader.led[0]?.fence.session
        )
        yield* sim.destroySession(World.destination, session?.id ?? "")
        yield* TestClock.adjust("10 seconds")
        expect(yield* second.failure).toMatchObject({
          _tag: "LockLost",
          message: `cannot stand by for the lock ${World.lock}: the session ended`
        })
        yield* leadsUndisturbed(leader)
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("an idle minute is a heartbeat a second, six renewals and one blocking query", () =>
      Effect.gen(function* () {
        const leader = yield* newcomer
        const before = leader.network.sent.length
        yield* TestClock.adjust("1 minute")
        expect(leader.network.sent.length - before).toBeLessThanOrEqual(68)
        yield* leadsUndisturbed(leader)
      }).pipe(Effect.provide(World.layer))
    )
  })

  describe("losing", () => {
    it.scoped("a session that is ended loses the lock at once, and interrupts the work", () =>
      Effect.gen(function* () {
        const sim = yield* SimConsul.SimConsul
        const leader = yield* newcomer
        yield* sim.destroySession(World.destination, leader.led[0]?.fence.session ?? "")
        yield* isLost(leader, "the session ended")
        yield* nothingIsLeft
        // Who leads next says so; one that lost the lock has nothing more to say.
        expect(leader.count("PUT /v1/txn")).toBe(0)
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("a lock that is deleted is lost at once", () =>
      Effect.gen(function* () {
        const sim = yield* SimConsul.SimConsul
        const leader = yield* newcomer
        yield* sim.remove(World.destination, World.lock)
        yield* isLost(leader, "the key was deleted")
        yield* nothingIsLeft
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("a lock that another takes is lost at once, and stays with the other", () =>
      Effect.gen(function* () {
        const sim = yield* SimConsul.SimConsul
        const leader = yield* newcomer
        yield* sim.remove(World.destination, World.lock)
        const other = yield* otherHolder(0)
        yield* isLost(leader, /deleted|another session/)
        expect((yield* World.entry(World.destination, World.lock))?.session).toBe(other)
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("a store restored from before the lock was taken has lost it", () =>
      Effect.gen(function* () {
        const sim = yield* SimConsul.SimConsul
        const before = yield* sim.snapshot(World.destination)
        const leader = yield* newcomer
        yield* sim.restore(before, { rebuilt: true })
        yield* TestClock.adjust("64 seconds")
        yield* isLost(leader, "deleted")
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("heartbeats that are not confirmed for longer than the time to live lose the lock", () =>
      Effect.gen(function* () {
        for (const fault of [Network.refused, Network.silent, Network.answer(500, "Unknown check")]) {
          const leader = yield* newcomer
          yield* TestClock.adjust("10 seconds")
          // The last one was confirmed just now.
          const confirmed = yield* time
          yield* leader.network.disturb(Network.on(heartbeats, fault))
          // The lock can be read all the time; the servers are made not to notice the missing heartbeats.
          const sim = yield* SimConsul.SimConsul
          yield* sim.setClockRate("sfo1-a", 0)
          yield* TestClock.adjust("3 seconds")
          yield* leadsUndisturbed(leader)
          yield* TestClock.adjust("2 seconds")
          yield* isLost(leader, "no heartbeat for 3s")
          const after = (leader.interrupted[0] ?? 0) - confirmed
          expect(after).toBeGreaterThan(3_000)
          expect(after).toBeLessThan(4_400)
          yield* sim.setClockRate("sfo1-a", 1)
          yield* nothingIsLeft
        }
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("heartbeats that are refused for less do not", () =>
      Effect.gen(function* () {
        const leader = yield* newcomer
        yield* leader.network.disturb(Network.on(heartbeats, Network.refused))
        yield* TestClock.adjust("2200 millis")
        yield* leader.network.heal
        yield* TestClock.adjust("10 seconds")
        yield* leadsUndisturbed(leader)
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("one heartbeat without an answer does not", () =>
      Effect.gen(function* () {
        const leader = yield* newcomer
        yield* leader.network.disturb(Network.on(heartbeats, Network.once(Network.silent)))
        yield* TestClock.adjust("10 seconds")
        yield* leadsUndisturbed(leader)
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("a heartbeat whose answer is lost is not a confirmed one", () =>
      Effect.gen(function* () {
        const leader = yield* newcomer
        yield* leader.network.disturb(Network.on(heartbeats, Network.answerLost))
        yield* TestClock.adjust("5 seconds")
        yield* isLost(leader, "no heartbeat")
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("a frozen instance finds itself lost as soon as it wakes, before it says another word", () =>
      Effect.gen(function* () {
        const leader = yield* newcomer
        // Nothing but its own clock can tell it.
        yield* leader.network.disturb(Network.on(reading, Network.silent))
        yield* leader.freeze
        yield* TestClock.adjust("1 minute")
        expect(leader.interrupted).toEqual([])
        const said = leader.count(heartbeats)
        yield* leader.thaw
        yield* isLost(leader, "no heartbeat")
        expect(leader.count(heartbeats)).toBe(said)
        expect(leader.interrupted).toEqual([60_000])
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("no leader among the servers is not a lost lock", () =>
      Effect.gen(function* () {
        const sim = yield* SimConsul.SimConsul
        const leader = yield* newcomer
        yield* sim.setLeader(World.destination, false)
        yield* TestClock.adjust("80 seconds")
        yield* leadsUndisturbed(leader)
        yield* sim.setLeader(World.destination, true)
        yield* TestClock.adjust("65 seconds")
        yield* leadsUndisturbed(leader)
        expect(Events.causes(leader)).toEqual(["Lock NoLeader"])
        expect(Events.recovered(leader, "Lock")).toHaveLength(1)
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped.each([
      ["an error of the servers", Network.answer(500, "rpc error making call: EOF")],
      ["a refused permission", Network.answer(403, "Permission denied")],
      ["a limited rate", Network.answer(429, "")],
      ["a time-out", Network.silent],
      ["a connection that breaks", Network.refused],
      ["a page of somebody else", Network.answer(200, "<html>")],
      ["an answer without an index", Network.answer(404, "")]
    ] as const)("%s, when asking for the lock, says nothing about it", ([, fault]) =>
      Effect.gen(function* () {
        const leader = yield* newcomer
        yield* leader.network.disturb(Network.on(reading, fault))
        // The query under way ends first, or none would meet the trouble.
        const sim = yield* SimConsul.SimConsul
        yield* sim.put(World.destination, World.lock, "touched")
        yield* TestClock.adjust(fault === Network.silent ? "80 seconds" : "20 seconds")
        yield* leadsUndisturbed(leader)
        yield* leader.network.heal
        yield* TestClock.adjust("6 seconds")
        yield* leadsUndisturbed(leader)
      }).pipe(Effect.provide(World.layer))
    )
  })

  describe("handing over", () => {
    it.scoped("of two, one leads; when its scope closes the other does, in no time", () =>
      Effect.gen(function* () {
        const first = yield* newcomer
        const second = yield* newcomer
        yield* TestClock.adjust("70 seconds")
        yield* leadsUndisturbed(first)
        expect(second.led).toEqual([])
        expect(second.events).toMatchObject([
          { _tag: "StandingBy", reason: "Held", holder: { node: "sfo1-a", pid: process.pid, since: 0 } }
        ])
        yield* Fiber.interrupt(first.fiber)
        yield* settle
        yield* leadsUndisturbed(second)
        expect(Object.keys(yield* World.services(World.destination))).toEqual([second.led[0]?.instance])
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped(
      "an instance that would do something else with the lock stands by, and names both purposes",
      () =>
        Effect.gen(function* () {
          const first = yield* newcomer
          const other = yield* World.instance({ prefix: "other/", destinationPrefix: "copy/" })
          const second = yield* stand(other)
          yield* TestClock.adjust("70 seconds")
          yield* leadsUndisturbed(first)
          expect(second.events).toMatchObject([
            {
              _tag: "StandingBy",
              holder: { purpose: 'nyc1 "global/" to "global/"' },
              purpose: 'nyc1 "other/" to "copy/"'
            }
          ])
        }).pipe(Effect.provide(World.layer))
    )

    it.scoped("of many, exactly one leads at any time, until none is left", () =>
      Effect.gen(function* () {
        let left: ReadonlyArray<Standing> = yield* Effect.all([newcomer, newcomer, newcomer, newcomer])
        while (left.length > 0) {
          yield* TestClock.adjust("10 seconds")
          const leaders = yield* Effect.filter(left, holds)
          expect(leaders).toHaveLength(1)
          expect(left.filter(({ led }) => led.length > 0)).toEqual(leaders)
          yield* Effect.forEach(leaders, ({ fiber }) => Fiber.interrupt(fiber))
          left = left.filter((standing) => !leaders.includes(standing))
        }
        yield* nothingIsLeft
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("a leader that vanished is replaced when the time to live of its check is over", () =>
      Effect.gen(function* () {
        const first = yield* newcomer
        const second = yield* newcomer
        yield* TestClock.adjust("10 seconds")
        // The last heartbeat was confirmed just now.
        yield* first.network.cut
        yield* TestClock.adjust("2999 millis")
        expect(second.led).toEqual([])
        yield* TestClock.adjust("1 millis")
        yield* leadsUndisturbed(second)
        // Its service goes too, when it was critical for a minute and Consul looks for such.
        expect(Object.keys(yield* World.services(World.destination))).toHaveLength(2)
        yield* TestClock.adjust("90 seconds")
        expect(Object.keys(yield* World.services(World.destination))).toEqual([second.led[0]?.instance])
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("one whose network is cut knows that it lost, and leaves without waiting for Consul", () =>
      Effect.gen(function* () {
        const first = yield* newcomer
        const second = yield* newcomer
        yield* first.network.cut
        yield* TestClock.adjust("8 seconds")
        yield* isLost(first, "no heartbeat")
        yield* leadsUndisturbed(second)
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("a stop while Consul does not answer takes no more than 4 s", () =>
      Effect.gen(function* () {
        const leader = yield* newcomer
        yield* leader.network.disturb(Network.silent)
        const stop = yield* Effect.fork(Fiber.interrupt(leader.fiber))
        yield* TestClock.adjust("4 seconds")
        expect((yield* Fiber.join(stop))._tag).toBe("Failure")
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("a free lock under the lock delay of another tool is waited for", () =>
      Effect.gen(function* () {
        const sim = yield* SimConsul.SimConsul
        const other = yield* otherHolder(15_000)
        const waiting = yield* newcomer
        expect(waiting.events).toMatchObject([{ _tag: "StandingBy", reason: "Held", holder: undefined }])
        yield* sim.destroySession(World.destination, other)
        yield* TestClock.adjust("14900 millis")
        expect(waiting.led).toEqual([])
        yield* TestClock.adjust("1100 millis")
        yield* leadsUndisturbed(waiting)
        expect(waiting.count(taking)).toBeLessThan(20)
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("trouble in asking for the lock while standing by is waited out, and said once", () =>
      Effect.gen(function* () {
        const first = yield* newcomer
        const second = yield* newcomer
        yield* second.network.disturb(Network.on(reading, Network.answer(500, "No cluster leader")))
        const sim = yield* SimConsul.SimConsul
        yield* sim.put(World.destination, World.lock, "touched")
        yield* TestClock.adjust("20 seconds")
        yield* Fiber.interrupt(first.fiber)
        yield* second.network.heal
        yield* TestClock.adjust("6 seconds")
        yield* leadsUndisturbed(second)
        expect(Events.odd(second)).toHaveLength(1)
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("an instance that lost its session while it stood by fails, to stand again", () =>
      Effect.gen(function* () {
        const first = yield* newcomer
        const second = yield* newcomer
        const sim = yield* SimConsul.SimConsul
        const sessions = yield* sim.sessions(World.destination)
        const own = sessions.find(({ id }) => id !== first.led[0]?.fence.session)
        yield* sim.destroySession(World.destination, own?.id ?? "")
        yield* Fiber.interrupt(first.fiber)
        expect(yield* second.failure).toMatchObject({ _tag: "Rejected", reason: /invalid session/ })
        yield* nothingIsLeft
      }).pipe(Effect.provide(World.layer))
    )
  })

  describe("enrolling", () => {
    it.scoped("waits for the servers to learn of the check", () =>
      Effect.gen(function* () {
        const instance = yield* World.instance()
        const notYet = Network.answer(500, "Missing check 'service:consul-replicate-1' registration")
        yield* instance.network.disturb(Network.on(enrolling, Network.once(notYet)))
        const leader = yield* stand(instance)
        expect(leader.led).toEqual([])
        yield* TestClock.adjust("120 millis")
        yield* leadsUndisturbed(leader)
        expect(Events.odd(leader)).toEqual([])
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped.each([
      ["asking the agent who it is", "GET /v1/agent/self"],
      ["registering", registering],
      ["creating the session", enrolling],
      ["taking the lock", taking]
    ] as const)("interrupted while %s, it leaves nothing behind", ([, line]) =>
      Effect.gen(function* () {
        const instance = yield* World.instance()
        // It gets there, and the answer is still under way.
        yield* instance.network.disturb(Network.on(line, (_, pass) => Effect.zipRight(pass, Effect.never)))
        const { fiber, led } = yield* stand(instance)
        const ending = yield* Effect.fork(Fiber.interrupt(fiber))
        // A registration that is under way is waited for, though not for long, before it is undone.
        yield* VirtualTime.pass("2 seconds")
        yield* Fiber.join(ending)
        expect(led).toEqual([])
        yield* nothingIsLeft
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped.each([
      ["the agent refuses", 403, "Permission denied"],
      ["cannot be registered", 500, "the agent has its reasons"]
    ] as const)("a service that %s is not removed more often with each attempt", ([, status, text]) =>
      Effect.gen(function* () {
        const instance = yield* World.instance()
        const unknown = Network.answer(500, 'Unknown service "consul-replicate-1"')
        const removing = "PUT /v1/agent/service/deregister/"
        yield* instance.network.disturb((sent, pass) =>
          Network.on(registering, Network.answer(status, text))(
            sent,
            Network.on(removing, unknown)(sent, pass)
          )
        )
        const acquire = instance.run(Effect.flatMap(LeaderLock, (lock) => Effect.scoped(lock.acquire)))
        const removed = () => instance.network.sent.filter(({ target }) => target.includes("/deregister/"))
        for (let attempt = 1; attempt <= 20; attempt++) {
          yield* failureOf(acquire)
          expect(removed().length).toBeLessThanOrEqual(2 * attempt)
        }
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped.each([
      ["an agent that is away", "GET /v1/agent/self", Network.refused, "Unreachable"],
      [
        "a service that may not be registered",
        registering,
        Network.answer(403, "Permission denied"),
        "Denied"
      ],
      ["a session that is refused for good", enrolling, Network.answer(400, "no"), "Rejected"],
      ["a lock that may not be written", taking, Network.answer(403, "Permission denied"), "Denied"]
    ] as const)("fails because of %s, and says so once however often it is tried", ([, line, fault, tag]) =>
      Effect.gen(function* () {
        const instance = yield* World.instance()
        yield* instance.network.disturb(Network.on(line, fault))
        const acquire = instance.run(Effect.flatMap(LeaderLock, (lock) => Effect.scoped(lock.acquire)))
        for (let attempt = 0; attempt < 3; attempt++) {
          expect(yield* failureOf(acquire)).toMatchObject({ _tag: tag })
          yield* nothingIsLeft
        }
        const subject = line === taking ? "Lock" : "Leadership"
        expect(Events.causes(instance)).toEqual([`${subject} ${tag}`])
        yield* instance.network.heal
        expect(Exit.isSuccess(yield* Effect.exit(acquire))).toBe(true)
        expect(Events.recovered(instance, subject)).toHaveLength(1)
        expect(Events.of(instance, "Leading")).toHaveLength(1)
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("two in one process have ids of their own", () =>
      Effect.gen(function* () {
        yield* newcomer
        yield* newcomer
        expect(Object.keys(yield* World.services(World.destination))).toHaveLength(2)
      }).pipe(Effect.provide(World.layer))
    )
  })
})
