/**
 * The effect of a command line. `@effect/cli` parses it; the help and the messages are this program's own.
 */
import type { CliApp } from "@effect/cli/CliApp"
import * as CliConfig from "@effect/cli/CliConfig"
import type * as Command from "@effect/cli/Command"
import * as Descriptor from "@effect/cli/CommandDescriptor"
import * as HelpDoc from "@effect/cli/HelpDoc"
import type * as ValidationError from "@effect/cli/ValidationError"
import type { CommandExecutor } from "@effect/platform/CommandExecutor"
import * as Terminal from "@effect/platform/Terminal"
import * as Arr from "effect/Array"
import type { ConfigError } from "effect/ConfigError"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { demo } from "./commands/Demo.js"
import * as Dev from "./commands/Dev.js"
import { replicate } from "./commands/Replicate.js"
import type { Hopeless } from "./commands/replicate/FirstContact.js"
import type { NotEqual, SomeFailed } from "./commands/replicate/Once.js"
import type { TimedOut } from "./commands/replicate/Patience.js"
import type { Unfinished } from "./commands/replicate/Run.js"
import { describe } from "./commands/Version.js"
import type { PortUnavailable } from "./node/EmbeddedServers.js"
import * as StopSignals from "./node/StopSignals.js"
import * as Completions from "./settings/Completions.js"
import { hint } from "./settings/DidYouMean.js"
import { normalize } from "./settings/GoFlags.js"
import * as Help from "./settings/Help.js"
import { demoHelp, devHelp, replicateHelp } from "./settings/HelpPages.js"
import type { Occurrence } from "./settings/Parsers.js"
import type { Setting } from "./settings/Setting.js"
import * as Settings from "./settings/Settings.js"
import { subject, WrongUse } from "./settings/WrongUse.js"

const config = CliConfig.make({ isCaseSensitive: true, autoCorrectLimit: 0 })

const commands = ["completions", "demo", "dev", "help", "version"]

const unexpectedArgument = (argument: string): WrongUse =>
  new WrongUse({
    problem:
      `unexpected argument ${JSON.stringify(argument)}; ` +
      hint(
        argument,
        commands,
        (command) => `${Help.programName} ${command}`,
        `the commands are ${commands.slice(0, -1).join(", ")} and ${commands.at(-1)}`
      )
  })

/** An error of `@effect/cli`, in one line. */
const problem = (error: ValidationError.ValidationError): string =>
  HelpDoc.toAnsiText(error.error)
    .replace(/\x1b\[[0-9;]*m/g, "")
    .replace(/\s+/g, " ")
    .trim()

const parse = <A>(command: Descriptor.Command<A>, args: ReadonlyArray<string>) =>
  Descriptor.parse(command, args, config).pipe(
    Effect.mapError((error) => new WrongUse({ problem: problem(error) }))
  )

const showHelp = (text: Help.Help) =>
  Effect.gen(function* () {
    const terminal = yield* Terminal.Terminal
    yield* Console.log(Help.render(text, Help.widthFor(yield* terminal.columns)))
  })

const showVersion = Effect.suspend(() => Console.log(`${Help.programName} ${describe()}`))

const execute = Effect.fnUntraced(function* <Name extends string, R, E, A>(
  command: Command.Command<Name, R, E, A>,
  text: Help.Help,
  args: ReadonlyArray<string>
) {
  const directive = yield* parse(command.descriptor, args)
  if (directive._tag === "UserDefined") {
    const { leftover, value } = directive
    return Arr.isNonEmptyReadonlyArray(leftover)
      ? yield* unexpectedArgument(leftover[0])
      : yield* command.handler(value)
  }
  switch (directive.option._tag) {
    case "ShowHelp":
      return yield* showHelp(text)
    case "ShowVersion":
      return yield* showVersion
    case "SetLogLevel":
    case "ShowCompletions":
    case "ShowWizard":
      return yield* new WrongUse({ problem: `unexpected ${args.slice(1).join(" ")}` })
  }
})

/** Makes the command with the options that occur in `args`, and runs it. */
const parsed = <Name extends string, R, E, A>(
  name: string,
  command: (occurrences: ReadonlyArray<Occurrence>) => Command.Command<Name, R, E, A>,
  text: Help.Help,
  settings: ReadonlyArray<Setting<unknown>>,
  args: ReadonlyArray<string>
) =>
  Effect.flatMap(normalize(args, settings), (normalized) =>
    execute(command(normalized.occurrences), text, [name, ...normalized.args])
  )

type Failure =
  | WrongUse
  | PortUnavailable
  | Hopeless
  | TimedOut
  | NotEqual
  | SomeFailed
  | Unfinished
  | ConfigError

/** `help` alone, or `help COMMAND`. */
const helpOf = (topic: string | undefined) => {
  switch (topic) {
    case "demo":
      return showHelp(demoHelp)
    case "dev":
      return showHelp(devHelp)
    case undefined:
    case "completions":
    case "help":
    case "version":
      return showHelp(replicateHelp)
    default:
      return unexpectedArgument(topic)
  }
}

/** `completions SHELL`. */
const completionsOf = (name: string | undefined) => {
  const shell = Completions.shells.find((shell) => shell === name)
  return shell === undefined
    ? new WrongUse({
        subject: name === undefined ? "completions" : subject("completions", name),
        problem: `needs the name of a shell; write ${Completions.shells.slice(0, -1).join(", ")} or ${Completions.shells.at(-1)}`
      })
    : Console.log(Completions.script(shell, replicateHelp.options, commands))
}

/** Runs a command or a built-in option. `args` are the arguments behind the script. */
export const run = (
  args: ReadonlyArray<string>
): Effect.Effect<void, Failure, CliApp.Environment | CommandExecutor> => {
  const [name, ...rest] = args
  switch (name) {
    case "demo":
      return StopSignals.interrupting(parsed(name, () => demo, demoHelp, [], rest))
    case "dev":
      return StopSignals.interrupting(parsed(name, Dev.dev, devHelp, Dev.settings, rest))
    case "completions":
      return completionsOf(rest[0])
    case "help":
      return helpOf(rest[0])
    case "version":
      return showVersion
    default:
      return parsed(Help.programName, replicate, replicateHelp, Settings.all, args)
  }
}
