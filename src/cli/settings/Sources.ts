/**
 * The texts of settings from the command line, from files and from the environment, and which text counts: the command line before
 * files, files before the environment, and later texts of the command line or of files before earlier ones.
 */
import * as Either from "effect/Either"
import type { Given } from "./Origin.js"
import type { Setting, Settings, Values } from "./Setting.js"
import type { WrongUse } from "./WrongUse.js"

/** Texts by the name of their setting. */
export type ByName = ReadonlyMap<string, ReadonlyArray<Given>>

export interface Sources {
  /** In the order in which they were typed. */
  readonly flags: ByName
  /** In the order in which the files were read. */
  readonly files: ByName
  /** In the order in which they count. */
  readonly variables: ByName
}

export const nothing: Sources = { flags: new Map(), files: new Map(), variables: new Map() }

/** The texts of a setting, the one that counts first; or, if the setting is repeated, all texts that count. */
export const givenFor = (
  { isRepeated, name }: Setting<unknown>,
  { files, flags, variables }: Sources
): ReadonlyArray<Given> => {
  const typed = flags.get(name) ?? []
  const read = files.get(name) ?? []
  const inherited = variables.get(name) ?? []
  if (!isRepeated) return [...typed.toReversed(), ...read.toReversed(), ...inherited]
  return typed.length + read.length > 0 ? [...read, ...typed] : inherited
}

/** The values of all settings of a record. Left: the first error. */
export const values = <S extends Settings>(
  settings: S,
  sources: Sources
): Either.Either<Values<S>, WrongUse> =>
  Either.map(
    Either.all(
      Object.entries(settings).map(([key, setting]) =>
        Either.map(setting.decode(givenFor(setting, sources)), (value) => [key, value] as const)
      )
    ),
    // `Object.fromEntries` forgets which setting has which type of value.
    (entries) => Object.fromEntries(entries) as Values<S>
  )
