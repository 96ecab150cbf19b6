/**
 * Command lines as users of Go tools type them, turned into what `@effect/cli` reads.
 */
import * as Option from "effect/Option"
import * as Booleans from "./Booleans.js"
import { type Documented, emptyText } from "./OptionSpec.js"

/**
 * One dash is as good as two. A value may be empty or begin with a dash: Go takes whatever follows an option that
 * has one. A flag has a value only behind `=`. `-help` and `-version` are all that counts if they are asked for.
 */
export const normalize = (
  args: ReadonlyArray<string>,
  options: ReadonlyArray<Documented>
): ReadonlyArray<string> => {
  const normalized: Array<string> = []
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? ""
    if (arg === "--") return [...normalized, ...args.slice(i)]
    const [, name, value] = /^--?([a-zA-Z][\w-]*)(?:=(.*))?$/s.exec(arg) ?? []
    const option = options.find((option) => option.name === name)
    const truth = value === undefined ? Option.some(true) : Booleans.parse(value)
    const isOn = Option.contains(truth, true)
    const isFlag = option !== undefined && option.value === undefined
    if (name === undefined) normalized.push(arg)
    else if (["v", "version"].includes(name) && isOn) return ["--version"]
    else if (["h", "help"].includes(name) && isOn) return ["--help"]
    else if (isFlag && Option.isSome(truth)) {
      // Alone, it would take the next word for its value.
      if (isOn) normalized.push(`--${name}=true`)
      // Behind two dashes `@effect/cli` would leave over the value alone.
    } else if (isFlag) normalized.push(`-${name}=${value}`)
    else if (option?.value === undefined)
      normalized.push(`--${name}${value === undefined ? "" : `=${value}`}`)
    else {
      const parsedAs = `--${option.parsedAs ?? name}`
      const taken = value ?? args[++i]
      // Apart, `@effect/cli` takes every value as it is but `--`; joined it would drop spaces and miss newlines.
      if (taken === "" && option.repeats === true) normalized.push(parsedAs, emptyText)
      else if (taken === "--") normalized.push(`${parsedAs}=--`)
      else normalized.push(parsedAs, ...(taken === undefined ? [] : [taken]))
    }
  }
  return normalized
}
