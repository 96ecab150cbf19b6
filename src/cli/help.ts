/**
 * The help text: 80 columns, every option with its default.
 */
/**
 * An option as the help shows it. `value` is the name of its value; a flag has none. `parsedAs` is its name in
 * `@effect/cli`, where that is another.
 */
export interface Documented {
  readonly value?: string
  readonly parsedAs?: string
  readonly description: string
  readonly default?: string
}

export const programName = "consul-replicate"

export interface Help {
  readonly usage: string
  readonly summary: string
  /** With what each does. */
  readonly commands: Readonly<Record<string, string>>
  readonly options: Readonly<Record<string, Documented>>
  readonly footer: ReadonlyArray<string>
}

const columns = 80
const optionColumn = 24

/** Greedy, at spaces. (`@effect/printer` takes exponential time for a page of reflowed paragraphs.) */
const wrap = (text: string, width: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = ""
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else {
      line = line === "" ? word : `${line} ${word}`
    }
  }
  return [...lines, line]
}

const entry = (title: string, text: string): ReadonlyArray<string> =>
  wrap(text, columns - optionColumn).map(
    (line, i) => (i === 0 ? `  ${title}` : "").padEnd(optionColumn) + line
  )

const option = ([name, { default: fallback, description, value }]: [string, Documented]) =>
  entry(
    value === undefined ? `-${name}` : `-${name} ${value}`,
    fallback === undefined ? description : `${description} (default ${fallback})`
  )

const section = (title: string, lines: ReadonlyArray<string>) =>
  lines.length === 0 ? [] : ["", title, "", ...lines]

export const render = ({ commands, footer, options, summary, usage }: Help): string =>
  [
    `Usage: ${usage}`,
    "",
    ...wrap(summary, columns),
    ...section("Options:", Object.entries(options).flatMap(option)),
    ...section(
      "Commands:",
      Object.entries(commands).flatMap(([name, text]) => entry(name, text))
    ),
    ...footer.flatMap((paragraph) => ["", ...wrap(paragraph, columns)])
  ].join("\n")
