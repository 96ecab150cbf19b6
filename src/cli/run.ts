/**
 * From a command line to an effect: parsed by `@effect/cli`, with this program's own help and messages.
 */

import type { CliApp } from "@effect/cli/CliApp"
import * as CliConfig from "@effect/cli/CliConfig"
import type * as Command from "@effect/cli/Command"
import * as Descriptor from "@effect/cli/CommandDescriptor"
import * as HelpDoc from "@effect/cli/HelpDoc"
import type * as ValidationError from "@effect/cli/ValidationError"
import * as Arr from "effect/Array"
import type { ConfigError } from "effect/ConfigError"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { InvalidReplication } from "../Replication.js"
import { version } from "../Version.js"
import { normalize } from "./arguments.js"
import { demo } from "./demo/demo.js"
import { dev } from "./dev.js"
import type { PortUnavailable } from "./EmbeddedServers.js"
import * as help from "./help.js"
import { demoHelp, devHelp, replicateHelp } from "./helpTexts.js"
import { type NotEqual, replicate, type Unfinished } from "./replicate.js"
import * as Signals from "./Signals.js"

/** A command line that cannot be meant. */
export class WrongUse extends Data.TaggedError("WrongUse")<{ readonly problem: string }> {
  override get message() {
    return `${this.problem}; -help lists the options`
  }
}

const config = CliConfig.make({ isCaseSensitive: true, autoCorrectLimit: 1 })

/** What `@effect/cli` says, in one line, with the option as users of Go tools know it. */
const problem = (error: ValidationError.ValidationError): string =>
  HelpDoc.toAnsiText(error.error)
    .replace(/\x1b\[[0-9;]*m/g, "")
    .replace(/\s+/g, " ")
    .trim()
    .replace(/(^|[\s'"])--(?=\w)/g, "$1-")

const leftoverProblem = (
  leftover: Arr.NonEmptyReadonlyArray<string>,
  options: Readonly<Record<string, help.Documented>>
): string => {
  const [argument, ...rest] = leftover
  if (!argument.startsWith("-")) return `unexpected argument ${JSON.stringify(argument)}`
  const typed = argument.replace(/^--?/, "").replace(/=.*/s, "")
  const known = Object.entries(options).find(([name, { parsedAs }]) => typed === (parsedAs ?? name))
  if (known === undefined) return `unknown option -${typed}`
  const [option, { value }] = known
  const [, given] = /=(.*)/s.exec(argument) ?? []
  // A flag that is given twice is left over as `true`.
  if (value === undefined && given !== undefined && given !== "true") {
    return `option -${option} is true or false, not ${JSON.stringify(given)}`
  }
  return value !== undefined && rest.length === 0 && given === undefined
    ? `option -${option} needs a value`
    : `option -${option} is given twice`
}

const parse = <A>(command: Descriptor.Command<A>, args: ReadonlyArray<string>) =>
  Descriptor.parse(command, args, config).pipe(
    Effect.mapError((error) => new WrongUse({ problem: problem(error) }))
  )

const execute = Effect.fnUntraced(function* <Name extends string, R, E, A>(
  command: Command.Command<Name, R, E, A>,
  text: help.Help,
  args: ReadonlyArray<string>
) {
  const directive = yield* parse(command.descriptor, args)
  if (directive._tag === "UserDefined") {
    const { leftover, value } = directive
    return Arr.isNonEmptyReadonlyArray(leftover)
      ? yield* new WrongUse({ problem: leftoverProblem(leftover, text.options) })
      : yield* command.handler(value)
  }
  switch (directive.option._tag) {
    case "ShowHelp":
      return yield* Console.log(help.render(text))
    case "ShowVersion":
      return yield* Console.log(`${help.programName} ${version}`)
    case "SetLogLevel":
    case "ShowCompletions":
    case "ShowWizard":
      return yield* new WrongUse({ problem: `unexpected ${args.slice(1).join(" ")}` })
  }
})

type Failure = WrongUse | PortUnavailable | InvalidReplication | NotEqual | Unfinished | ConfigError

/** Runs a command, or does what a built-in option asks for. `args` come after the runtime and the script. */
export const run = (args: ReadonlyArray<string>): Effect.Effect<void, Failure, CliApp.Environment> => {
  const [name, ...rest] = args
  switch (name) {
    case "demo":
      return Signals.interrupting(execute(demo, demoHelp, [name, ...normalize(rest, demoHelp.options)]))
    case "dev":
      return Signals.interrupting(execute(dev, devHelp, [name, ...normalize(rest, devHelp.options)]))
    default:
      return execute(replicate, replicateHelp, [help.programName, ...normalize(args, replicateHelp.options)])
  }
}
