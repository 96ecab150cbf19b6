import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as TestClock from "effect/TestClock"
import * as TransactionLog from "../../src/internal/report/TransactionLog.js"
import { Operation } from "../../src/Operation.js"
import * as Value from "../../src/Value.js"

const operations = [
  Operation.CheckSession({ key: "lock", session: "id" }),
  Operation.Set({ key: "global/a", value: Value.fromText("secret"), flags: 0n }),
  Operation.Set({ key: "global/\u202eb\n", value: Value.fromText("secret"), flags: 0n }),
  Operation.DeleteCas({ key: "global/c", index: 7 })
]

/** What is logged at a level while an effect runs that takes 12 ms. */
const logged = <E extends { readonly message: string }>(
  level: LogLevel.LogLevel,
  given: ReadonlyArray<Operation>,
  request: Effect.Effect<void, E>
) =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const logger = Logger.make(({ message }) => {
      lines.push(String(message))
    })
    const fiber = yield* Effect.delay(request, "12 millis").pipe(
      TransactionLog.ofTransaction(given),
      Effect.exit,
      Effect.provide(
        Layer.merge(Logger.replace(Logger.defaultLogger, logger), Logger.minimumLogLevel(level))
      ),
      Effect.fork
    )
    yield* TestClock.adjust("12 millis")
    yield* Fiber.join(fiber)
    return lines
  })

describe("a transaction", () => {
  it.effect("is one line at debug: its keys, its answer and how long it took, and no value", () =>
    Effect.gen(function* () {
      expect(yield* logged(LogLevel.Debug, operations, Effect.void)).toEqual([
        'transaction of 4 operations: wrote "global/a", "global/\u202eb\\n"; deleted "global/c"; checked "lock"; landed after 12 ms'
      ])
      const [line = ""] = yield* logged(LogLevel.Debug, operations, Effect.fail({ message: "no answer" }))
      expect(line).toMatch(/failed: no answer after 12 ms$/)
    })
  )

  it.effect("is not made into text at info", () =>
    Effect.gen(function* () {
      const untouchable = new Proxy(operations, {
        get: () => {
          throw new Error("its operations were looked at")
        }
      })
      expect(yield* logged(LogLevel.Info, untouchable, Effect.void)).toEqual([])
    })
  )
})
