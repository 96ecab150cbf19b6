/**
 * What completes the options and commands in a shell, made from their descriptions.
 */
import type { Documented } from "./Documented.js"
import { programName } from "./Help.js"

export const shells = ["bash", "fish", "zsh"] as const

export type Shell = (typeof shells)[number]

/** Documented options that can be typed. */
type Typable = ReadonlyArray<Documented>

/** In single quotes a shell takes every character as it is but the quote. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

/** After an option with a value, files are completed: for some values they are right, and nothing is known of the others. */
const bash = (options: Typable, commands: ReadonlyArray<string>): ReadonlyArray<string> => {
  const words = [...options.map(({ name }) => `-${name}`), ...commands]
  return [`complete -o default -W ${quoted(words.join(" "))} ${programName}`]
}

const fish = (options: Typable, commands: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...options.map(
    ({ description, name, value }) =>
      `complete -c ${programName} -o ${name}${value === undefined ? "" : " -r"} -d ${quoted(description)}`
  ),
  ...commands.map((command) => `complete -c ${programName} -n __fish_use_subcommand -a ${command}`)
]

/** Colons and brackets have a meaning of their own in what `_arguments` is given. */
const escaped = (text: string): string => text.replace(/[:[\]\\]/g, "\\$&")

const zsh = (options: Typable, commands: ReadonlyArray<string>): ReadonlyArray<string> => [
  `#compdef ${programName}`,
  "_arguments \\",
  ...options.map(({ description, name, value }) => {
    const taken = value === undefined ? "" : `:${escaped(value)}:_files`
    return `  ${quoted(`*-${name}[${escaped(description)}]${taken}`)} \\`
  }),
  `  ${quoted(`1:command:(${commands.join(" ")})`)}`
]

const lines = { bash, fish, zsh } as const

/** The text to put where the shell reads its completions. */
export const script = (
  shell: Shell,
  options: ReadonlyArray<Documented>,
  commands: ReadonlyArray<string>
): string =>
  lines[shell](
    options.filter(({ hasFlag = true, replacedBy }) => hasFlag && replacedBy === undefined),
    commands
  ).join("\n")
