import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as CheckOutput from "../../src/internal/lock/CheckOutput.js"
import { type Health, passing } from "../../src/internal/lock/Health.js"
import * as LockSession from "../../src/internal/lock/LockSession.js"
import * as LockTimes from "../../src/internal/lock/LockTimes.js"
import { Network, SimConsul, World } from "../../src/testing/index.js"
import * as Events from "../support/Events.js"

const service = "consul-replicate"
const checkId = "service:consul-replicate/1"
const ttl = Duration.seconds(30)
const checkTtl = Duration.seconds(3)

const ending = "PUT /v1/session/destroy/"
const renewing = "PUT /v1/session/renew/"
const updating = "PUT /v1/agent/check/update/"

/** Lets everything run that needs no time. */
const settle = TestClock.adjust(0)

/** Sessions for one lock, as an instance makes them. They have no checks: without a request they live on. */
const make = Effect.gen(function* () {
  const instance = yield* World.instance()
  const sessions = yield* instance.run(LockSession.make({ agentless: true, lock: World.lock, service }, ttl))
  const create = instance.run(
    sessions.create({ name: LockSession.sessionName(service, World.lock), checks: [] })
  )
  /** The methods and paths of the requests that were sent, without ids. */
  const sent = () =>
    instance.network.sent.flatMap(({ method, target }) =>
      [ending, renewing, updating].filter((line) => `${method} ${target}`.startsWith(line))
    )
  return { ...instance, sessions, create, sent }
})

const openSessions = Effect.flatMap(SimConsul.SimConsul, (sim) =>
  Effect.map(sim.sessions(World.destination), (sessions) => sessions.map(({ id }) => id))
)

/** A session that is renewed with the output of a check. */
const makeRenewed = Effect.gen(function* () {
  const made = yield* make
  const session = yield* made.create
  const output = yield* CheckOutput.make(passing)
  const renewal = yield* Effect.fork(made.run(made.sessions.renew(session, checkId, checkTtl, output)))
  yield* settle
  return { ...made, session, output, renewal }
})

const warning: Health = { status: "warning", output: "3 keys are refused" }

describe("a session of the lock", () => {
  it.scoped("that could not be ended is ended by the next attempt: this process would wait for itself", () =>
    Effect.gen(function* () {
      const { create, network, sent } = yield* make
      yield* network.disturb(Network.on(ending, Network.refused))
      const former = yield* Effect.scoped(create)
      expect(yield* openSessions).toEqual([former.id])
      yield* network.heal
      const next = yield* create
      yield* settle
      expect(yield* openSessions).toEqual([next.id])
      expect(sent()).toEqual([ending, ending])
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped("that was ended is not ended again by the next attempt", () =>
    Effect.gen(function* () {
      const { create, sent } = yield* make
      yield* Effect.scoped(create)
      yield* create
      yield* settle
      expect(sent()).toEqual([ending])
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped("is renewed three times in its time to live, and the agent is sent nothing", () =>
    Effect.gen(function* () {
      const { renewal, sent } = yield* makeRenewed
      yield* Effect.repeatN(TestClock.adjust("1 second"), 29)
      expect(sent()).toEqual([renewing, renewing, renewing])
      expect(Option.isNone(yield* Fiber.poll(renewal))).toBe(true)
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped("shows the agent another status at once, after a renewal", () =>
    Effect.gen(function* () {
      const { output, sent } = yield* makeRenewed
      yield* output.request(warning)
      yield* settle
      expect(sent()).toEqual([renewing, updating])
      expect(yield* output.reported).toEqual(warning)
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped("leaves another output with the same status to the next heartbeat, after a renewal", () =>
    Effect.gen(function* () {
      const { output, sent } = yield* makeRenewed
      const progress: Health = { ...passing, output: "300 keys copied" }
      yield* output.request(progress)
      yield* settle
      expect(sent()).toEqual([renewing])
      expect(yield* output.reported).toEqual(progress)
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped("shows the agent nothing while a renewal fails, and then the latest health", () =>
    Effect.gen(function* () {
      const { events, network, output, sent } = yield* makeRenewed
      yield* network.disturb(Network.on(renewing, Network.answer(500, "No cluster leader")))
      yield* output.request(warning)
      yield* settle
      yield* output.request({ ...warning, output: "4 keys are refused" })
      yield* TestClock.adjust(LockTimes.heartbeatInterval(checkTtl))
      expect(sent()).toEqual([renewing, renewing])
      expect(yield* output.reported).toEqual(passing)
      expect(Events.of({ events }, "RequestFailed")).toMatchObject([
        { purpose: "renewal" },
        { purpose: "renewal" }
      ])
      yield* network.heal
      yield* TestClock.adjust(LockTimes.heartbeatInterval(checkTtl))
      expect(sent()).toEqual([renewing, renewing, renewing, updating])
      expect((yield* output.reported).output).toBe("4 keys are refused")
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped("is renewed no more after it has ended", () =>
    Effect.gen(function* () {
      const { renewal, run, sent, session, sessions } = yield* makeRenewed
      const sim = yield* SimConsul.SimConsul
      yield* sim.destroySession(World.destination, session.id)
      const keeping = yield* Effect.fork(run(sessions.keep(session)))
      yield* Effect.repeatN(TestClock.adjust("1 second"), 9)
      expect(yield* Fiber.join(keeping)).toBe(LockSession.ended)
      yield* Fiber.join(renewal)
      const before = sent().length
      yield* TestClock.adjust("1 minute")
      expect(sent()).toHaveLength(before)
    }).pipe(Effect.provide(World.layer))
  )
})
