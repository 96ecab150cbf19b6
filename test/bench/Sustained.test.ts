import { describe, expect, it } from "@effect/vitest"
import { lags } from "../../bench/Sustained.js"

describe("the lag of markers", () => {
  it("ends when the marker is seen, or a later one", () => {
    const seen = [
      { number: 0, at: 30 },
      { number: 3, at: 450 }
    ]
    expect(lags([10, 110, 210, 310], seen)).toEqual([20, 340, 240, 140])
  })

  it("has no end for a marker that is never seen", () => {
    expect(lags([10, 110], [{ number: 0, at: 12 }])).toEqual([2, Number.POSITIVE_INFINITY])
  })

  it("is none where the destination is faster than the source's answer", () => {
    expect(lags([10], [{ number: 0, at: 9 }])).toEqual([0])
  })
})
