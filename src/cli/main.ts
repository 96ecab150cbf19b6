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

/** One line for a person. */
const report = <E extends { readonly message: string }>(cause: Cause.Cause<E>) => {
  if (Cause.isInterruptedOnly(cause)) return Effect.void
  const [first] = [...Cause.failures(cause), ...Cause.defects(cause)]
  const message = first instanceof Error ? first.message : String(first)
  return Console.error(`consul-replicate: ${printable(message)}`)
}

/**
 * Ends when nobody reads what is printed any more, as in `demo | head -3`, like a program that SIGPIPE stops. Left
 * alone, Node dies of that with a trace.
 */
const unread = Effect.async<never>((resume) => {
  process.stdout.on("error", () => resume(Effect.interrupt))
})

/** Node ends where nothing is open that may still call back, and a fiber that waits is nothing to it; a timer is. */
const alive = Effect.forever(Effect.sleep("1 day"))

const main = run(process.argv.slice(2)).pipe(
  Effect.raceFirst(unread),
  Effect.raceFirst(alive),
  Effect.tapErrorCause(report),
  // The command exports no spans. To make them took a twentieth of the CPU of a first sync.
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

// Not by `NodeRuntime.runMain`: that interrupts at a signal whatever it means to the command, and knows but two of them.
Effect.runFork(main).addObserver((exit) => {
  process.exitCode = exitCode(exit)
  if (Exit.isFailure(exit)) process.exit()
})
