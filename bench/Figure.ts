/**
 * What is measured: a number with its name and unit, and what several numbers say together.
 */

export type Unit = "keys/s" | "writes/s" | "ms" | "s" | "MB" | "kB" | "%" | ""

/** One number of one program. */
export interface Measured {
  readonly what: string
  /** None where there is nothing to measure, or where it was waited for in vain. */
  readonly value: number | null
  readonly unit: Unit
  /** Which of two programs is ahead: with neither, the number only explains the others. */
  readonly better: "less" | "more" | "neither"
}

export const less = (what: string, value: number | null, unit: Unit): Measured => ({
  what,
  value: finite(value),
  unit,
  better: "less"
})

export const more = (what: string, value: number | null, unit: Unit): Measured => ({
  what,
  value: finite(value),
  unit,
  better: "more"
})

export const neither = (what: string, value: number | null, unit: Unit): Measured => ({
  what,
  value: finite(value),
  unit,
  better: "neither"
})

/** JSON has no other numbers. */
const finite = (value: number | null) => (value !== null && Number.isFinite(value) ? value : null)

/** The smallest value that at least this share of all are not above; NaN of none. */
export const percentile = (values: ReadonlyArray<number>, share: number): number =>
  [...values].sort((a, b) => a - b)[Math.max(0, Math.ceil(values.length * share) - 1)] ?? Number.NaN

export const median = (values: ReadonlyArray<number>): number => percentile(values, 0.5)

/** Median, 99th percentile and worst of these times in ms. */
export const distribution = (times: ReadonlyArray<number>): ReadonlyArray<Measured> => [
  less("median", median(times), "ms"),
  less("99th percentile", percentile(times, 0.99), "ms"),
  less(`worst of ${times.length}`, percentile(times, 1), "ms")
]

/** Three digits, and all before the point. */
export const format = (value: number | null, unit: Unit): string => {
  if (value === null) return "–"
  const size = Math.abs(value)
  const number =
    size >= 100 ? Math.round(value).toLocaleString("en") : size === 0 ? "0" : value.toPrecision(3)
  return unit === "" ? number : unit === "%" ? `${number}%` : `${number} ${unit}`
}
