import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import * as Descriptor from "@effect/cli/CommandDescriptor"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Environment from "../../../src/cli/settings/Environment.js"
import { normalize } from "../../../src/cli/settings/GoFlags.js"
import * as Parsers from "../../../src/cli/settings/Parsers.js"
import type { Setting } from "../../../src/cli/settings/Setting.js"
import * as Settings from "../../../src/cli/settings/Settings.js"

export type Variables = Readonly<Record<string, string>>

export const within =
  (variables: Variables) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    effect.pipe(
      Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables)))),
      Effect.provideService(Environment.Names, Effect.succeed(Object.keys(variables)))
    )

/** Arguments as the program parses them: which texts each setting was given, and what is left over. */
export const parse = (
  args: ReadonlyArray<string>,
  settings: ReadonlyArray<Setting<unknown>> = Settings.all
) =>
  Effect.gen(function* () {
    const normalized = yield* normalize(args, settings)
    const { descriptor } = Command.make("x", Parsers.parsers(normalized.occurrences))
    const directive = yield* Descriptor.parse(
      descriptor,
      ["x", ...normalized.args],
      CliConfig.make({ isCaseSensitive: true, autoCorrectLimit: 0 })
    ).pipe(Effect.orDie)
    return directive._tag === "UserDefined"
      ? { given: Parsers.given(normalized.occurrences, directive.value), leftover: directive.leftover }
      : { builtIn: directive.option._tag }
  }).pipe(Effect.provide(NodeContext.layer))

/** The settings of a command line, with the variables of an environment. */
export const load = (args: ReadonlyArray<string>, variables: Variables = {}) =>
  Effect.gen(function* () {
    const parsed = yield* parse(args)
    if (parsed.given === undefined) return yield* Effect.dieMessage(`it asks for ${parsed.builtIn}`)
    if (parsed.leftover.length > 0) return yield* Effect.dieMessage(`left over: ${parsed.leftover.join(" ")}`)
    return yield* Settings.load(parsed.given)
  }).pipe(Effect.provide(NodeContext.layer), within(variables))

/** Writes files into a folder that goes with the scope; `folder` has its path. */
export const folder = (files: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const system = yield* FileSystem.FileSystem
    const { dirname, join } = yield* Path.Path
    const root = yield* system.makeTempDirectoryScoped()
    for (const [name, text] of Object.entries(files)) {
      const path = join(root, name)
      yield* system.makeDirectory(dirname(path), { recursive: true })
      yield* system.writeFileString(path, text)
    }
    return root
  }).pipe(Effect.provide(NodeContext.layer))

/** The settings of one file. */
export const loadFile = (text: string, args: ReadonlyArray<string> = [], variables: Variables = {}) =>
  Effect.gen(function* () {
    const root = yield* folder({ "a.hcl": text })
    return yield* load([`-config=${root}/a.hcl`, ...args], variables)
  })
