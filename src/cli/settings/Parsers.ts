/**
 * Parsers of `@effect/cli` for the options of a command line. Each occurrence of an option has a parser with a name of its own:
 * `Options.repeated` trims values and loses empty ones, and it compares each option with each argument, which costs a tenth of a
 * second for a hundred options.
 */
import * as Options from "@effect/cli/Options"
import * as Record from "effect/Record"
import { type Given, Origin } from "./Origin.js"
import type { ByName } from "./Sources.js"

/** One occurrence of an option on the command line. */
export interface Occurrence {
  /** The name of the setting. */
  readonly name: string
  /** The name of the option, as it was typed. */
  readonly spelling: string
  /** The name of the occurrence for `@effect/cli`, different from all others and from `@effect/cli`'s own options. */
  readonly parsedAs: string
}

/** The texts of occurrences, by `parsedAs`. */
export type Typed = Readonly<Record<string, string>>

export const parsers = (
  occurrences: ReadonlyArray<Occurrence>
): Readonly<Record<string, Options.Options<string>>> =>
  Record.fromEntries(occurrences.map(({ parsedAs }) => [parsedAs, Options.text(parsedAs)] as const))

/** The texts of each setting, in the order in which they were typed. */
export const given = (occurrences: ReadonlyArray<Occurrence>, typed: Typed): ByName => {
  const texts = new Map<string, ReadonlyArray<Given>>()
  for (const { name, parsedAs, spelling } of occurrences) {
    const text = typed[parsedAs] ?? ""
    texts.set(name, [...(texts.get(name) ?? []), { text, origin: Origin.Flag({ spelling }) }])
  }
  return texts
}
