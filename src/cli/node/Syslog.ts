/**
 * Log lines for the syslog of this machine, by the command `logger` of util-linux, bsdutils or busybox: a syslog daemon listens
 * on a datagram socket of the file system, and Node has no such sockets.
 */
import * as Command from "@effect/platform/Command"
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Monotonic from "../../internal/effect/Monotonic.js"
import { reasonOf } from "../settings/FileReason.js"
import { WrongUse } from "../settings/WrongUse.js"
import { messageOf } from "./ConsoleLogger.js"

const severities = ["err", "warning", "info", "debug"] as const
type Severity = (typeof severities)[number]

const severityOf = (level: LogLevel.LogLevel): Severity => {
  if (LogLevel.greaterThanEqual(level, LogLevel.Error)) return "err"
  if (LogLevel.greaterThanEqual(level, LogLevel.Warning)) return "warning"
  return LogLevel.greaterThanEqual(level, LogLevel.Info) ? "info" : "debug"
}

/** The most lines of one severity that wait for `logger`. Further lines are dropped, so that a slow syslog delays nothing. */
const capacity = 1_000

/** The time between two log lines with the number of dropped lines. */
const reportInterval = Duration.seconds(10)

/**
 * The pauses before a `logger` that has ended is started again, with the next line. They grow, and begin anew after five minutes
 * without an end.
 */
const restart = Schedule.exponential(Duration.seconds(1)).pipe(
  Schedule.union(Schedule.spaced(Duration.minutes(1))),
  Schedule.jittered,
  Schedule.resetAfter(Duration.minutes(5))
)

/** How long the program waits for the last lines when it ends. */
const farewell = Duration.seconds(2)

/** The lines of one severity, in their order. After `undefined` there are no more. */
type Lines = Queue.Queue<string | undefined>

/** The name of this program in syslog, in the form of syslog's own function. */
const tag = `consul-replicate[${process.pid}]`

/** A line for one `logger`. */
interface Line {
  readonly text: string
  /** Whether an earlier `logger` got the line, too. */
  readonly isRepeated: boolean
}

/** How a `logger` has ended. */
interface Ended {
  /** Whether it got the last of all lines. */
  readonly isLast: boolean
  /** Its message, if it failed or ended before the last line. */
  readonly failure: string | undefined
  /** The lines that it may not have read, in their order. Repeated lines are not among them. */
  readonly unread: ReadonlyArray<string>
}

/**
 * A `logger` that dies leaves lines unread in its pipe. A line that it got within this time before its end was noticed is sent to
 * the next `logger` once more: a line may come twice, which is better than none.
 */
const unreadTime = Duration.seconds(1)

/** Sends the `first` lines and then those of the queue to one `logger`, until there are no more or the `logger` ends. */
const send = (
  lines: Lines,
  first: ReadonlyArray<Line>,
  facility: string,
  severity: Severity
): Effect.Effect<Ended, never, CommandExecutor.CommandExecutor> =>
  Effect.gen(function* () {
    const sent: Array<Line & { readonly at: number }> = []
    let isLast = false
    const failure = yield* Effect.gen(function* () {
      const process = yield* Command.start(
        Command.make("logger", "-t", tag, "-p", `${facility.toLowerCase()}.${severity}`)
      )
      const input = yield* Effect.acquireRelease(Queue.bounded<string | undefined>(1), Queue.shutdown)
      const text = Stream.fromQueue(input).pipe(
        Stream.takeWhile((line) => line !== undefined),
        Stream.map((line) => `${line}\n`),
        Stream.encodeText
      )
      // A daemon, because the pipe can fail after the process has ended. Without its listener, that error would end the program.
      yield* Effect.forkDaemon(Effect.ignore(Stream.run(text, process.stdin)))
      const sendOne = (line: Line) =>
        Effect.flatMap(Monotonic.now, (at) => {
          sent.push({ ...line, at })
          if (sent.length > capacity) sent.shift()
          return Queue.offer(input, line.text)
        })
      yield* Effect.gen(function* () {
        yield* Effect.forEach(first, sendOne, { discard: true })
        for (;;) {
          const text = yield* Queue.take(lines)
          if (text === undefined) break
          yield* sendOne({ text, isRepeated: false })
        }
        isLast = true
        yield* Queue.offer(input, undefined)
      }).pipe(Effect.forkScoped)
      const [code, stderr] = yield* Effect.all(
        [process.exitCode, Stream.mkString(Stream.decodeText(process.stderr))],
        { concurrency: 2 }
      )
      return code === 0 ? undefined : stderr.trim() || `exit code ${code}`
    }).pipe(
      Effect.scoped,
      Effect.catchAll(({ message }) => Effect.succeed(message))
    )
    const problem = failure ?? (isLast ? undefined : "it has ended by itself")
    const since = (yield* Monotonic.now) - Duration.toMillis(unreadTime)
    const unread =
      problem === undefined ? [] : sent.filter(({ at, isRepeated }) => at >= since && !isRepeated)
    return { isLast, failure: problem, unread: unread.map(({ text }) => text) }
  })

/** Sends all lines of one severity. At the `end` nothing is waited for. */
const pump = (
  lines: Lines,
  facility: string,
  severity: Severity,
  end: Effect.Effect<void>
): Effect.Effect<void, never, CommandExecutor.CommandExecutor> =>
  Effect.gen(function* () {
    const pauses = yield* Schedule.driver(restart)
    let repeated: ReadonlyArray<Line> = []
    for (;;) {
      let first = repeated
      if (first.length === 0) {
        const text = yield* Queue.take(lines)
        if (text === undefined) return
        first = [{ text, isRepeated: false }]
      }
      const { failure, isLast, unread } = yield* send(lines, first, facility, severity)
      if (failure !== undefined) {
        yield* Effect.logWarning(`some lines may not have reached syslog: logger: ${failure}`)
      }
      // The next `logger` needs the mark that there are no more lines, too.
      if (isLast) yield* Queue.offer(lines, undefined)
      repeated = unread.map((text) => ({ text, isRepeated: true }))
      if (failure !== undefined) yield* Effect.raceFirst(Effect.ignore(pauses.next(undefined)), end)
    }
  })

/** Fails if there is no `logger`. */
const findLogger = (subject: string): Effect.Effect<void, WrongUse, CommandExecutor.CommandExecutor> =>
  Command.make("logger", "--version").pipe(
    Command.stdin(Stream.empty),
    Command.exitCode,
    Effect.mapError(
      (error) =>
        new WrongUse({
          subject,
          problem: `needs the command logger of util-linux, bsdutils or busybox: ${reasonOf(error)}`
        })
    ),
    // A `logger` that waits for input exists.
    Effect.timeoutOption(farewell),
    Effect.asVoid
  )

/**
 * Makes a logger whose lines go to syslog with a facility such as `LOCAL0`, until the scope closes: then the last lines are
 * waited for. It never waits for syslog while it logs. `subject` is where syslog was asked for.
 */
export const make = Effect.fn("Syslog.make")(function* (
  facility: string,
  subject: string
): Effect.fn.Return<Logger.Logger<unknown, void>, WrongUse, Scope.Scope | CommandExecutor.CommandExecutor> {
  yield* findLogger(subject)
  let dropped = 0
  const queues = new Map<Severity, Lines>()
  const logger = Logger.make<unknown, void>((options) => {
    const lines = queues.get(severityOf(options.logLevel))
    if (lines === undefined) return
    if (Option.getOrElse(lines.unsafeSize(), () => capacity) >= capacity) dropped += 1
    else lines.unsafeOffer(messageOf(options))
  })
  // The fibers of this scope have the loggers from before this one, so problems of syslog are not sent to syslog.
  const reportDropped = Effect.suspend(() => {
    const count = dropped
    dropped = 0
    return count === 0
      ? Effect.void
      : Effect.logWarning(`${count} lines did not reach syslog: it takes them too slowly`)
  })
  const end = yield* Deferred.make<void>()
  const pumps = yield* Effect.forEach(severities, (severity) =>
    Effect.gen(function* () {
      const lines = yield* Queue.unbounded<string | undefined>()
      queues.set(severity, lines)
      return yield* Effect.forkDaemon(pump(lines, facility, severity, Deferred.await(end)))
    })
  )
  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      yield* Deferred.succeed(end, undefined)
      yield* Effect.forEach(queues.values(), (lines) => Queue.offer(lines, undefined), { discard: true })
      yield* Effect.forEach(pumps, (fiber) => fiber.await, { concurrency: "unbounded", discard: true }).pipe(
        Effect.interruptible,
        Effect.timeoutOption(farewell)
      )
      yield* Effect.forEach(pumps, (fiber) => Effect.asVoid(fiber.interruptAsFork(fiber.id())), {
        discard: true
      })
      yield* reportDropped
    })
  )
  yield* Effect.forkScoped(Effect.repeat(reportDropped, Schedule.spaced(reportInterval)))
  return logger
})
