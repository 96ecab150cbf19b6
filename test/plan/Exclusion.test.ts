import { describe, expect, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import * as Exclusion from "../../src/internal/plan/Exclusion.js"
import { dense, text } from "../support/Keys.js"

const prefixes = fc.record({ prefix: dense, destinationPrefix: dense })
const excludes = fc.array(dense, { maxLength: 3 })

describe("excludes", () => {
  it.prop(
    "a key is excluded by its name at the destination if it is by its name at the source",
    [prefixes, excludes, fc.oneof(dense, text)],
    ([mapping, fronts, rest]) => {
      const { atDestination, atSource } = Exclusion.make(mapping, fronts)
      expect(Exclusion.covers(atDestination, mapping.destinationPrefix + rest)).toBe(
        Exclusion.covers(atSource, mapping.prefix + rest)
      )
    }
  )

  it.prop(
    "a key is excluded if it begins with an exclude as it was typed, and only then",
    [excludes, dense],
    ([fronts, key]) => {
      expect(Exclusion.covers(fronts, key)).toBe(fronts.some((front) => key.startsWith(front)))
      expect(Exclusion.without(fronts, [key])).toEqual(Exclusion.covers(fronts, key) ? [] : [key])
      expect(Exclusion.coversAll(fronts, [{ key }])).toBe(Exclusion.covers(fronts, key))
    }
  )

  it("an exclude is no pattern, no folder unless it ends with a slash, and excludes nothing beside the prefix", () => {
    const mapping = { prefix: "global/", destinationPrefix: "copy/" }
    const excluded = (exclude: string, key: string) =>
      Exclusion.covers(Exclusion.make(mapping, [exclude]).atDestination, key)
    expect(excluded("global/private", "copy/private/x")).toBe(true)
    expect(excluded("global/private", "copy/privateer")).toBe(true)
    expect(excluded("global/private/", "copy/private")).toBe(false)
    expect(excluded("global/*", "copy/x")).toBe(false)
    expect(excluded("Global/", "copy/x")).toBe(false)
    expect(excluded("private/", "copy/private/x")).toBe(false)
    expect(excluded("glob", "copy/x")).toBe(true)
  })

  it("no excludes cover no key, and all of no entries", () => {
    expect(Exclusion.covers([], "")).toBe(false)
    expect(Exclusion.coversAll([], [])).toBe(true)
    expect(Exclusion.coversAll([], [{ key: "a" }])).toBe(false)
  })
})
