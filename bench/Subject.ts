/**
 * A program under test as a child process. It is started with the options of the first release. Measurements use only its effects
 * on Consul and the counters of the kernel.
 */
import * as Command from "@effect/platform/Command"
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { BenchError, now, type Request } from "./Store.js"

export interface Program {
  readonly name: string
  /**
   * A file with JavaScript, or an executable. A wrapper script must `exec` the program, so that the process is that of the
   * program.
   */
  readonly path: string
  /** Whether the program has the options of this release. */
  readonly own: boolean
}

export interface Subject {
  /** When the process was started (ms, of `now`). */
  readonly startedAt: number
  readonly usage: Request<Usage>
  /** The number of its open sockets. */
  readonly connections: Request<number>
  /** Stops the process with SIGTERM, and with SIGKILL five seconds later. Returns the time that it took, in ms. */
  readonly stop: Effect.Effect<number>
}

/** The kernel's counters of the process. They exclude child processes. */
export interface Usage {
  readonly cpuSeconds: number
  readonly peakMegabytes: number
  readonly residentMegabytes: number
}

/** The options of a start. */
export type Needs = CommandExecutor.CommandExecutor | FileSystem.FileSystem

/** The ticks a second in which Linux counts CPU time in /proc, independent of its own ticks. */
const ticksPerSecond = 100

export const parseUsage = (stat: string, status: string): Usage => {
  // The second field is the name of the command in brackets. It may contain any character.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  const megabytes = (field: string) =>
    Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(status)?.[1]) / 1024
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
    peakMegabytes: megabytes("VmHWM"),
    residentMegabytes: megabytes("VmRSS")
  }
}

/** Starts the program, runs `use`, and stops the program. Fails as soon as the process ends by itself. */
export const running = <A, R>(
  program: Program,
  options: ReadonlyArray<string>,
  use: (subject: Subject) => Effect.Effect<A, BenchError, R>
): Effect.Effect<A, BenchError, Exclude<R, Scope.Scope> | Needs> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const startedAt = yield* now
    const command = program.path.endsWith(".js")
      ? Command.make("node", program.path, ...options)
      : Command.make(program.path, ...options)
    const process = yield* Command.start(command).pipe(
      Effect.mapError(({ message }) => new BenchError({ message }))
    )
    const lines: Array<string> = []
    // Unread output would block the process.
    yield* Stream.merge(process.stdout, process.stderr).pipe(
      Stream.decodeText(),
      Stream.splitLines,
      Stream.runForEach((line) =>
        Effect.sync(() => {
          lines.push(line)
          if (lines.length > 20) lines.shift()
        })
      ),
      Effect.ignore,
      Effect.forkScoped
    )
    let stopping = false
    const stop = Effect.gen(function* () {
      const before = yield* now
      stopping = true
      yield* process.kill("SIGTERM").pipe(
        // Finalizers are uninterruptible, and a time-out interrupts.
        Effect.interruptible,
        Effect.timeout("5 seconds"),
        Effect.catchAll(() => process.kill("SIGKILL")),
        Effect.ignore
      )
      return (yield* now) - before
    })
    yield* Effect.addFinalizer(() => stop)
    const ended = Effect.exit(process.exitCode).pipe(
      Effect.zipRight(
        Effect.suspend(() =>
          stopping
            ? Effect.never
            : new BenchError({ message: `${program.name} has ended:\n${lines.join("\n")}` })
        )
      )
    )
    const usage = Effect.zipWith(
      fs.readFileString(`/proc/${process.pid}/stat`),
      fs.readFileString(`/proc/${process.pid}/status`),
      parseUsage
    ).pipe(Effect.mapError(({ message }) => new BenchError({ message })))
    const folder = `/proc/${process.pid}/fd`
    const connections = Effect.flatMap(fs.readDirectory(folder), (files) =>
      // A file may be closed before it is examined.
      Effect.forEach(files, (file) => Effect.orElseSucceed(fs.readLink(`${folder}/${file}`), () => ""))
    ).pipe(
      Effect.map((targets) => targets.filter((target) => target.startsWith("socket:")).length),
      Effect.mapError(({ message }) => new BenchError({ message }))
    )
    return yield* Effect.raceFirst(use({ startedAt, usage, connections, stop }), ended)
  }).pipe(Effect.scoped)
