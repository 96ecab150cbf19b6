import * as Os from "node:os"
import type { HttpClient } from "@effect/platform/HttpClient"
import { describe, expect, it } from "@effect/vitest"
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as Scope from "effect/Scope"
import { isOfLock, sessionName } from "../../src/internal/lock/LockSession.js"
import * as LockTimes from "../../src/internal/lock/LockTimes.js"
import { OptionName } from "../../src/internal/report/OptionName.js"
import * as LeaderLock from "../../src/LeaderLock.js"
import { Network, SimConsul, VirtualTime, World } from "../../src/testing/index.js"
import * as Balancer from "../support/Balancer.js"

const { destination, lock } = World
const { service } = LeaderLock.defaults

const balanced = ["127.0.0.1:8500", "127.0.0.1:8501", "127.0.0.1:8502"] as const

/** Three servers of one datacenter. */
const servers = SimConsul.layer({
  datacenters: [
    { name: destination, agents: Arr.map(balanced, (address, i) => ({ name: `server-${i}`, address })) }
  ]
})

/** Time jumps from one sleeper's waking to the next. */
const test = (claim: string, body: Effect.Effect<void, unknown, SimConsul.SimConsul | Scope.Scope>) =>
  it(claim, () => {
    const world = Layer.merge(servers, Logger.remove(Logger.defaultLogger))
    VirtualTime.runSync(Effect.scoped(body).pipe(Effect.provide(world)), claim)
  })

/** An instance that stands for leadership again and again until it is interrupted. */
const standing = (options: World.Options = {}, hosts: ReadonlyArray<string> = balanced) =>
  Effect.gen(function* () {
    const between = (agents: HttpClient) => Balancer.balancing(agents, hosts)
    const instance = yield* World.instance({ agentless: true, between, ...options })
    const led: Array<number> = []
    const leading = Effect.flatMap(LeaderLock.LeaderLock, (leaderLock) =>
      leaderLock.lead(() =>
        Effect.zipRight(
          Effect.map(Clock.currentTimeMillis, (now) => led.push(now)),
          Effect.never
        )
      )
    ).pipe(
      Effect.tapError(({ message }) => Effect.logWarning(message)),
      Effect.retry(LockTimes.retryLeadership)
    )
    const fiber = yield* Effect.forkScoped(instance.run(leading))
    yield* Effect.sleep("50 millis")
    const count = (line: string) =>
      instance.network.sent.filter(({ method, target }) => `${method} ${target}`.startsWith(line)).length
    return { ...instance, fiber, led, count }
  })

const sessions = Effect.flatMap(SimConsul.SimConsul, (sim) => sim.sessions(destination))

const losses = (instance: World.Instance) =>
  instance.logs.filter((line) => /lost the lock|cannot stand/.test(line))

const seconds = (count: number) => Duration.seconds(count)

describe("an instance without an agent", () => {
  test(
    "leads on and on behind an address that answers with another server each time, and registers nothing",
    Effect.gen(function* () {
      const instance = yield* standing()
      yield* Effect.sleep("30 minutes")
      expect(instance.led).toHaveLength(1)
      expect(losses(instance)).toEqual([])
      expect(yield* World.services(destination)).toEqual({})
      expect(instance.count("PUT /v1/agent/")).toBe(0)
      expect(yield* sessions).toMatchObject([{ ttl: "15000ms", checks: [], nodeChecks: [] }])
      // Five in the time to live.
      const renewals = instance.count("PUT /v1/session/renew/")
      expect(renewals).toBeGreaterThanOrEqual(599)
      expect(renewals).toBeLessThanOrEqual(601)
    })
  )

  test(
    "names its host, which no server knows, in the lock's value",
    Effect.gen(function* () {
      yield* standing()
      const entry = yield* World.entry(destination, lock)
      expect(JSON.parse(new TextDecoder().decode(entry?.value))).toMatchObject({ node: Os.hostname() })
    })
  )

  test(
    "is followed at once when it is told to stop, and leaves no session",
    Effect.gen(function* () {
      const leader = yield* standing()
      const next = yield* standing()
      expect([leader.led.length, next.led.length]).toEqual([1, 0])
      yield* Fiber.interrupt(leader.fiber)
      yield* Effect.sleep("50 millis")
      expect(next.led).toHaveLength(1)
      expect(yield* sessions).toHaveLength(1)
    })
  )

  for (const { expected, sessionTtl, ttlMin } of [
    { sessionTtl: undefined, ttlMin: undefined, expected: 15 },
    { sessionTtl: seconds(40), ttlMin: undefined, expected: 40 },
    { sessionTtl: seconds(20), ttlMin: seconds(60), expected: 60 }
  ]) {
    const given = sessionTtl === undefined ? "" : ` of ${Duration.format(sessionTtl)}`
    const raised = ttlMin === undefined ? "" : `, which the servers raise to ${Duration.format(ttlMin)},`
    test(
      `is followed within twice its time to live${given}${raised} after it was killed`,
      Effect.gen(function* () {
        const sim = yield* SimConsul.SimConsul
        if (ttlMin !== undefined) yield* sim.configure(destination, { sessionTtlMin: ttlMin })
        const options = sessionTtl === undefined ? {} : { sessionTtl }
        const leader = yield* standing(options)
        yield* Effect.sleep("1 minute")
        const next = yield* standing(options)
        yield* Effect.sleep("10 minutes")
        expect([leader.led.length, next.led.length]).toEqual([1, 0])
        const killed = yield* Clock.currentTimeMillis
        yield* leader.network.cut
        yield* Effect.sleep(seconds(2 * expected + 1))
        const [led = Number.POSITIVE_INFINITY] = next.led
        expect(led - killed).toBeLessThanOrEqual(2_000 * expected)
        expect(led - killed).toBeGreaterThan(1_000 * expected)
        expect(next.logs.filter((line) => line.includes("session_ttl_min"))).toHaveLength(
          ttlMin === undefined ? 0 : 1
        )
      })
    )
  }

  test(
    "keeps the lock through an election of two thirds of the time to live",
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      const instance = yield* standing()
      for (let i = 0; i < 20; i++) {
        yield* Effect.sleep(Duration.millis(7_000 + 137 * i))
        yield* sim.setLeader(destination, false)
        yield* Effect.sleep("10 seconds")
        yield* sim.setLeader(destination, true)
      }
      yield* Effect.sleep("1 minute")
      expect(instance.led).toHaveLength(1)
      expect(losses(instance)).toEqual([])
    })
  )

  test(
    "keeps the lock when one server of three answers nothing",
    Effect.gen(function* () {
      const instance = yield* standing()
      let request = 0
      yield* instance.network.disturb((_, pass) =>
        Effect.suspend(() => (++request % 3 === 0 ? Effect.never : pass))
      )
      yield* Effect.sleep("10 minutes")
      expect(instance.led).toHaveLength(1)
      expect(losses(instance)).toEqual([])
    })
  )

  test(
    "takes the lock for lost when no renewal was confirmed for its time to live, and leads again as soon as Consul answers",
    Effect.gen(function* () {
      const instance = yield* standing()
      yield* Effect.sleep("1 minute")
      yield* instance.network.disturb(Network.refused)
      yield* Effect.sleep("20 seconds")
      expect(losses(instance)).toContain(
        `WARN lost the lock ${lock}: Consul has confirmed no renewal of the session for 15s`
      )
      // Less than its former session lives, which holds the lock.
      yield* instance.network.heal
      yield* Effect.sleep("6 seconds")
      expect(instance.led).toHaveLength(2)
      expect(yield* sessions).toHaveLength(1)
    })
  )

  test(
    "stands anew within a fifth of its time to live when its session has ended while it stands by",
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* standing()
      const next = yield* standing()
      const holder = (yield* World.entry(destination, lock))?.session
      const other = (yield* sessions).find(({ id }) => id !== holder)
      yield* sim.destroySession(destination, other?.id ?? "")
      expect(yield* sessions).toHaveLength(1)
      yield* Effect.sleep("3200 millis")
      expect(yield* sessions).toHaveLength(2)
      expect(next.led).toEqual([])
    })
  )

  test(
    "says that the token may not renew its session",
    Effect.gen(function* () {
      const instance = yield* standing()
      yield* instance.network.disturb(Network.on(/session\/renew/, Network.answer(403, "Permission denied")))
      yield* Effect.sleep("4 seconds")
      expect(instance.logs.join()).toContain("WARN cannot renew the session of the lock: ")
    })
  )
})

describe("the session of an instance", () => {
  const id = `${service}-0123abcd`
  const check = `service:${id}`

  it("is told by its check, or without checks by the id in its name", () => {
    expect(isOfLock({ name: sessionName(service, lock), checks: ["serfHealth", check] }, service, lock)).toBe(
      true
    )
    expect(isOfLock({ name: service, checks: ["serfHealth", check] }, service, lock)).toBe(true)
    expect(isOfLock({ name: sessionName(id, lock), checks: [] }, service, lock)).toBe(true)
  })

  it("is none of another service or lock, and none by the name of the service alone", () => {
    for (const [name, checks] of [
      [service, []],
      [sessionName(service, lock), []],
      [sessionName(id, "another/lock"), []],
      [sessionName(`other-0123abcd`, lock), []],
      [sessionName(`${service}-0123abc`, lock), []],
      [sessionName(id, lock), ["serfHealth"]],
      [sessionName(service, lock), ["serfHealth"]],
      [sessionName(service, "another/lock"), ["serfHealth", check]]
    ] as const) {
      expect(isOfLock({ name, checks }, service, lock), `${name} with ${checks}`).toBe(false)
    }
  })
})

describe("an instance beside an agent", () => {
  const balancerLines = (instance: World.Instance) =>
    instance.logs.filter((line) => line.includes("answers as different nodes"))

  test(
    "says once that several servers answer at its address, and by which option to say so",
    Effect.gen(function* () {
      const instance = yield* standing({ agentless: false }).pipe(
        Effect.provideService(OptionName, (field) => `-${field}`)
      )
      yield* Effect.sleep("10 minutes")
      const [line] = balancerLines(instance)
      expect(line).toMatch(
        /^WARN http:\/\/127\.0\.0\.1:8500 answers as different nodes, server-\d and server-\d: .* give -agentless$/
      )
      expect(balancerLines(instance)).toHaveLength(1)
    })
  )

  test(
    "says so as soon as a heartbeat is refused, if all requests reached one server before",
    Effect.gen(function* () {
      const [first, second] = balanced
      const instance = yield* standing({ agentless: false }, [
        ...Arr.replicate(first, 20),
        ...Arr.replicate(second, 20)
      ])
      expect(instance.led).toHaveLength(1)
      expect(balancerLines(instance)).toEqual([])
      yield* Effect.sleep("30 seconds")
      expect(balancerLines(instance)).toHaveLength(1)
    })
  )

  test(
    "says nothing of that about one agent",
    Effect.gen(function* () {
      const instance = yield* standing({ agentless: false }, balanced.slice(0, 1))
      yield* Effect.sleep("1 minute")
      expect(balancerLines(instance)).toEqual([])
    })
  )
})
