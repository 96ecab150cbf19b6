/**
 * Command lines as users of Go tools type them, turned into what `@effect/cli` reads.
 */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Booleans from "./Booleans.js"
import { hint } from "./DidYouMean.js"
import type { Occurrence } from "./Parsers.js"
import { allSpellings, type Setting } from "./Setting.js"
import { WrongUse } from "./WrongUse.js"

export interface Normalized {
  /** The arguments for `@effect/cli`. */
  readonly args: ReadonlyArray<string>
  /** The options in `args`, in their order. */
  readonly occurrences: ReadonlyArray<Occurrence>
}

/** Options of older releases without a successor of the same meaning, and what to write instead. */
const gone: ReadonlyMap<string, string> = new Map([
  ["dst", 'write the destination behind the prefix: -prefix="source@datacenter:destination"'],
  ["path", "name files by -config"]
])

const unknown = (typed: string, settings: ReadonlyArray<Setting<unknown>>): WrongUse => {
  const names = settings.flatMap(({ hasFlag, name, spellings }) => (hasFlag ? [name, ...spellings] : []))
  const instead = gone.get(typed) ?? hint(typed, names, (name) => `-${name}`, "-help lists the options")
  return new WrongUse({ problem: `unknown option -${typed}; ${instead}` })
}

const onlyArgument = (argument: string): Normalized => ({ args: [argument], occurrences: [] })

/**
 * One dash is as good as two. As in Go, the argument behind an option with a value is the value, also if it is
 * empty or begins with a dash. A flag has a value only behind `=`. With `-help` or `-version` nothing else counts. Left: the first
 * option that is unknown, or that lacks its value.
 */
export const normalize = (
  args: ReadonlyArray<string>,
  settings: ReadonlyArray<Setting<unknown>>
): Either.Either<Normalized, WrongUse> => {
  const bySpelling = new Map(
    settings.flatMap((setting) => allSpellings(setting).map((spelling) => [spelling, setting] as const))
  )
  const normalized: Array<string> = []
  const occurrences: Array<Occurrence> = []
  const wrong: Array<WrongUse> = []
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? ""
    if (arg === "--") {
      normalized.push(...args.slice(i))
      break
    }
    const [, name, value] = /^--?([a-zA-Z][\w-]*)(?:=(.*))?$/s.exec(arg) ?? []
    if (name === undefined) {
      normalized.push(arg)
      continue
    }
    const isOn = value === undefined || Option.contains(Booleans.parse(value), true)
    if (["v", "version"].includes(name) && isOn) return Either.right(onlyArgument("--version"))
    if (["h", "help"].includes(name) && isOn) return Either.right(onlyArgument("--help"))
    const setting = bySpelling.get(name)
    if (setting === undefined) {
      wrong.push(unknown(name, settings))
      continue
    }
    const text = value ?? (setting.value === undefined ? "true" : args[++i])
    if (text === undefined) {
      wrong.push(
        new WrongUse({ subject: `-${name}`, problem: `needs a value; write -${name}=${setting.value}` })
      )
      continue
    }
    const parsedAs = `${name}.${occurrences.length}`
    occurrences.push({ name: setting.name, spelling: name, parsedAs })
    // As two arguments, `@effect/cli` leaves each value except `--` as it is; as one, it would drop spaces and newlines.
    if (text === "--") normalized.push(`--${parsedAs}=--`)
    else normalized.push(`--${parsedAs}`, text)
  }
  const [first] = wrong
  return first === undefined ? Either.right({ args: normalized, occurrences }) : Either.left(first)
}
