import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import { ConsistentReads } from "../../src/internal/plan/ConsistentReads.js"
import * as Schedules from "../../src/internal/Schedules.js"

const life = Duration.toMillis(Schedules.answerMaxAge)

/** That `there` holds `a`, and that there is no `gone`, by index 10. */
const noted = () => {
  const confirmed = new ConsistentReads()
  confirmed.record("there", { index: 10, print: "a" })
  confirmed.record("gone", { index: 10, print: undefined })
  return confirmed
}

describe("what is confirmed of a key", () => {
  it("is newer than what says otherwise by an earlier index", () => {
    const confirmed = noted()
    expect(confirmed.overrules("there", { index: 9, print: "b" })).toBe(true)
    expect(confirmed.overrules("there", { index: 9, print: undefined })).toBe(true)
    expect(confirmed.overrules("gone", { index: 9, print: "a" })).toBe(true)
    expect(confirmed.overrules("there", { index: 10, print: "b" })).toBe(false)
    expect(confirmed.overrules("unknown", { index: 1, print: "b" })).toBe(false)
  })

  it("is nothing against what says the same", () => {
    const confirmed = noted()
    expect(confirmed.overrules("there", { index: 9, print: "a" })).toBe(false)
    expect(confirmed.overrules("gone", { index: 9, print: undefined })).toBe(false)
  })

  it("is remembered for as long as an answer can wait, and forgotten after twice that", () => {
    for (const at of [0, 0.5 * life, 0.99 * life, 1.5 * life]) {
      const confirmed = noted()
      const isKnown = () => confirmed.overrules("there", { index: 9, print: "b" })
      for (let now = at; now < at + life; now += life / 100) confirmed.forget(now)
      expect(isKnown()).toBe(true)
      for (let now = at + life; now < at + 2.1 * life; now += life / 100) confirmed.forget(now)
      expect(isKnown()).toBe(false)
    }
  })

  it("says nothing of another history", () => {
    const confirmed = noted()
    confirmed.clear()
    expect(confirmed.overrules("there", { index: 9, print: "b" })).toBe(false)
  })
})
