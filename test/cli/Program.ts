/**
 * The built program as a child process: what it says, and how it ends.
 */
import * as Url from "node:url"
import * as Command from "@effect/platform/Command"
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import type { PlatformError } from "@effect/platform/Error"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

const cli = Url.fileURLToPath(new URL("../../dist/cli.js", import.meta.url))

export interface Program {
  readonly pid: number
  /** What it has written to stderr so far. */
  readonly log: Effect.Effect<ReadonlyArray<string>>
  /** Waits until a line of stderr matches, at most for 30 s; fails with all lines. */
  readonly says: (pattern: RegExp) => Effect.Effect<string>
  readonly signal: (signal: "SIGTERM" | "SIGINT" | "SIGKILL" | "SIGSTOP" | "SIGCONT") => Effect.Effect<void>
  /** The exit code, or none when a signal ended it. */
  readonly exit: Effect.Effect<Option.Option<number>>
}

/** Processes know nothing of a test's clock. */
export const live = Effect.withClock(Clock.make())

/** Starts the program, and kills it with the scope. */
export const start = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {}
): Effect.Effect<Program, PlatformError, CommandExecutor.CommandExecutor | Scope.Scope> =>
  Effect.gen(function* () {
    const process = yield* Command.start(Command.env(Command.make("node", cli, ...args), env))
    const lines: Array<string> = []
    const reading = yield* process.stderr.pipe(
      Stream.decodeText(),
      Stream.splitLines,
      Stream.runForEach((line) => Effect.sync(() => lines.push(line))),
      Effect.ignore,
      Effect.forkScoped
    )
    const says = (pattern: RegExp) =>
      Effect.suspend(() => Option.fromNullable(lines.find((line) => pattern.test(line)))).pipe(
        Effect.retry(Schedule.spaced("10 millis")),
        Effect.timeout("30 seconds"),
        Effect.orElse(() => Effect.dieMessage(`no line matches ${pattern}; it said:\n${lines.join("\n")}`))
      )
    return {
      pid: process.pid,
      log: Effect.sync(() => [...lines]),
      says: (pattern) => live(says(pattern)),
      signal: (signal) => Effect.sync(() => void globalThis.process.kill(process.pid, signal)),
      exit: live(process.exitCode.pipe(Effect.option, Effect.zipLeft(reading.await)))
    }
  })

/** Runs the program to its end. */
export const run = (
  args: ReadonlyArray<string>
): Effect.Effect<
  { readonly code: number; readonly stdout: string; readonly stderr: string },
  PlatformError,
  CommandExecutor.CommandExecutor
> =>
  Effect.gen(function* () {
    const process = yield* Command.start(Command.make("node", cli, ...args))
    const text = (stream: typeof process.stdout) => Stream.mkString(Stream.decodeText(stream))
    const [code, stdout, stderr] = yield* Effect.all(
      [process.exitCode, text(process.stdout), text(process.stderr)],
      { concurrency: "unbounded" }
    )
    return { code, stdout, stderr }
  }).pipe(Effect.scoped, live)
