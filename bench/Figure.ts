/**
 * A measured number with its name and unit, and statistics of several numbers.
 */

export type Unit = "keys/s" | "writes/s" | "ms" | "s" | "MB" | "kB" | "%" | ""

/** A measured number of one program. */
export interface Measured {
  readonly what: string
  /** None if there is nothing to measure, or if the wait for it timed out. */
  readonly value: number | null
  readonly unit: Unit
  /** Whether a lower or a higher number is better. With `neither`, the number only explains the others. */
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

/** A finite number: JSON has no others. */
const finite = (value: number | null) => (value !== null && Number.isFinite(value) ? value : null)

/** The smallest value that is not exceeded by at least this share of the values. NaN without values. */
export const percentile = (values: ReadonlyArray<number>, share: number): number =>
  [...values].sort((a, b) => a - b)[Math.max(0, Math.ceil(values.length * share) - 1)] ?? Number.NaN

export const median = (values: ReadonlyArray<number>): number => percentile(values, 0.5)

/** Median, 99th percentile and worst of these times in ms. */
export const distribution = (times: ReadonlyArray<number>): ReadonlyArray<Measured> => [
  less("median", median(times), "ms"),
  less("99th percentile", percentile(times, 0.99), "ms"),
  less(`worst of ${times.length}`, percentile(times, 1), "ms")
]

/** Formats with three significant digits, and with all digits before the point. */
export const format = (value: number | null, unit: Unit): string => {
  if (value === null) return "–"
  const size = Math.abs(value)
  const number =
    size >= 100 ? Math.round(value).toLocaleString("en") : size === 0 ? "0" : value.toPrecision(3)
  return unit === "" ? number : unit === "%" ? `${number}%` : `${number} ${unit}`
}
