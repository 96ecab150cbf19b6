import { describe, expect, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import * as Option from "effect/Option"
import { didYouMean, distance } from "../../../src/cli/settings/DidYouMean.js"
import { replicateHelp } from "../../../src/cli/settings/HelpPages.js"

const names = replicateHelp.options.filter(({ hasFlag = true }) => hasFlag).map(({ name }) => name)

const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 8 })

describe("did you mean", () => {
  it.each([
    ["prefx", "prefix"],
    ["perfix", "prefix"],
    ["Prefix", "prefix"],
    ["dst_prefix", "dst-prefix"],
    ["dstprefix", "dst-prefix"],
    ["nodelete", "no-delete"],
    ["max-delete", "max-deletes"],
    ["log", "log-level"],
    ["stauts", "status"]
  ])("%s is corrected to %s", (typed, meant) => {
    expect(didYouMean(typed, names)).toEqual(Option.some(meant))
  })

  it.each(["", "x", "xy", "frobnicate", "template", "prefix".repeat(1_000)])(
    "%s is corrected to nothing",
    (typed) => {
      expect(didYouMean(typed, names)).toEqual(Option.none())
    }
  )

  it.prop("a distance is a metric: none to itself, the same both ways", [word, word], ([one, other]) => {
    expect(distance(one, other)).toBe(distance(other, one))
    expect(distance(one, other) === 0).toBe(one === other)
    expect(distance(one, other)).toBeGreaterThanOrEqual(Math.abs(one.length - other.length))
    expect(distance(one, other)).toBeLessThanOrEqual(Math.max(one.length, other.length))
  })
})
