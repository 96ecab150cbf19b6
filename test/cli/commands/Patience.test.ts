import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as Patience from "../../../src/cli/commands/replicate/Patience.js"
import type { Kind } from "../../../src/internal/report/Waits.js"

const make = (...kinds: ReadonlyArray<Kind>) =>
  Effect.gen(function* () {
    const { exhausted, listener } = yield* Patience.make({
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
    return { ...listener, message }
  })

const [source, lock] = [{}, {}]

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

  it.effect("ends trouble that has lasted since the start, with what the last attempt said", () =>
    Effect.gen(function* () {
      const { message, waiting } = yield* make("Trouble")
      yield* TestClock.adjust("10 seconds")
      for (let second = 10; second < 60; second += 5) {
        yield* waiting(source, "Trouble", `refused after ${second} s`)
        expect(yield* message).toEqual(Option.none())
        yield* TestClock.adjust("5 seconds")
      }
      yield* waiting(source, "Trouble", "refused after 60 s")
      expect(yield* message).toEqual(Option.some("gave up after 1m (-timeout): refused after 60 s"))
    })
  )

  it.effect("counts from the first failure after the last success, each wait by itself", () =>
    Effect.gen(function* () {
      const { message, over, waiting } = yield* make("Trouble")
      const other = {}
      yield* waiting(source, "Trouble", "a")
      for (let minute = 0; minute < 10; minute++) {
        yield* TestClock.adjust("50 seconds")
        yield* waiting(source, "Trouble", "a")
        yield* over(source)
        yield* TestClock.adjust("50 seconds")
        yield* over(other)
        yield* waiting(source, "Trouble", "a")
      }
      expect(yield* message).toEqual(Option.none())
      yield* TestClock.adjust("30 seconds")
      yield* over(other)
      yield* TestClock.adjust("30 seconds")
      yield* waiting(source, "Trouble", "b")
      expect(yield* message).toEqual(Option.some("gave up after 1m (-timeout): b"))
    })
  )

  it.effect("never ends what goes well, however long nothing happens", () =>
    Effect.gen(function* () {
      const { message, over } = yield* make("Trouble", "Turn")
      yield* over(source)
      yield* TestClock.adjust("5 hours")
      expect(yield* message).toEqual(Option.none())
    })
  )

  it.effect("does not end for trouble that nobody attempts any more", () =>
    Effect.gen(function* () {
      const { message, waiting } = yield* make("Trouble")
      yield* waiting(source, "Trouble", "a")
      yield* TestClock.adjust("5 hours")
      expect(yield* message).toEqual(Option.none())
    })
  )

  it.effect("ends a wait for the lock with -once, while nothing is attempted", () =>
    Effect.gen(function* () {
      const { message, over, waiting } = yield* make("Trouble", "Turn")
      yield* over(source)
      yield* TestClock.adjust("1 hour")
      yield* waiting(lock, "Turn", "the lock is not free")
      yield* TestClock.adjust("59 seconds")
      expect(yield* message).toEqual(Option.none())
      yield* TestClock.adjust("1 second")
      expect(yield* message).toEqual(Option.some("gave up after 1m (-timeout): the lock is not free"))
    })
  )

  it.effect("lets an instance stand by for ever without -once, and forgets trouble from before", () =>
    Effect.gen(function* () {
      const { message, waiting } = yield* make("Trouble")
      yield* waiting(source, "Trouble", "a")
      yield* TestClock.adjust("30 seconds")
      yield* waiting(lock, "Turn", "the lock is not free")
      yield* TestClock.adjust("5 hours")
      yield* waiting(source, "Trouble", "b")
      expect(yield* message).toEqual(Option.none())
    })
  )

  it.effect(
    "waits for no right that the token lacks, where that counts, and never gives up for it elsewhere",
    () =>
      Effect.gen(function* () {
        const { denied, exhausted, listener } = yield* Patience.make({
          timeout: Duration.seconds(60),
          kinds: new Set<Kind>(["Trouble"]),
          first: "no answer from the agent"
        })
        const [ended, patient] = [yield* Effect.fork(Effect.flip(denied)), yield* Effect.fork(exhausted)]
        yield* listener.over(source)
        yield* listener.waiting(source, "Denied", "the token lacks a right")
        expect((yield* Fiber.join(ended)).message).toBe("the token lacks a right")
        yield* TestClock.adjust("5 hours")
        expect(yield* Fiber.poll(patient)).toEqual(Option.none())
      })
  )
})
