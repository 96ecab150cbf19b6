import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import { Confirmed } from "../../src/internal/Confirmed.js"
import * as Schedules from "../../src/Schedules.js"

const life = Duration.toMillis(Schedules.answerLife)

describe("what is confirmed of a key", () => {
  it("is newer than what says otherwise by an earlier index", () => {
    const confirmed = new Confirmed()
    confirmed.note("there", { index: 10, print: "a" })
    confirmed.note("gone", { index: 10, print: undefined })
    expect(confirmed.isNewerThan("there", { index: 9, print: "b" })).toBe(true)
    expect(confirmed.isNewerThan("there", { index: 9, print: undefined })).toBe(true)
    expect(confirmed.isNewerThan("gone", { index: 9, print: "a" })).toBe(true)
    expect(confirmed.isNewerThan("there", { index: 10, print: "b" })).toBe(false)
    expect(confirmed.isNewerThan("unknown", { index: 1, print: "b" })).toBe(false)
  })

  it("is nothing against what says the same", () => {
    const confirmed = new Confirmed()
    confirmed.note("there", { index: 10, print: "a" })
    confirmed.note("gone", { index: 10, print: undefined })
    expect(confirmed.isNewerThan("there", { index: 9, print: "a" })).toBe(false)
    expect(confirmed.isNewerThan("gone", { index: 9, print: undefined })).toBe(false)
  })

  it("is remembered for as long as an answer can wait, and forgotten after twice that", () => {
    for (const noted of [0, 0.5 * life, 0.99 * life, 1.5 * life]) {
      const confirmed = new Confirmed()
      const isKnown = () => confirmed.isNewerThan("key", { index: 9, print: "b" })
      confirmed.note("key", { index: 10, print: "a" })
      for (let now = noted; now < noted + life; now += life / 100) confirmed.forget(now)
      expect(isKnown()).toBe(true)
      for (let now = noted + life; now < noted + 2.1 * life; now += life / 100) confirmed.forget(now)
      expect(isKnown()).toBe(false)
    }
  })

  it("says nothing of another history", () => {
    const confirmed = new Confirmed()
    confirmed.note("key", { index: 10, print: "a" })
    confirmed.clear()
    expect(confirmed.isNewerThan("key", { index: 9, print: "b" })).toBe(false)
  })
})
