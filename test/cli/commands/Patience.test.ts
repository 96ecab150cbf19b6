import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as Patience from "../../../src/cli/commands/replicate/Patience.js"
import type { ReplicationEvent } from "../../../src/ReplicationEvent.js"

/** An attempt that fails for the first time; `failingFor` is how long none has succeeded, in ms. */
const failure = (message: string, failingFor = 0, cause = "Unreachable"): ReplicationEvent => ({
  _tag: "Trouble",
  at: 0,
  subject: { _tag: "Source", source: "nyc1" },
  cause,
  message,
  phase: "Again",
  lasted: failingFor,
  failingFor
})

const source = "waiting for the source nyc1: "

const standingBy: ReplicationEvent = {
  _tag: "StandingBy",
  at: 0,
  lock: "leader",
  service: "s",
  reason: "Held"
}

const heldUp = (cause: string, message: string): ReplicationEvent => ({
  _tag: "Trouble",
  at: 0,
  subject: { _tag: "Replication" },
  cause,
  message,
  phase: "Began",
  lasted: 0,
  failingFor: 0
})

const over: ReplicationEvent = {
  _tag: "TroubleOver",
  at: 0,
  subject: { _tag: "Source", source: "nyc1" },
  lasted: 0
}

const answered: ReplicationEvent = {
  _tag: "AgentAnswered",
  at: 0,
  replication: { source: "nyc1", prefix: "global/", destinationPrefix: "global/" },
  address: "agent",
  datacenter: "sfo1"
}

const make = (...kinds: ReadonlyArray<Patience.Kind>) =>
  Effect.gen(function* () {
    const { consumer, denied, exhausted } = yield* Patience.make({
      timeout: Duration.seconds(60),
      kinds: new Set(kinds),
      first: "no answer from the agent"
    })
    const fiber = yield* Effect.fork(Effect.flip(exhausted))
    yield* Effect.yieldNow()
    /** The message, if it has given up. */
    const message = Effect.gen(function* () {
      yield* TestClock.adjust(0)
      return Option.map(yield* Fiber.poll(fiber), (exit) =>
        exit._tag === "Success" ? exit.value.message : ""
      )
    })
    return { ...consumer, denied, exhausted, message }
  })

describe("-timeout", () => {
  it.effect("ends a wait for the first answer", () =>
    Effect.gen(function* () {
      const { message } = yield* make("Trouble")
      yield* TestClock.adjust("59 seconds")
      expect(yield* message).toEqual(Option.none())
      yield* TestClock.adjust("1 second")
      expect(yield* message).toEqual(Option.some("gave up after 1m (-timeout): no answer from the agent"))
    })
  )

  it.effect("ends trouble that has lasted since the start, with what the last attempt was answered", () =>
    Effect.gen(function* () {
      const { consume, message } = yield* make("Trouble")
      yield* TestClock.adjust("10 seconds")
      for (let second = 10; second < 60; second += 5) {
        yield* consume(failure(`refused after ${second} s`, (second - 10) * 1_000))
        expect(yield* message).toEqual(Option.none())
        yield* TestClock.adjust("5 seconds")
      }
      yield* consume(failure("refused after 60 s", 50_000))
      expect(yield* message).toEqual(Option.some(`gave up after 1m (-timeout): ${source}refused after 60 s`))
    })
  )

  it.effect("counts from the first failure after the last success of the one that fails", () =>
    Effect.gen(function* () {
      const { consume, message } = yield* make("Trouble")
      yield* consume(failure("a"))
      yield* consume(over)
      yield* TestClock.adjust("10 minutes")
      yield* consume(failure("a", 59_999))
      expect(yield* message).toEqual(Option.none())
      yield* consume(failure("b", 60_000))
      expect(yield* message).toEqual(Option.some(`gave up after 1m (-timeout): ${source}b`))
    })
  )

  it.effect("never ends what goes well, however long nothing happens", () =>
    Effect.gen(function* () {
      const { consume, message } = yield* make("Trouble", "Turn")
      yield* consume(answered)
      yield* TestClock.adjust("5 hours")
      expect(yield* message).toEqual(Option.none())
    })
  )

  it.effect("does not end for trouble of an attempt that is not made any more", () =>
    Effect.gen(function* () {
      const { consume, message } = yield* make("Trouble")
      yield* consume(failure("a"))
      yield* TestClock.adjust("5 hours")
      expect(yield* message).toEqual(Option.none())
    })
  )

  it.effect("ends a wait for the lock with -once, while nothing is attempted", () =>
    Effect.gen(function* () {
      const { consume, message } = yield* make("Trouble", "Turn")
      yield* consume(answered)
      yield* TestClock.adjust("1 hour")
      yield* consume(standingBy)
      yield* TestClock.adjust("59 seconds")
      expect(yield* message).toEqual(Option.none())
      yield* TestClock.adjust("1 second")
      expect(yield* message).toEqual(
        Option.some("gave up after 1m (-timeout): standing by: another instance holds leader")
      )
    })
  )

  it.effect("ends a wait for the status key of another instance in the same way", () =>
    Effect.gen(function* () {
      const { consume, message } = yield* make("Trouble", "Turn")
      yield* consume(answered)
      yield* consume(heldUp("StatusInUse", "in use"))
      yield* TestClock.adjust("1 minute")
      expect(yield* message).toEqual(
        Option.some("gave up after 1m (-timeout): replication is held up: in use")
      )
    })
  )

  it.effect("lets an instance stand by for ever without -once, and forgets trouble from before", () =>
    Effect.gen(function* () {
      const { consume, message } = yield* make("Trouble")
      yield* consume(failure("a"))
      yield* TestClock.adjust("30 seconds")
      yield* consume(standingBy)
      yield* TestClock.adjust("50 seconds")
      yield* consume(failure("b", 80_000))
      expect(yield* message).toEqual(Option.none())
      yield* TestClock.adjust("10 seconds")
      yield* consume(failure("c", 90_000))
      expect(yield* message).toEqual(Option.some(`gave up after 1m (-timeout): ${source}c`))
    })
  )

  it.effect("does not end for trouble in which replication goes on", () =>
    Effect.gen(function* () {
      const { consume, message } = yield* make("Trouble")
      yield* consume(answered)
      for (const subject of [
        { _tag: "Rate", requests: "writes" },
        { _tag: "Connections", address: "agent" },
        { _tag: "Session", lock: "leader", service: "s" }
      ] as const) {
        yield* consume({
          _tag: "Trouble",
          at: 0,
          subject,
          cause: "RateLimited",
          message: "slow",
          phase: "Again",
          lasted: 600_000,
          failingFor: 600_000
        })
      }
      expect(yield* message).toEqual(Option.none())
    })
  )

  it.effect(
    "waits for no right that the token lacks, where that counts, and never gives up for it elsewhere",
    () =>
      Effect.gen(function* () {
        const { consume, denied, exhausted } = yield* make("Trouble")
        const [ended, patient] = [yield* Effect.fork(Effect.flip(denied)), yield* Effect.fork(exhausted)]
        yield* consume(answered)
        yield* consume(heldUp("SourceUnreadable", "the token lacks a right"))
        expect((yield* Fiber.join(ended)).message).toBe("the token lacks a right")
        yield* TestClock.adjust("5 hours")
        expect(yield* Fiber.poll(patient)).toEqual(Option.none())
      })
  )
})
