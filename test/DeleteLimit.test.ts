import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as DeleteLimit from "../src/DeleteLimit.js"
import type { Changes } from "../src/Diff.js"

const { alwaysAllowed, judge, parse } = DeleteLimit
const { Count, Share } = DeleteLimit.DeleteLimit

const keys = (count: number) => Array.from({ length: count }, (_, i) => `global/${i}`)

const changes = (writes: number, deletes: number): Changes => ({
  writes: keys(writes).map((key) => ({ key: `${key}/new`, value: "", flags: 0n })),
  deletes: keys(deletes)
})

const limit = fc.oneof(
  fc.integer({ min: 0, max: 1_000 }).map((tenths) => Share({ percent: tenths / 10 })),
  fc.nat({ max: 1_000 }).map((count) => Count({ count }))
)

/** A pass over a destination of `held` keys, of which some are to go. */
const pass = fc
  .nat({ max: 200 })
  .chain((held) => fc.record({ held: fc.constant(held), writes: fc.nat(20), deletes: fc.nat(held) }))

describe("DeleteLimit", () => {
  it.prop("writes pass, and deletes all together or not at all", [pass, limit], ([pass, limit]) => {
    const given = changes(pass.writes, pass.deletes)
    const verdict = judge(given, pass.held, limit)
    expect(verdict.changes.writes).toEqual(given.writes)
    expect([...verdict.changes.deletes, ...verdict.held]).toEqual(given.deletes)
    expect(Math.min(verdict.changes.deletes.length, verdict.held.length)).toBe(0)
  })

  it.prop("ten deletes are never held, whatever the limit", [pass, limit], ([pass, limit]) => {
    const deletes = Math.min(pass.deletes, alwaysAllowed)
    expect(judge(changes(pass.writes, deletes), pass.held, limit).held).toEqual([])
  })

  it.prop("100% holds nothing back", [pass], ([pass]) => {
    expect(judge(changes(pass.writes, pass.deletes), pass.held, DeleteLimit.unlimited).held).toEqual([])
  })

  it.prop(
    "what a limit lets pass, a higher one does too",
    [pass, fc.nat(100), fc.nat(100)],
    ([pass, a, b]) => {
      const given = changes(pass.writes, pass.deletes)
      for (const make of [(percent: number) => Share({ percent }), (count: number) => Count({ count })]) {
        const lower = judge(given, pass.held, make(Math.min(a, b)))
        const higher = judge(given, pass.held, make(Math.max(a, b)))
        expect(higher.held.length).toBeLessThanOrEqual(lower.held.length)
      }
    }
  )

  it.each([
    [Share({ percent: 50 }), 100, 50, 0],
    [Share({ percent: 50 }), 100, 51, 51],
    [Share({ percent: 50 }), 101, 51, 51],
    [Share({ percent: 0 }), 100, 10, 0],
    [Share({ percent: 0 }), 100, 11, 11],
    [Share({ percent: 99.9 }), 1_000, 999, 0],
    [Share({ percent: 99.9 }), 1_000, 1_000, 1_000],
    [Count({ count: 200 }), 1_000, 200, 0],
    [Count({ count: 200 }), 1_000, 201, 201],
    [Count({ count: 0 }), 10, 10, 0],
    [Count({ count: 0 }), 11, 11, 11]
  ])("%o of %i keys, %i deletes: %i are held", (limit, held, deletes, expected) => {
    expect(judge(changes(0, deletes), held, limit).held).toHaveLength(expected)
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
