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
  /** The number of keys. 0 if the measurement does not depend on the keyspace. */
  keys: Schema.Number,
  shape: Schema.Literal(...shapes),
  what: Schema.String,
  unit: Schema.Literal("keys/s", "writes/s", "ms", "s", "MB", "kB", "%", ""),
  better: Schema.Literal("less", "more", "neither"),
  /** The values of the programs, in their order. A limit of Consul itself has one value. */
  values: Schema.Array(Value)
})
export type Row = typeof Row.Type

export const Results = Schema.Struct({
  date: Schema.String,
  machine: Schema.String,
  consul: Schema.String,
  /** The load average of the last minute before the start. */
  load: Schema.Number,
  quick: Schema.Boolean,
  seconds: Schema.Number,
  programs: Schema.NonEmptyArray(Schema.String),
  rows: Schema.Array(Row),
  failures: Schema.Array(Schema.String)
})
export type Results = typeof Results.Type

export const ResultsJson = Schema.parseJson(Results, { space: 2 })

/** The rows with the figures of the program with this number. */
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

/** The lead of the first program over the second. None if one of them has no value or 0, or if the figure is neither. */
export const ratio = ({ better, values: [first, second] }: Row): number | undefined => {
  if (!first || !second || better === "neither") return undefined
  return better === "less" ? second / first : first / second
}
