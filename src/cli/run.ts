/**
 * From a command line to an effect: parsed by `@effect/cli`, with this program's own help and messages.
 */
import * as CliConfig from "@effect/cli/CliConfig"
import * as Descriptor from "@effect/cli/CommandDescriptor"
import * as HelpDoc from "@effect/cli/HelpDoc"
import type * as ValidationError from "@effect/cli/ValidationError"
import * as Arr from "effect/Array"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { version } from "../Version.js"
import { normalize } from "./arguments.js"
import { command } from "./command.js"
import * as help from "./help.js"
import { documented } from "./options.js"

/** A command line that cannot be meant. */
export class WrongUse extends Data.TaggedError("WrongUse")<{ readonly problem: string }> {
  override get message() {
    return `${this.problem}; -help lists the options`
  }
}

const name = "consul-replicate"

const config = CliConfig.make({ isCaseSensitive: true, autoCorrectLimit: 1 })

const helpText = help.render({
  usage: `${name} -src=DATACENTER [options]`,
  summary:
    "Keeps a prefix of the local datacenter's key/value store equal to that of another datacenter, one way, until " +
    "stopped. Run several instances for availability: one leads, the others stand by.",
  options: documented,
  footer: [
    "Options may be typed with one dash or two, as -name=value or -name value. CONSUL_HTTP_ADDR and " +
      "CONSUL_HTTP_TOKEN are read as Consul's own commands read them."
  ]
})

/** What `@effect/cli` says, in one line, with the option as users of Go tools know it. */
const problem = (error: ValidationError.ValidationError): string =>
  HelpDoc.toAnsiText(error.error)
    .replace(/\x1b\[[0-9;]*m/g, "")
    .replace(/\s+/g, " ")
    .trim()
    .replace(/(^|[\s'"])--(?=\w)/g, "$1-")

const leftoverProblem = (leftover: Arr.NonEmptyReadonlyArray<string>): string => {
  const [argument, ...rest] = leftover
  if (!argument.startsWith("-")) return `unexpected argument ${JSON.stringify(argument)}`
  const typed = argument.replace(/^--?/, "").replace(/=.*/s, "")
  const options: ReadonlyArray<[string, help.Documented]> = Object.entries(documented)
  const known = options.find(([name, { parsedAs }]) => typed === (parsedAs ?? name))
  if (known === undefined) return `unknown option -${typed}`
  const [option, { value }] = known
  return value !== undefined && rest.length === 0
    ? `option -${option} needs a value`
    : `option -${option} is given twice, or with a value that it does not take`
}

const parse = (args: ReadonlyArray<string>) =>
  Descriptor.parse(command.descriptor, [name, ...args], config).pipe(
    Effect.mapError((error) => new WrongUse({ problem: problem(error) }))
  )

/** Replicates, or does what a built-in option asks for. `args` come after the runtime and the script. */
export const run = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
  const directive = yield* parse(normalize(args, documented))
  if (directive._tag === "UserDefined") {
    const { leftover, value } = directive
    if (Arr.isNonEmptyReadonlyArray(leftover))
      return yield* new WrongUse({ problem: leftoverProblem(leftover) })
    return yield* Logger.withMinimumLogLevel(command.handler(value), value.logLevel)
  }
  switch (directive.option._tag) {
    case "ShowHelp":
      return yield* Console.log(helpText)
    case "ShowVersion":
      return yield* Console.log(`${name} ${version}`)
    case "SetLogLevel":
    case "ShowCompletions":
    case "ShowWizard":
      return yield* new WrongUse({ problem: `unexpected ${args.join(" ")}` })
  }
})
