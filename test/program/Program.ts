/**
 * The built program as a child process: what it says, and how it ends.
 */
import * as Url from "node:url"
import * as Command from "@effect/platform/Command"
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import type { PlatformError } from "@effect/platform/Error"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/** The built program. */
export const path = Url.fileURLToPath(new URL("../../dist/cli.js", import.meta.url))

export interface Program {
  readonly pid: number
  /** What it has written to stderr so far. */
  readonly log: Effect.Effect<ReadonlyArray<string>>
  /** Waits until a line of stderr matches; fails with all lines if none has when the program ends, or after `hung`. */
  readonly says: (pattern: RegExp) => Effect.Effect<string>
  /** What it has written to stdout so far. */
  readonly output: Effect.Effect<ReadonlyArray<string>>
  /** As `says`, for stdout. */
  readonly prints: (pattern: RegExp) => Effect.Effect<string>
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** The exit code, or none when a signal ended it. */
  readonly exit: Effect.Effect<Option.Option<number>>
}

/** How long a test waits before it takes what it waits for as hung: many times of what a busy machine needs. */
export const hung = "5 minutes"

/** Processes know nothing of a test's clock. */
export const live = Effect.withClock(Clock.make())

const isEnded = (fiber: Fiber.RuntimeFiber<unknown, unknown>) => Effect.map(fiber.poll, Option.isSome)

/** Reads lines as they come. */
const collect = Effect.fnUntraced(function* (stream: Stream.Stream<Uint8Array, unknown>) {
  const lines: Array<string> = []
  const reading = yield* stream.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach((line) => Effect.sync(() => lines.push(line))),
    Effect.ignore,
    Effect.forkScoped
  )
  const until = (pattern: RegExp) => {
    const match = Effect.suspend(() => Option.fromNullable(lines.find((line) => pattern.test(line))))
    return match.pipe(
      Effect.retry({ schedule: Schedule.spaced("10 millis"), until: () => isEnded(reading) }),
      Effect.timeout(hung),
      // The line may have come between the last look and the end.
      Effect.orElse(() => match),
      Effect.orElse(() =>
        Effect.dieMessage(`no line matches ${pattern}; the lines were:\n${lines.join("\n")}`)
      ),
      live
    )
  }
  return { read: Effect.sync(() => [...lines]), until, ended: reading.await }
})

/** Starts the program, and kills it with the scope. */
export const start = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {}
): Effect.Effect<Program, PlatformError, CommandExecutor.CommandExecutor | Scope.Scope> =>
  attach(Command.env(Command.make("node", path, ...args), env))

/** Starts the program as a shell does that redirects its streams: `2>/dev/full`. */
export const startRedirected = (redirection: string, args: ReadonlyArray<string>) =>
  attach(Command.make("bash", "-c", `exec node "$0" "$@" ${redirection}`, path, ...args))

const attach = (
  command: Command.Command
): Effect.Effect<Program, PlatformError, CommandExecutor.CommandExecutor | Scope.Scope> =>
  Effect.gen(function* () {
    const process = yield* Command.start(command)
    const log = yield* collect(process.stderr)
    const output = yield* collect(process.stdout)
    return {
      pid: process.pid,
      log: log.read,
      says: log.until,
      output: output.read,
      prints: output.until,
      signal: (signal) => Effect.sync(() => void globalThis.process.kill(process.pid, signal)),
      exit: process.exitCode.pipe(
        Effect.option,
        Effect.zipLeft(log.ended),
        Effect.zipLeft(output.ended),
        Effect.timeoutFail({ duration: hung, onTimeout: () => "hung" }),
        Effect.orElse(() => Effect.dieMessage(`the program did not end after ${hung}`)),
        live
      )
    }
  })

interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs any command to its end. */
export const capture = (
  command: Command.Command
): Effect.Effect<Outcome, PlatformError, CommandExecutor.CommandExecutor> =>
  Effect.gen(function* () {
    const process = yield* Command.start(command)
    const text = (stream: typeof process.stdout) => Stream.mkString(Stream.decodeText(stream))
    const [code, stdout, stderr] = yield* Effect.all(
      [process.exitCode, text(process.stdout), text(process.stderr)],
      { concurrency: "unbounded" }
    )
    return { code, stdout, stderr }
  }).pipe(Effect.scoped, live)

/** Runs the program to its end. */
export const run = (args: ReadonlyArray<string>) => capture(Command.make("node", path, ...args))
