import { describe, expect, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import * as Option from "effect/Option"
import { isOwned, rename } from "../src/Mapping.js"
import { dense, text } from "./support/Keys.js"

const nothing: ReadonlySet<string> = new Set()

describe("Mapping", () => {
  it("renames the front only, where a key contains the prefix twice", () => {
    const mapping = { prefix: "global/", destinationPrefix: "copy/", owned: nothing }
    expect(rename(mapping, "global/global/a")).toEqual(Option.some("copy/global/a"))
    expect(rename(mapping, "global/global/")).toEqual(Option.some("copy/global/"))
  })

  it.prop(
    "replaces the prefix and keeps the rest, whatever they are made of",
    [text, text, text],
    (strings) => {
      const [prefix, destinationPrefix, rest] = strings
      const renamed = rename({ prefix, destinationPrefix, owned: nothing }, prefix + rest)
      const expected = destinationPrefix + rest
      expect(renamed).toEqual(expected === "" ? Option.none() : Option.some(expected))
    }
  )

  it.prop("gives no two keys the same name", [dense, dense, dense, dense], ([prefix, copy, one, other]) => {
    fc.pre(one !== other)
    const mapping = { prefix, destinationPrefix: copy, owned: nothing }
    const names = [rename(mapping, prefix + one), rename(mapping, prefix + other)]
    expect(Option.getOrNull(names[0] ?? Option.none())).not.toBe(Option.getOrNull(names[1] ?? Option.none()))
  })

  it("leaves the folder key that would have no name left where it is", () => {
    const mapping = { prefix: "global/", destinationPrefix: "", owned: nothing }
    expect(rename(mapping, "global/")).toEqual(Option.none())
    expect(rename(mapping, "global/a")).toEqual(Option.some("a"))
  })

  it.prop(
    "never renames from one of its own keys or to one",
    [dense, dense, dense, fc.array(dense, { maxLength: 4 })],
    ([prefix, destinationPrefix, rest, own]) => {
      const mapping = { prefix, destinationPrefix, owned: new Set(own) }
      const renamed = rename(mapping, prefix + rest)
      const owned = own.includes(prefix + rest) || own.includes(destinationPrefix + rest)
      expect(Option.isNone(renamed)).toBe(owned || destinationPrefix + rest === "")
    }
  )

  it("knows its own keys by their whole name", () => {
    const mapping = { prefix: "", destinationPrefix: "", owned: new Set(["lock"]) }
    expect(isOwned(mapping, "lock")).toBe(true)
    expect(isOwned(mapping, "lock/")).toBe(false)
    expect(isOwned(mapping, "loc")).toBe(false)
  })
})
