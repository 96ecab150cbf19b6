import { describe, expect, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import * as QueryShares from "../../src/internal/source/QueryShares.js"

const { allot, fewest, forShards } = QueryShares

const claim = fc.record({
  keys: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 1_000_000 })),
  most: fc.integer({ min: 1, max: 90 })
})
const claims = fc.array(claim, { minLength: 1, maxLength: 12 })

const isLarge = ({ keys, most }: QueryShares.Claim) => keys > 0 && most > 1

const sum = (numbers: ReadonlyArray<number>) => numbers.reduce((sum, number) => sum + number, 0)

describe("the shares of the watches of one agent", () => {
  it("of a watch that is alone are all that it may have, and those of a small one among large ones are few", () => {
    expect(allot(90, [{ keys: 100_000, most: 56 }])).toEqual([56])
    const nine = [
      ...Array.from({ length: 7 }, () => ({ keys: 6_000, most: 56 })),
      { keys: 0, most: 56 },
      { keys: 0, most: 56 }
    ]
    const shares = allot(90, nine)
    expect(shares).toEqual([12, 12, 12, 12, 12, 11, 11, 1, 1])
    expect(
      allot(90, [
        { keys: 100_000, most: 56 },
        { keys: 100_000, most: 56 }
      ])
    ).toEqual([45, 44])
    expect(
      allot(90, [
        { keys: 30_000, most: 90 },
        { keys: 10_000, most: 90 }
      ])
    ).toEqual([67, 22])
  })

  it.prop(
    "are never more than the total together, and never more for a watch than it may have",
    [claims],
    (some) => {
      const [all] = some
      const shares = allot(90, all)
      const parts = shares.filter((_, i) => isLarge(all[i] ?? { keys: 0, most: 1 }))
      expect(sum(parts)).toBeLessThanOrEqual(forShards(90, all.length))
      for (const [i, { most }] of all.entries()) {
        expect(shares[i]).toBeGreaterThanOrEqual(1)
        expect(shares[i]).toBeLessThanOrEqual(most)
      }
    }
  )

  it.prop("leave no query unused that a large watch could have", [claims], ([all]) => {
    const shares = allot(90, all)
    const large = all.flatMap((claim, i) => (isLarge(claim) ? [{ ...claim, share: shares[i] ?? 0 }] : []))
    const wanted = sum(large.map(({ most }) => most))
    expect(sum(large.map(({ share }) => share))).toBe(Math.min(wanted, forShards(90, all.length)))
  })

  it.prop("are not smaller for a watch of more keys", [claims], ([all]) => {
    const shares = allot(
      90,
      all.map(({ keys }) => ({ keys, most: 90 }))
    )
    for (const [i, { keys }] of all.entries()) {
      for (const [j, other] of all.entries()) {
        if (keys > other.keys) expect(shares[i]).toBeGreaterThanOrEqual(shares[j] ?? 0)
      }
    }
  })

  it.prop("do not grow when another watch joins", [claims, claim], ([all, another]) => {
    fc.pre(all.some(isLarge))
    const before = allot(90, all)
    const after = allot(90, [...all, another])
    for (const [i, share] of before.entries()) expect(after[i]).toBeLessThanOrEqual(share)
  })

  it.prop("are enough for shards for each watch, as long as the total allows it", [claims], ([all]) => {
    for (const [i, share] of allot(90, all).entries()) {
      const { most } = all[i] ?? { most: 0 }
      if (isLarge(all[i] ?? { keys: 0, most: 1 }))
        expect(share).toBeGreaterThanOrEqual(Math.min(most, fewest))
    }
  })

  it("are one query for each if there are more large watches than queries", () => {
    const shares = allot(
      8,
      Array.from({ length: 10 }, () => ({ keys: 5_000, most: 56 }))
    )
    expect(new Set(shares)).toEqual(new Set([1]))
  })
})
