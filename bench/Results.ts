/**
 * The results of a run: on what they were measured, and rows with one value of each program. Kept as JSON, from which
 * table, page and plot are made.
 */
import * as Schema from "effect/Schema"
import type { Measured } from "./Figure.js"
import { shapes } from "./Keyspace.js"
import { parts } from "./Plan.js"

const Value = Schema.NullOr(Schema.Number)

export const Row = Schema.Struct({
  part: Schema.Literal(...parts),
  /** 0 where it does not depend on the prefix. */
  keys: Schema.Number,
  shape: Schema.Literal(...shapes),
  what: Schema.String,
  unit: Schema.Literal("keys/s", "writes/s", "ms", "s", "MB", "kB", "%", ""),
  better: Schema.Literal("less", "more", "neither"),
  /** Of the programs, in their order; of what Consul itself does, one alone. */
  values: Schema.Array(Value)
})
export type Row = typeof Row.Type

export const Results = Schema.Struct({
  date: Schema.String,
  machine: Schema.String,
  consul: Schema.String,
  /** Processes that were waiting for a CPU before the start, on the average of a minute. */
  load: Schema.Number,
  quick: Schema.Boolean,
  seconds: Schema.Number,
  programs: Schema.NonEmptyArray(Schema.String),
  rows: Schema.Array(Row),
  failures: Schema.Array(Schema.String)
})
export type Results = typeof Results.Type

export const ResultsJson = Schema.parseJson(Results, { space: 2 })

/** The rows with what was measured of the program with this number. */
export const add = (
  rows: ReadonlyArray<Row>,
  program: number,
  place: Pick<Row, "part" | "keys" | "shape">,
  measured: ReadonlyArray<Measured>
): ReadonlyArray<Row> => {
  const all = [...rows]
  for (const { value, ...one } of measured) {
    const at = all.findIndex(
      (row) =>
        row.part === place.part &&
        row.keys === place.keys &&
        row.shape === place.shape &&
        row.what === one.what
    )
    const values = [...(all[at]?.values ?? [])]
    while (values.length < program) values.push(null)
    values[program] = value
    all.splice(at < 0 ? all.length : at, 1, { ...place, ...one, values })
  }
  return all
}

/** By how much the first program is ahead of the second; none where one has no value or zero, or there is no ahead. */
export const ratio = ({ better, values: [first, second] }: Row): number | undefined => {
  if (!first || !second || better === "neither") return undefined
  return better === "less" ? second / first : first / second
}
