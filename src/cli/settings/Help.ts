/**
 * The text of the help, made from the descriptions of options, commands, variables and signals.
 */
import * as Arr from "effect/Array"
import { type Documented, isShown } from "./Documented.js"

export const programName = "consul-replicate"

/** Terms, each with what it means. */
type Entries = ReadonlyArray<readonly [term: string, meaning: string]>

/** A heading, and what stands under it: terms, or lines that are not to be wrapped, such as commands of a shell. */
export interface Section {
  readonly title: string
  readonly entries?: Entries
  readonly verbatim?: ReadonlyArray<string>
}

export interface Help {
  /** The command line, as in `consul-replicate demo`. */
  readonly usage: string
  /** A paragraph on what the command does. */
  readonly summary: string
  /** Shown by their groups, in this order. */
  readonly options: ReadonlyArray<Documented>
  readonly sections: ReadonlyArray<Section>
  /** Paragraphs. */
  readonly footer: ReadonlyArray<string>
}

/** The width of the help if there is no terminal, in columns. */
const defaultWidth = 80

const narrowest = 60
const widest = 120

/** The width of the help on a terminal of so many columns, 0 where there is none. */
export const widthFor = (columns: number): number =>
  columns === 0 ? defaultWidth : Math.min(Math.max(columns, narrowest), widest)

const meaningColumn = 26

/** Wraps at spaces, greedily. (`@effect/printer` needs exponential time for a page of reflowed paragraphs.) */
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

const entry = ([term, meaning]: Entries[number], width: number): ReadonlyArray<string> => {
  const [first = "", ...rest] = wrap(meaning, width - meaningColumn)
  const title = `  ${term}`
  // A term without room for a space behind it has a line of its own.
  const beginning =
    title.length < meaningColumn
      ? [title.padEnd(meaningColumn) + first]
      : [title, " ".repeat(meaningColumn) + first]
  return [...beginning, ...rest.map((line) => " ".repeat(meaningColumn) + line)]
}

/** An option with its description, its default and its variables. */
const optionEntry = ({
  description,
  name,
  shownDefault,
  value,
  variables = []
}: Documented): Entries[number] => [
  value === undefined ? `-${name}` : `-${name} ${value}`,
  [
    description,
    ...(shownDefault === undefined ? [] : [`(default ${shownDefault})`]),
    ...(variables.length === 0 ? [] : [`[${variables.join(", ")}]`])
  ].join(" ")
]

const grouped = (options: ReadonlyArray<Documented>): ReadonlyArray<Section> =>
  Arr.dedupe(options.map(({ group }) => group)).map((title) => ({
    title,
    entries: options.filter((option) => option.group === title && isShown(option)).map(optionEntry)
  }))

const section = ({ entries = [], title, verbatim = [] }: Section, width: number) => [
  "",
  title,
  "",
  ...entries.flatMap((each) => entry(each, width)),
  ...verbatim.map((line) => `  ${line}`)
]

/** The text of a help page. Only a line with a single word can be longer than `width` columns. */
export const render = ({ footer, options, sections, summary, usage }: Help, width = defaultWidth): string =>
  [
    `Usage: ${usage}`,
    "",
    ...wrap(summary, width),
    ...[...grouped(options), ...sections].flatMap((each) => section(each, width)),
    ...footer.flatMap((paragraph) => ["", ...wrap(paragraph, width)])
  ].join("\n")
