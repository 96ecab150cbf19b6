import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as PassLog from "../../src/internal/report/PassLog.js"
import * as Logs from "../../src/testing/Logs.js"

const pass = (index: number) => ({ writes: 1, deletes: 0, passes: 1, lag: 5, index })

const make = Effect.gen(function* () {
  const logs = Logs.make()
  const scope = yield* Scope.make()
  const { log } = yield* Scope.extend(PassLog.make, scope).pipe(logs.capture)
  return {
    lines: logs.lines,
    pass: (index: number) => logs.capture(log(pass(index), `pass ${index}`)),
    close: logs.capture(Scope.close(scope, Exit.void))
  }
})

describe("the log of passes", () => {
  it.effect("has the first change after quiet at once, then a line every ten seconds until it is quiet", () =>
    Effect.gen(function* () {
      const { lines, pass } = yield* make
      yield* pass(1)
      expect(lines).toEqual(["INFO pass 1"])
      for (let index = 2; index <= 31; index++) {
        yield* TestClock.adjust("500 millis")
        yield* pass(index)
      }
      yield* TestClock.adjust("1 minute")
      expect(lines).toEqual([
        "INFO pass 1",
        "INFO replicated 19 writes, 0 deletes in 19 passes, lag up to 5 ms (index 20)",
        "INFO replicated 11 writes, 0 deletes in 11 passes, lag up to 5 ms (index 31)"
      ])
      yield* pass(32)
      expect(lines.at(-1)).toBe("INFO pass 32")
    })
  )

  it.effect("has every pass at debug", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => void lines.push(`${logLevel.label} ${message}`))
      const { log } = yield* PassLog.make
      yield* Effect.forEach([1, 2, 3], (index) => log(pass(index), `pass ${index}`)).pipe(
        Logger.withMinimumLogLevel(LogLevel.Debug),
        Effect.provide(Logger.replace(Logger.defaultLogger, logger))
      )
      expect(lines).toEqual(["INFO pass 1", "DEBUG pass 2", "DEBUG pass 3"])
    }).pipe(Effect.scoped)
  )

  it.effect("does not lose what is collected when replication stops", () =>
    Effect.gen(function* () {
      const { close, lines, pass } = yield* make
      yield* pass(1)
      yield* pass(2)
      yield* close
      expect(lines).toEqual([
        "INFO pass 1",
        "INFO replicated 1 write, 0 deletes in 1 pass, lag up to 5 ms (index 2)"
      ])
    })
  )
})
