import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as DeleteLimit from "../src/DeleteLimit.js"

const { allows, alwaysAllowed, parse } = DeleteLimit
const { Count, Share } = DeleteLimit.DeleteLimit

const limit = fc.oneof(
  fc.integer({ min: 0, max: 1_000 }).map((tenths) => Share({ percent: tenths / 10 })),
  fc.nat({ max: 1_000 }).map((count) => Count({ count }))
)

/** A pass over a destination of `held` keys, of which some are to go. */
const pass = fc
  .nat({ max: 200 })
  .chain((held) => fc.record({ held: fc.constant(held), deletes: fc.nat(held) }))

describe("DeleteLimit", () => {
  it.prop("ten deletes are never held, whatever the limit", [pass, limit], ([pass, limit]) => {
    expect(allows(limit, Math.min(pass.deletes, alwaysAllowed), pass.held)).toBe(true)
  })

  it.prop("100% holds nothing back", [pass], ([pass]) => {
    expect(allows(DeleteLimit.unlimited, pass.deletes, pass.held)).toBe(true)
  })

  it.prop(
    "deletes that a limit lets pass, a higher limit lets pass too",
    [pass, fc.nat(100), fc.nat(100)],
    ([pass, a, b]) => {
      for (const make of [(percent: number) => Share({ percent }), (count: number) => Count({ count })]) {
        const lower = allows(make(Math.min(a, b)), pass.deletes, pass.held)
        if (lower) expect(allows(make(Math.max(a, b)), pass.deletes, pass.held)).toBe(true)
      }
    }
  )

  it.each([
    [Share({ percent: 50 }), 100, 50, true],
    [Share({ percent: 50 }), 100, 51, false],
    [Share({ percent: 50 }), 101, 51, false],
    [Share({ percent: 0 }), 100, 10, true],
    [Share({ percent: 0 }), 100, 11, false],
    [Share({ percent: 99.9 }), 1_000, 999, true],
    [Share({ percent: 99.9 }), 1_000, 1_000, false],
    [Count({ count: 200 }), 1_000, 200, true],
    [Count({ count: 200 }), 1_000, 201, false],
    [Count({ count: 0 }), 10, 10, true],
    [Count({ count: 0 }), 11, 11, false]
  ])("%o of %i keys, %i deletes: %s", (limit, held, deletes, expected) => {
    expect(allows(limit, deletes, held)).toBe(expected)
  })

  it.prop("is read as it is written", [limit], ([limit]) => {
    expect(parse(DeleteLimit.format(limit))).toEqual(Either.right(limit))
  })

  it.each([
    "",
    " ",
    "%",
    "50 %",
    " 50%",
    "50%%",
    "-1",
    "-5%",
    "+5",
    "1e3",
    "1.5",
    ".5%",
    "0x10",
    "half",
    "100.1%",
    "200%",
    "NaN",
    "Infinity",
    "99999999999999999999",
    "5\n"
  ])("%j is refused, with a word on what it should be", (text) => {
    const parsed = parse(text)
    expect(Either.isLeft(parsed) && parsed.left).toMatch(/50% or a number of keys|at most 100%/)
  })
})
