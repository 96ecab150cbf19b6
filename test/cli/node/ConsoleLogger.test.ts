import { describe, expect, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Ansi from "../../../src/cli/node/Ansi.js"
import * as ConsoleLogger from "../../../src/cli/node/ConsoleLogger.js"

const ansi = (isTTY: boolean, environment: Readonly<Record<string, string>> = {}) =>
  Ansi.of({ isTTY }).pipe(
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(environment))))
  )

/** What a warning looks like. */
const warning = Effect.fnUntraced(function* (of: Ansi.Ansi, message: string) {
  const lines: Array<string> = []
  const logger = Logger.map(ConsoleLogger.format(of), (line) => void lines.push(line))
  yield* Effect.provide(Effect.logWarning(message), Logger.replace(Logger.defaultLogger, logger))
  return lines.join("\n")
})

describe("the log", () => {
  it.effect("is coloured on a terminal, where a line takes the place of the view of progress", () =>
    Effect.gen(function* () {
      const line = yield* warning(yield* ansi(true, { TERM: "xterm-256color" }), "a")
      expect(line).toMatch(/^\r\x1b\[K\d\d:\d\d:\d\d\.\d{3} \x1b\[33mWARN \x1b\[0m a$/)
    })
  )

  it.effect("has no colours with NO_COLOR, unless that is empty", () =>
    Effect.gen(function* () {
      const line = yield* warning(yield* ansi(true, { TERM: "xterm", NO_COLOR: "1" }), "a")
      expect(line).toMatch(/^\r\x1b\[K\d\d:\d\d:\d\d\.\d{3} WARN {2}a$/)
      expect((yield* ansi(true, { NO_COLOR: "" })).colours).toBe(true)
    })
  )

  it.effect("has no escape sequence at all with TERM=dumb, nor elsewhere than on a terminal", () =>
    Effect.gen(function* () {
      expect(yield* warning(yield* ansi(true, { TERM: "dumb" }), "a")).toMatch(
        /^\d\d:\d\d:\d\d\.\d{3} WARN {2}a$/
      )
      expect(yield* warning(yield* ansi(false, { TERM: "xterm" }), "a")).toMatch(
        /^\d{4}-\d\d-\d\dT[\d:.]+Z WARN {2}a$/
      )
    })
  )

  it.effect("shows what a terminal would obey, or not show, by its number", () =>
    Effect.gen(function* () {
      const line = yield* warning(yield* ansi(false), 'global/"\u202e\u200b\x1b[2J\n')
      expect(line).toContain('global/"\\u202e\\u200b\\u001b[2J\\u000a')
    })
  )
})
