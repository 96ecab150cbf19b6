import { describe, expect, it } from "@effect/vitest"
import type { Health } from "../../src/internal/lock/Health.js"
import { combine } from "../../src/internal/lock/SharedLeadership.js"

const initial: Health = { status: "passing", output: "as registered" }

const use = (purpose: string | undefined, status?: Health["status"], output = "") => ({
  purpose,
  health: status === undefined ? undefined : { status, output }
})

describe("the health of several uses", () => {
  it("is as registered until a use reports something", () => {
    expect(combine([use("one"), use("two")], initial)).toEqual(initial)
  })

  it("is a warning if any use warns, and names the use of each output, warnings first", () => {
    expect(combine([use("one", "passing", "in sync"), use("two", "warning", "silent")], initial)).toEqual({
      status: "warning",
      output: "two: silent; one: in sync"
    })
  })

  it("names no use that is alone with a purpose, or that its output names itself", () => {
    expect(combine([use("one", "passing", "in sync"), use(undefined)], initial).output).toBe("in sync")
    expect(
      combine([use("one", "passing", "one is in sync"), use("two", "passing", "idle")], initial).output
    ).toBe("one is in sync; two: idle")
  })
})
