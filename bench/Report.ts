/**
 * Formats results as a table for a terminal, and as the generated section of the page in docs/.
 */
import { format } from "./Figure.js"
import type { Part } from "./Plan.js"
import { type Results, type Row, ratio } from "./Results.js"

const titles: Record<Part, string> = {
  raw: "Raw limits of Consul",
  "first-sync": "First sync",
  latency: "Change latency",
  shapes: "Change latency in folders",
  sustained: "Sustained writes",
  burst: "A burst of changes",
  idle: "At rest",
  restart: "Restart with everything in sync",
  traffic: "Traffic",
  reconcile: "Reconcile",
  several: "Several replications"
}

const place = ({ keys, shape }: Row): string =>
  [keys === 0 ? "" : keys.toLocaleString("en"), shape === "flat" ? "" : shape]
    .filter((s) => s !== "")
    .join(" ")

const times = (row: Row): string => {
  const value = ratio(row)
  return value === undefined ? "" : `×${value.toPrecision(value >= 100 ? 3 : 2)}`
}

/** The cells of each row: the keyspace, the name, the value of each program, and the lead of the first program. */
const cells = (row: Row, programs: number): ReadonlyArray<string> => [
  place(row),
  row.what,
  ...Array.from({ length: row.part === "raw" ? 1 : programs }, (_, i) =>
    format(row.values[i] ?? null, row.unit)
  ),
  ...(programs > 1 && row.part !== "raw" ? [times(row)] : [])
]

const head = (part: Part, { programs }: Results): ReadonlyArray<string> =>
  part === "raw" ? ["", "", "Consul"] : ["keys", "", ...programs, ...(programs.length > 1 ? ["ahead"] : [])]

/** The parts that have rows, with their rows, in the order of their measurement. */
const byPart = ({ rows }: Results): ReadonlyArray<readonly [Part, ReadonlyArray<Row>]> =>
  [...new Set(rows.map(({ part }) => part))].map((part) => {
    const ofPart = rows.filter((row) => row.part === part)
    const places = [...new Set(ofPart.map(place))]
    return [part, places.flatMap((one) => ofPart.filter((row) => place(row) === one))]
  })

/** Pads the cells of a column to its widest cell: text to the left, numbers to the right. */
const align = (lines: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<ReadonlyArray<string>> => {
  const widths = (lines[0] ?? []).map((_, column) =>
    Math.max(3, ...lines.map((line) => line[column]?.length ?? 0))
  )
  return lines.map((line) =>
    widths.map((width, column) =>
      column === textColumn ? (line[column] ?? "").padEnd(width) : (line[column] ?? "").padStart(width)
    )
  )
}

const textColumn = 1

const aligned = (results: Results, part: Part, rows: ReadonlyArray<Row>) =>
  align([head(part, results), ...rows.map((row) => cells(row, results.programs.length))])

const about = ({ consul, date, load, machine, programs, quick, seconds }: Results): string =>
  `${programs.join(" and ")}, with Consul ${consul} on ${machine}; ${date}, in ${seconds < 120 ? `${seconds} seconds` : `${Math.round(seconds / 60)} minutes`}` +
  ` after a load of ${load.toFixed(1)}${quick ? "; a quick run, not to be quoted" : ""}`

export const table = (results: Results): string =>
  [
    about(results),
    ...byPart(results).flatMap(([part, rows]) => [
      "",
      titles[part],
      ...aligned(results, part, rows).map((line) => line.join("  ").trimEnd())
    ]),
    ...(results.failures.length > 0 ? ["", ...results.failures.map((failure) => `FAILED: ${failure}`)] : [])
  ].join("\n")

const line = (cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`

/** The line under the titles, with the alignment of the columns. */
const rule = (titles: ReadonlyArray<string>) =>
  line(
    titles.map(({ length }, column) => {
      const dashes = "-".repeat(length - 1)
      return column === textColumn ? `:${dashes}` : `${dashes}:`
    })
  )

/** The generated section of the page. */
export const markdown = (results: Results): string =>
  [
    `${about(results)}.`,
    "",
    "![Change latency by the number of keys](performance.svg)",
    ...byPart(results).flatMap(([part, rows]) => {
      const [titleCells = [], ...others] = aligned(results, part, rows)
      return ["", `### ${titles[part]}`, "", line(titleCells), rule(titleCells), ...others.map(line)]
    }),
    ...(results.failures.length > 0
      ? ["", ...results.failures.map((failure) => `- Failed: ${failure.split("\n")[0]}`)]
      : [])
  ].join("\n")

const begin = "<!-- results: made by npm run bench -- --render -->"
const end = "<!-- end of results -->"

/** The page with another generated section. Undefined if the page has no markers for the section. */
export const replaceSection = (page: string, section: string): string | undefined => {
  const from = page.indexOf(begin)
  const to = page.indexOf(end)
  return from < 0 || to < from
    ? undefined
    : `${page.slice(0, from + begin.length)}\n\n${section}\n\n${page.slice(to)}`
}
