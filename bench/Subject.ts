/**
 * A program under test as a child process: started with the options of the first release, known by nothing but what it
 * does to Consul and what the kernel says of it.
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
  /** A file with JavaScript, or an executable. One that is a wrapper must `exec`, for the process to be its own. */
  readonly path: string
  /** Whether it knows the options of this release. */
  readonly own: boolean
}

export interface Subject {
  /** When its process was started, as of `now`. */
  readonly startedAt: number
  readonly usage: Request<Usage>
  /** How many sockets it has open. */
  readonly connections: Request<number>
  /** By SIGTERM, and five seconds later by SIGKILL. Answers with the milliseconds that it took. */
  readonly stop: Effect.Effect<number>
}

/** What the kernel says of the process itself; of its children, if it had any, nothing. */
export interface Usage {
  readonly cpuSeconds: number
  readonly peakMegabytes: number
  readonly residentMegabytes: number
}

/** What it takes to start one. */
export type Needs = CommandExecutor.CommandExecutor | FileSystem.FileSystem

/** Linux has counted in these, whatever its own ticks, for as long as it has had /proc. */
const ticksPerSecond = 100

export const parseUsage = (stat: string, status: string): Usage => {
  // The second field is the name of the command, in brackets, and may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  const megabytes = (field: string) =>
    Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(status)?.[1]) / 1024
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
    peakMegabytes: megabytes("VmHWM"),
    residentMegabytes: megabytes("VmRSS")
  }
}

/** Starts it, runs `use`, which fails as soon as the process ends by itself, and stops it. */
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
    // What is not read would block it at last.
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
      // A file may be closed before it is looked at.
      Effect.forEach(files, (file) => Effect.orElseSucceed(fs.readLink(`${folder}/${file}`), () => ""))
    ).pipe(
      Effect.map((targets) => targets.filter((target) => target.startsWith("socket:")).length),
      Effect.mapError(({ message }) => new BenchError({ message }))
    )
    return yield* Effect.raceFirst(use({ startedAt, usage, connections, stop }), ended)
  }).pipe(Effect.scoped)
