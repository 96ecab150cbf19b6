import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import { parse } from "../../../src/cli/settings/DurationOption.js"

const units = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 } as const

const written = fc.record({
  h: fc.nat(200),
  m: fc.nat(200),
  s: fc.nat(200),
  ms: fc.nat(2_000)
})

describe("a duration on the command line", () => {
  it.prop("is the sum of its parts", [written], ([parts]) => {
    const text = Object.entries(parts).map(([unit, count]) => `${count}${unit}`)
    const millis = (Object.keys(units) as ReadonlyArray<keyof typeof units>).reduce(
      (sum, unit) => sum + parts[unit] * units[unit],
      0
    )
    expect(Either.map(parse(text.join("")), Duration.toMillis)).toEqual(Either.right(millis))
  })

  it.each([
    ["0", 0],
    ["0s", 0],
    ["250ms", 250],
    ["1m30s", 90_000],
    ["1.5h", 5_400_000],
    ["+2s", 2_000],
    ["1500us", 1.5],
    ["1500µs", 1.5],
    ["1500μs", 1.5]
  ])("%s is %d ms", (text, millis) => {
    expect(Either.map(parse(text), Duration.toMillis)).toEqual(Either.right(millis))
  })

  it.each(["", "60", "1d", "-1s", "1 s", "1m30", "soon", "s", "1s\n", "Infinity"])(
    "%j is refused, with how a duration is written",
    (text) => {
      expect(parse(text)).toEqual(Either.left("not a duration; write it as 250ms, 60s or 1m30s"))
    }
  )

  it.prop("of any other text is refused by one line", [fc.string({ unit: "binary" })], ([text]) => {
    const parsed = parse(text)
    if (Either.isLeft(parsed)) expect(parsed.left).not.toMatch(/[\r\n]/)
  })
})
