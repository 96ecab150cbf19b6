import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import { answerMaxAge, ConsistentReads } from "../../src/internal/plan/ConsistentReads.js"
import { only, under } from "../../src/KeyRange.js"

const maxAge = Duration.toMillis(answerMaxAge)

/** After consistent reads of `a/` and of the key `b` at index 10. */
const recorded = () => {
  const reads = new ConsistentReads()
  reads.record(under("a/"), 10)
  reads.record(only("b"), 10)
  return reads
}

describe("a consistent read", () => {
  it("overrules an answer with a lower index about a range with a key in common, and no other", () => {
    const reads = recorded()
    for (const range of [under("a/"), under(""), under("a/1"), only("a/1"), under("b"), only("b")]) {
      expect([range, reads.overrules(range, 9), reads.overrules(range, 10)]).toEqual([range, true, false])
    }
    for (const range of [under("b/"), only("a"), only("bb"), under("c")]) {
      expect([range, reads.overrules(range, 1)]).toEqual([range, false])
    }
  })

  it("stays in force beside a later one of a part of its range", () => {
    const reads = recorded()
    reads.record(under("a/1"), 12)
    expect(reads.overrules(only("a/10"), 11)).toBe(true)
    expect(reads.overrules(only("a/2"), 11)).toBe(false)
    expect(reads.overrules(only("a/2"), 9)).toBe(true)
  })

  it("is remembered for as long as an answer can wait, and forgotten after twice that", () => {
    for (const at of [0, 0.5 * maxAge, 0.99 * maxAge, 1.5 * maxAge]) {
      const reads = recorded()
      const isRemembered = () => reads.overrules(under("a/"), 9)
      for (let now = at; now < at + maxAge; now += maxAge / 100) reads.forget(now)
      expect(isRemembered()).toBe(true)
      for (let now = at + maxAge; now < at + 2.1 * maxAge; now += maxAge / 100) reads.forget(now)
      expect(isRemembered()).toBe(false)
    }
  })

  it("overrules nothing of another history, which a lower index of the same range shows too", () => {
    const cleared = recorded()
    cleared.clear()
    expect(cleared.overrules(under("a/"), 9)).toBe(false)
    const rewound = recorded()
    rewound.record(under("a/"), 8)
    expect(rewound.overrules(only("b"), 9)).toBe(false)
    expect(rewound.overrules(under("a/"), 7)).toBe(true)
  })
})
