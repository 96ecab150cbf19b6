import { describe, expect, it } from "@effect/vitest"
import { distribution, format, less, median, percentile } from "../../bench/Figure.js"

describe("figures", () => {
  it("a percentile is a value that was measured", () => {
    const hundred = Array.from({ length: 100 }, (_, i) => 100 - i)
    expect(median(hundred)).toBe(50)
    expect(percentile(hundred, 0.99)).toBe(99)
    expect(percentile(hundred, 1)).toBe(100)
    expect(median([7])).toBe(7)
    expect(median([])).toBeNaN()
  })

  it("the 99th of 200 leaves out two", () => {
    const times = Array.from({ length: 200 }, (_, i) => i + 1)
    expect(distribution(times).map(({ value }) => value)).toEqual([100, 198, 200])
  })

  it("a text that is no number has no value", () => {
    expect(less("lag", Number.POSITIVE_INFINITY, "ms").value).toBeNull()
    expect(less("lag", Number.NaN, "ms").value).toBeNull()
  })

  it("numbers are shown with three digits, or all before the point", () => {
    const shown = [0, 0.1234, 9.999, 10, 861.4, 127_739.2].map((value) => format(value, "ms"))
    expect(shown).toEqual(["0 ms", "0.123 ms", "10.0 ms", "10.0 ms", "861 ms", "127,739 ms"])
    expect(format(12.34, "%")).toBe("12.3%")
    expect(format(2.2, "")).toBe("2.20")
    expect(format(null, "ms")).toBe("–")
  })
})
