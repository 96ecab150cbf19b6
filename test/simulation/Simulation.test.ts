import * as Array from "effect/Array"
import * as Option from "effect/Option"
import { describe, expect, it } from "vitest"
import { mistakes } from "./Mistakes.js"
import * as Plan from "./Plan.js"
import * as Report from "./Report.js"
import { simulate } from "./Simulation.js"

const seeds = Array.range(1, 300)

/** Seeds that found something once, with what it was. */
const kept: ReadonlyArray<readonly [seed: number, what: string]> = [
  [35, "the session of a lost acquisition was kept alive by the next attempt's heartbeats"],
  [177, "a source restored under a blocked query was followed a minute late"]
]

describe("replication among faults", () => {
  const counts = new Map<string, number>()

  it(`keeps every promise in ${seeds.length} histories`, () => {
    for (const seed of seeds) {
      const outcome = simulate(seed)
      if (Option.isSome(outcome.violation)) expect.fail(Report.describe(outcome))
      for (const [what, times] of outcome.history.counts) counts.set(what, (counts.get(what) ?? 0) + times)
    }
  })

  it("meets everything that a plan can hold", () => {
    const met = [
      ...Plan.fates,
      "refused by the fence",
      "refused by the guard",
      "Write",
      "WriteElsewhere",
      "OverwriteStatus",
      "DeleteLock",
      "EndSession",
      "Election",
      "Partition",
      "Isolate",
      "Freeze",
      "Kill",
      "Stop",
      "ClockRate",
      "SaveSource",
      "RestoreSource"
    ].filter((what) => (counts.get(what) ?? 0) < 5)
    expect(met).toEqual([])
    expect(counts.get("leaderships")).toBeGreaterThan(seeds.length)
  })

  it.each(kept)("keeps every promise with seed %i: %s", (seed) => {
    const outcome = simulate(seed)
    if (Option.isSome(outcome.violation)) expect.fail(Report.describe(outcome))
  })

  it("repeats itself to the byte", () => {
    for (const seed of [3, 35, 177]) {
      const [one, other] = [simulate(seed), simulate(seed)]
      expect(other.history.lines.join("\n") === one.history.lines.join("\n")).toBe(true)
      expect(one.history.lines.length).toBeGreaterThan(20)
    }
  })
})

describe("the simulation finds", () => {
  it.each(mistakes)("$name", ({ distort, fits }) => {
    const fitting = Array.range(1, 1_000)
      .filter((seed) => fits(Plan.draw(seed)))
      .slice(0, 60)
    const found = fitting.find((seed) => Option.isSome(simulate(seed, distort).violation))
    expect(found).toBeDefined()
  })
})
