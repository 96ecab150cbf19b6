import { describe, expect, it } from "@effect/vitest"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { EventSink } from "../../src/internal/report/EventSink.js"
import * as SentRequests from "../../src/internal/report/SentRequests.js"
import { Operation } from "../../src/Operation.js"
import type { ReplicationEvent } from "../../src/ReplicationEvent.js"
import * as Value from "../../src/Value.js"

class Away extends Data.TaggedError("Away")<{ readonly message: string }> {}

const replication = { source: "nyc1", prefix: "global/", destinationPrefix: "global/" }

const operations = [
  Operation.CheckSession({ key: "lock", session: "id" }),
  Operation.Set({ key: "global/a", value: Value.fromText("secret"), flags: 0n }),
  Operation.DeleteCas({ key: "global/c", index: 7 })
]

/** What is emitted while a request runs that takes 12 ms. */
const emitted = (isWanted: boolean, given: ReadonlyArray<Operation>, request: Effect.Effect<void, Away>) =>
  Effect.gen(function* () {
    const events: Array<ReplicationEvent> = []
    const fiber = yield* Effect.delay(request, "12 millis").pipe(
      SentRequests.ofTransaction(replication, given, () => 77),
      Effect.exit,
      Effect.provideService(EventSink, {
        consume: (event) => Effect.sync(() => void events.push(event)),
        wantsRequests: () => isWanted
      }),
      Effect.fork
    )
    yield* TestClock.adjust("12 millis")
    yield* Fiber.join(fiber)
    return events
  })

describe("a transaction", () => {
  it.effect("is one event with its keys, its outcome and how long it took, and no value", () =>
    Effect.gen(function* () {
      const events = yield* emitted(true, operations, Effect.void)
      expect(events).toMatchObject([
        {
          _tag: "TransactionSent",
          operations: [
            { kind: "check", key: "lock" },
            { kind: "write", key: "global/a" },
            { kind: "delete", key: "global/c" }
          ],
          bytes: 77,
          outcome: "Landed",
          duration: 12
        }
      ])
      expect(JSON.stringify(events)).not.toContain(Value.fromText("secret"))
    })
  )

  it.effect("that fails has the tag and the message of its error", () =>
    Effect.gen(function* () {
      expect(yield* emitted(true, operations, new Away({ message: "no answer" }))).toMatchObject([
        { outcome: "Failed", cause: "Away", message: "no answer" }
      ])
    })
  )

  it.effect("is not looked at if nobody wants such events", () =>
    Effect.gen(function* () {
      const untouchable = new Proxy(operations, {
        get: () => {
          throw new Error("its operations were looked at")
        }
      })
      expect(yield* emitted(false, untouchable, Effect.void)).toEqual([])
    })
  )
})
