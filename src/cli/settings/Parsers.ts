/**
 * What `@effect/cli` parses: the options that occur on a command line, each time under a name of its own. (Its
 * `Options.repeated` trims values and loses empty ones, and it compares each option with each argument, which takes a hundred
 * options a tenth of a second.)
 */
import * as Options from "@effect/cli/Options"
import * as Record from "effect/Record"
import { type Given, Origin } from "./Origin.js"
import type { ByName } from "./Sources.js"

/** One time that an option was typed. */
export interface Occurrence {
  /** The name of the setting. */
  readonly name: string
  /** The name of the option, as it was typed. */
  readonly spelling: string
  /** The option's name for `@effect/cli`, which no other has, be it one of its own. */
  readonly parsedAs: string
}

/** The texts by the names that `@effect/cli` knows. */
export type Typed = Readonly<Record<string, string>>

export const parsers = (
  occurrences: ReadonlyArray<Occurrence>
): Readonly<Record<string, Options.Options<string>>> =>
  Record.fromEntries(occurrences.map(({ parsedAs }) => [parsedAs, Options.text(parsedAs)] as const))

/** In the order in which they were typed. */
export const given = (occurrences: ReadonlyArray<Occurrence>, typed: Typed): ByName => {
  const texts = new Map<string, ReadonlyArray<Given>>()
  for (const { name, parsedAs, spelling } of occurrences) {
    const text = typed[parsedAs] ?? ""
    texts.set(name, [...(texts.get(name) ?? []), { text, origin: Origin.Flag({ spelling }) }])
  }
  return texts
}
