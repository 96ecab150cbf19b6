/**
 * Command lines as users of Go tools type them, turned into what `@effect/cli` reads.
 */

import type { Documented } from "./help.js"

/** What Go takes for a flag's value. */
const yes = ["1", "t", "T", "true", "TRUE", "True"]
const no = ["0", "f", "F", "false", "FALSE", "False"]

/**
 * One dash is as good as two. A value may be empty or begin with a dash: Go takes whatever follows an option that
 * has one. A flag has a value only behind `=`. `-help` and `-version` are all that counts where they are asked for.
 */
export const normalize = (
  args: ReadonlyArray<string>,
  options: Readonly<Record<string, Documented>>
): ReadonlyArray<string> => {
  const normalized: Array<string> = []
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? ""
    if (arg === "--") return [...normalized, ...args.slice(i)]
    const [, name, value] = /^--?([a-zA-Z][\w-]*)(?:=(.*))?$/s.exec(arg) ?? []
    const option = name === undefined ? undefined : options[name]
    const isOn = value === undefined || yes.includes(value)
    const isFlag = option !== undefined && option.value === undefined
    if (name === undefined) normalized.push(arg)
    else if (name === "version" && isOn) return ["--version"]
    else if (["h", "help"].includes(name) && isOn) return ["--help"]
    else if (isFlag && (isOn || no.includes(value))) {
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
      if (taken === "--") normalized.push(`${parsedAs}=--`)
      else normalized.push(parsedAs, ...(taken === undefined ? [] : [taken]))
    }
  }
  return normalized
}
