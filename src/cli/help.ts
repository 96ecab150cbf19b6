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

export interface Help {
  readonly usage: string
  readonly summary: string
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

const option = ([name, { default: fallback, description, value }]: [string, Documented]) => {
  const title = value === undefined ? `  -${name}` : `  -${name} ${value}`
  const text = fallback === undefined ? description : `${description} (default ${fallback})`
  return wrap(text, columns - optionColumn).map(
    (line, i) => (i === 0 ? title : "").padEnd(optionColumn) + line
  )
}

export const render = ({ footer, options, summary, usage }: Help): string =>
  [
    `Usage: ${usage}`,
    "",
    ...wrap(summary, columns),
    "",
    "Options:",
    "",
    ...Object.entries(options).flatMap(option),
    "",
    ...footer.flatMap((paragraph) => wrap(paragraph, columns))
  ].join("\n")
