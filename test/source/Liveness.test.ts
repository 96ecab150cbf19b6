import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as Liveness from "../../src/internal/source/Liveness.js"

const answered = Effect.void

describe("the silence of a source", () => {
  it.scoped(
    "is that of the topic that it answered about least recently, however often it answers about others",
    () =>
      Effect.gen(function* () {
        const liveness = yield* Liveness.make
        const one = yield* liveness.topic()
        const other = yield* liveness.topic()
        yield* TestClock.adjust("1 minute")
        yield* one.asking(answered)
        yield* TestClock.adjust("1 minute")
        yield* one.asking(answered)
        expect(yield* liveness.silence).toEqual(Duration.minutes(2))
        yield* other.asking(answered)
        expect(yield* liveness.silence).toEqual(Duration.zero)
      })
  )

  it.scoped("goes on while requests fail", () =>
    Effect.gen(function* () {
      const liveness = yield* Liveness.make
      const topic = yield* liveness.topic()
      yield* TestClock.adjust("1 minute")
      yield* Effect.ignore(topic.asking(Effect.fail("refused")))
      expect(yield* liveness.silence).toEqual(Duration.minutes(1))
    })
  )

  it.scoped("is not ended by a new topic, which replaces older ones", () =>
    Effect.gen(function* () {
      const liveness = yield* Liveness.make
      const scope = yield* Scope.make()
      yield* Scope.extend(liveness.topic(), scope)
      yield* TestClock.adjust("1 minute")
      const next = yield* liveness.topic()
      yield* Scope.close(scope, Exit.void)
      expect(yield* liveness.silence).toEqual(Duration.minutes(1))
      yield* next.asking(answered)
      expect(yield* liveness.silence).toEqual(Duration.zero)
    })
  )

  it.scoped("goes on while a watch begins anew, and there is no topic at all", () =>
    Effect.gen(function* () {
      const liveness = yield* Liveness.make
      yield* Effect.scoped(Effect.flatMap(liveness.topic(), ({ asking }) => asking(answered)))
      yield* TestClock.adjust("1 minute")
      expect(yield* liveness.silence).toEqual(Duration.minutes(1))
      yield* liveness.topic()
      yield* TestClock.adjust("1 minute")
      expect(yield* liveness.silence).toEqual(Duration.minutes(2))
    })
  )

  it.scoped("of a topic that waits for its consumer ends when the source answers anything", () =>
    Effect.gen(function* () {
      const liveness = yield* Liveness.make
      yield* liveness.topic()
      yield* TestClock.adjust("3 minutes")
      yield* liveness.hearIdle
      expect(yield* liveness.silence).toEqual(Duration.zero)
    })
  )

  it.scoped("of a topic that waits for an answer ends with that answer, or when all is confirmed", () =>
    Effect.gen(function* () {
      const liveness = yield* Liveness.make
      const topic = yield* liveness.topic()
      const asking = yield* Effect.fork(topic.asking(Effect.never))
      yield* TestClock.adjust("3 minutes")
      yield* liveness.hearIdle
      expect(yield* liveness.silence).toEqual(Duration.minutes(3))
      yield* liveness.hearAll
      expect(yield* liveness.silence).toEqual(Duration.zero)
      yield* Fiber.interrupt(asking)
      yield* TestClock.adjust("1 minute")
      yield* liveness.hearIdle
      expect(yield* liveness.silence).toEqual(Duration.zero)
    })
  )
})
