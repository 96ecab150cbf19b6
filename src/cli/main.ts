#!/usr/bin/env node
/**
 * The program: signals, exit codes and the terminal.
 */
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { run } from "./CommandLine.js"
import * as Ansi from "./node/Ansi.js"
import * as ConsoleLogger from "./node/ConsoleLogger.js"
import { printable } from "./node/Printable.js"
import { CanRedraw } from "./node/ProgressLine.js"
import * as StopSignals from "./node/StopSignals.js"

const isWrongUse = (error: unknown): boolean => Predicate.isTagged(error, "WrongUse")

/** 0: done, or stopped by a signal. 1: failed, as `-once` does at a signal. 2: wrong use, before anything was touched. */
const exitCode = (exit: Exit.Exit<unknown, unknown>): number =>
  Exit.isSuccess(exit) || Cause.isInterruptedOnly(exit.cause)
    ? 0
    : Option.exists(Cause.failureOption(exit.cause), isWrongUse)
      ? 2
      : 1

/** Prints the failure that ended the program, as one line. */
const report = <E extends { readonly message: string }>(cause: Cause.Cause<E>) => {
  if (Cause.isInterruptedOnly(cause)) return Effect.void
  const [first] = [...Cause.failures(cause), ...Cause.defects(cause)]
  const message = first instanceof Error ? first.message : String(first)
  return Console.error(`consul-replicate: ${printable(message)}`)
}

/**
 * Interrupts when the reader of stdout has gone, as in `demo | head -3`: SIGPIPE ends other programs then. Without a listener
 * for the error, Node would end with a trace.
 */
const unread = Effect.async<never>((resume) => {
  process.stdout.on("error", () => resume(Effect.interrupt))
})

/** Keeps the process alive: Node ends when no timer, socket or file is open, however many fibers wait. */
const alive = Effect.forever(Effect.sleep("1 day"))

const main = run(process.argv.slice(2)).pipe(
  Effect.raceFirst(unread),
  Effect.raceFirst(alive),
  Effect.tapErrorCause(report),
  // The command exports no spans. They would cost a twentieth of the CPU of a first sync.
  Effect.withTracerEnabled(false),
  Effect.provide(
    Layer.mergeAll(
      NodeContext.layer,
      StopSignals.layer,
      Layer.unwrapEffect(
        Effect.map(Ansi.of(process.stderr), (ansi) =>
          Layer.merge(ConsoleLogger.layer(ansi), Layer.succeed(CanRedraw, ansi.redraws))
        )
      )
    )
  )
)

// Not `NodeRuntime.runMain`: it interrupts at SIGINT and SIGTERM, whatever they mean to the command, and handles no other signal.
Effect.runFork(main).addObserver((exit) => {
  process.exitCode = exitCode(exit)
  if (Exit.isFailure(exit)) process.exit()
})
