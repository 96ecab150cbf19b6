/**
 * Scripts that complete the options and commands in a shell, made from their descriptions.
 */
import { type Documented, isShown } from "./Documented.js"
import { programName } from "./Help.js"

export const shells = ["bash", "fish", "zsh"] as const

export type Shell = (typeof shells)[number]

/** In single quotes a shell leaves every character except the quote as it is. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

/** After an option with a value, file names are completed: they are right for some values, and harmless for others. */
const bash = (options: ReadonlyArray<Documented>, commands: ReadonlyArray<string>): ReadonlyArray<string> => {
  const words = [...options.map(({ name }) => `-${name}`), ...commands]
  return [`complete -o default -W ${quoted(words.join(" "))} ${programName}`]
}

const fish = (options: ReadonlyArray<Documented>, commands: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...options.map(
    ({ description, name, value }) =>
      `complete -c ${programName} -o ${name}${value === undefined ? "" : " -r"} -d ${quoted(description)}`
  ),
  ...commands.map((command) => `complete -c ${programName} -n __fish_use_subcommand -a ${command}`)
]

/** Colons and brackets have a meaning of their own in what `_arguments` is given. */
const escaped = (text: string): string => text.replace(/[:[\]\\]/g, "\\$&")

const zsh = (options: ReadonlyArray<Documented>, commands: ReadonlyArray<string>): ReadonlyArray<string> => [
  `#compdef ${programName}`,
  "_arguments \\",
  ...options.map(({ description, name, value }) => {
    const argument = value === undefined ? "" : `:${escaped(value)}:_files`
    return `  ${quoted(`*-${name}[${escaped(description)}]${argument}`)} \\`
  }),
  `  ${quoted(`1:command:(${commands.join(" ")})`)}`
]

const lines = { bash, fish, zsh } as const

/** The script. `options` that cannot be typed or have been replaced are left out. */
export const script = (
  shell: Shell,
  options: ReadonlyArray<Documented>,
  commands: ReadonlyArray<string>
): string => lines[shell](options.filter(isShown), commands).join("\n")
