import { describe, expect, it } from "@effect/vitest"
import * as Option from "effect/Option"
import { layoutFor, type WatchSettings } from "../../src/internal/source/WatchPlan.js"
import * as Weights from "../../src/internal/source/Weights.js"
import { under } from "../../src/KeyRange.js"

const options: WatchSettings = { source: {}, prefix: "global/", shards: 1, keysEach: 1_500 }

const named = (keys: number) => Array.from({ length: keys }, (_, i) => `global/${String(i).padStart(6, "0")}`)

const partsOf = (weights: Weights.Weights, names: ReadonlyArray<string>) =>
  Option.match(
    layoutFor(options, names, true, weights, () => true),
    { onNone: () => 1, onSome: ({ all }) => all.length }
  )

describe("the estimated weight of keys", () => {
  it("is that of an answer that was cut off, shared among all keys, when these are counted", () => {
    const weights = new Weights.Weights()
    const names = named(100_000)
    weights.noteCutOff(under("global/"), Weights.wholeBytes)
    expect(weights.areUnknown).toBe(true)
    weights.noteCount(names.length)
    expect(weights.areUnknown).toBe(false)
    expect(partsOf(weights, names)).toBeGreaterThan(1)
    // A range for each key would be a request for each.
    expect(partsOf(weights, names)).toBeLessThan(1_500)
  })

  it("divides heavy keys by a sample before any answer is cut off, and leaves light ones together", () => {
    const names = named(1_400)
    const light = new Weights.Weights()
    light.guess(300)
    expect(partsOf(light, names)).toBe(1)
    const heavy = new Weights.Weights()
    heavy.guess(400_000)
    // The names may divide the keys so that each answer uses only a third of its limit.
    expect(partsOf(heavy, names)).toBeGreaterThanOrEqual((1_400 * 400_000) / Weights.readBytes)
  })
})
