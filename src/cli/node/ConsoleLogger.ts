/**
 * One line an event, to stderr: short on a terminal, and coloured unless NO_COLOR asks for none, plain and with the full time
 * elsewhere.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type { Ansi } from "./Ansi.js"
import { printable } from "./Printable.js"

const colors: Readonly<Record<string, string>> = {
  FATAL: "\x1b[31m",
  ERROR: "\x1b[31m",
  WARN: "\x1b[33m",
  INFO: "\x1b[32m",
  DEBUG: "\x1b[2m",
  TRACE: "\x1b[2m"
}

const text = (u: unknown): string =>
  typeof u === "string" ? u : u instanceof Error ? u.message : JSON.stringify(u)

/** The text of a log entry on one line, without time and level. */
export const messageOf = ({
  annotations,
  cause,
  message
}: Pick<Logger.Logger.Options<unknown>, "annotations" | "cause" | "message">): string => {
  const words = (Array.isArray(message) ? message : [message]).map(text)
  const extra = HashMap.toEntries(annotations).map(([name, value]) => `${name}=${text(value)}`)
  const trace = Cause.isEmpty(cause) ? [] : [Cause.pretty(cause, { renderErrorCause: true })]
  return printable([...words, ...extra, ...trace].join(" "))
}

/** Exported for tests; `layer` is what the program uses. */
export const format = ({ colours, isTerminal, redraws }: Ansi): Logger.Logger<unknown, string> =>
  Logger.make((options) => {
    const { date, logLevel } = options
    const time = isTerminal ? date.toISOString().slice(11, 23) : date.toISOString()
    const level = logLevel.label.padEnd(5)
    // Erases the progress that may be drawn on the line.
    const start = redraws ? "\r\x1b[K" : ""
    const label = colours ? `${colors[logLevel.label] ?? ""}${level}\x1b[0m` : level
    return `${start}${time} ${label} ${messageOf(options)}`
  })

/**
 * Lets the program go on if the log cannot be written because the disk is full or the reader has gone. Node tries each line anew,
 * so later lines are written again as soon as possible.
 */
const dispensable = Effect.sync(() => void process.stderr.on("error", () => {}))

/** Replaces Effect's own logger. */
export const layer = (ansi: Ansi): Layer.Layer<never> =>
  Layer.merge(
    Layer.effectDiscard(dispensable),
    Logger.replace(Logger.defaultLogger, Logger.withConsoleError(format(ansi)))
  )
