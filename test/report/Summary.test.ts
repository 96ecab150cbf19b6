import { describe, expect, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Summary from "../../src/internal/report/Summary.js"

const pass = (index: number, lag = 5): Summary.Passes => ({ writes: 1, deletes: 2, passes: 1, lag, index })

/** What is logged of passes at these times, in ms, by somebody who looks whenever a collection ends. */
const logged = (times: ReadonlyArray<number>, end: number) => {
  const lines: Array<{ readonly at: number; readonly passes: Summary.Passes }> = []
  let summary = Summary.quiet
  const look = (now: number) => {
    while (Option.isSome(summary) && summary.value.until <= now) {
      const at = summary.value.until
      const [line, next] = Summary.due(summary, at)
      summary = next
      if (Option.isSome(line)) lines.push({ at, passes: line.value })
    }
  }
  times.forEach((time, i) => {
    look(time)
    const [isFirst, next] = Summary.add(summary, time, pass(i))
    summary = next
    if (isFirst) lines.push({ at: time, passes: pass(i) })
  })
  look(end)
  return { lines, summary }
}

const times = fc
  .array(fc.integer({ min: 0, max: 15_000 }), { maxLength: 200 })
  .map((gaps) => gaps.map((_, i) => gaps.slice(0, i + 1).reduce((sum, gap) => sum + gap, 0)))

describe("what is logged of passes", () => {
  it("is a pass after quiet, at once", () => {
    expect(logged([0, 60_000], 100_000).lines).toEqual([
      { at: 0, passes: pass(0) },
      { at: 60_000, passes: pass(1) }
    ])
  })

  it("is one line for those of each ten seconds while there are more, with their sums and the longest lag", () => {
    let summary = Summary.quiet
    const lags = [5, 7, 900, 3]
    const firsts = lags.map((lag, i) => {
      const [isFirst, next] = Summary.add(summary, i * 1_000, pass(i, lag))
      summary = next
      return isFirst
    })
    expect(firsts).toEqual([true, false, false, false])
    expect(Summary.due(summary, 9_999)[0]).toEqual(Option.none())
    expect(Summary.due(summary, 10_000)[0]).toEqual(
      Option.some({ writes: 3, deletes: 6, passes: 3, lag: 900, index: 3 })
    )
  })

  it("is a tenth of a line a second at most, however many passes there are", () => {
    const minute = Array.from({ length: 38 * 60 }, (_, i) => Math.floor((i * 1_000) / 38))
    const { lines } = logged(minute, 60_000)
    expect(lines.map(({ at }) => at)).toEqual([0, 10_000, 20_000, 30_000, 40_000, 50_000, 60_000])
  })

  it.prop("leaves out no pass and none twice, and is quiet in the end", [times], ([times]) => {
    const { lines, summary } = logged(times, (times.at(-1) ?? 0) + 2 * Summary.interval)
    const sum = (of: (passes: Summary.Passes) => number) =>
      lines.reduce((sum, { passes }) => sum + of(passes), 0)
    expect(sum(({ passes }) => passes)).toBe(times.length)
    expect(sum(({ writes }) => writes)).toBe(times.length)
    expect(sum(({ deletes }) => deletes)).toBe(2 * times.length)
    expect(lines.at(-1)?.passes.index).toBe(times.length === 0 ? undefined : times.length - 1)
    expect(summary).toEqual(Summary.quiet)
  })

  it.prop("has ten seconds between two lines, and is at most that late", [times], ([times]) => {
    const { lines } = logged(times, (times.at(-1) ?? 0) + 2 * Summary.interval)
    lines.slice(1).forEach(({ at }, i) => {
      expect(at - (lines[i]?.at ?? 0)).toBeGreaterThanOrEqual(Summary.interval)
    })
  })
})
