import { describe, expect, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Exclusion from "../../src/internal/plan/Exclusion.js"
import {
  destinationKey,
  isOwned,
  isReplicated,
  type Mapping,
  nameAtSource,
  rangeAtDestination,
  rangeAtSource,
  rename as renameKey,
  sourceKey
} from "../../src/internal/plan/Mapping.js"
import * as KeyRange from "../../src/KeyRange.js"
import { dense, text } from "../support/Keys.js"

const rename = (mapping: Mapping, key: string) => renameKey(mapping, sourceKey(key))

const nothing: ReadonlySet<string> = new Set()

describe("Mapping", () => {
  it("renames the front only, where a key contains the prefix twice", () => {
    const mapping = {
      prefix: "global/",
      destinationPrefix: "copy/",
      owned: nothing,
      excluded: Exclusion.none
    }
    expect(rename(mapping, "global/global/a")).toEqual(Option.some("copy/global/a"))
    expect(rename(mapping, "global/global/")).toEqual(Option.some("copy/global/"))
  })

  it.prop(
    "replaces the prefix and keeps the rest, whatever they are made of",
    [text, text, text],
    (strings) => {
      const [prefix, destinationPrefix, rest] = strings
      const renamed = rename(
        { prefix, destinationPrefix, owned: nothing, excluded: Exclusion.none },
        prefix + rest
      )
      const expected = destinationPrefix + rest
      expect(renamed).toEqual(expected === "" ? Option.none() : Option.some(expected))
      const original = Option.flatMap(renamed, (key) => nameAtSource({ prefix, destinationPrefix }, key))
      expect(original).toEqual(Option.map(renamed, () => prefix + rest))
    }
  )

  it.prop("gives no two keys the same name", [dense, dense, dense, dense], ([prefix, copy, one, other]) => {
    fc.pre(one !== other)
    const mapping = { prefix, destinationPrefix: copy, owned: nothing, excluded: Exclusion.none }
    const names = [rename(mapping, prefix + one), rename(mapping, prefix + other)]
    expect(Option.getOrNull(names[0] ?? Option.none())).not.toBe(Option.getOrNull(names[1] ?? Option.none()))
  })

  it("leaves the folder key that would have no name left where it is", () => {
    const mapping = { prefix: "global/", destinationPrefix: "", owned: nothing, excluded: Exclusion.none }
    expect(rename(mapping, "global/")).toEqual(Option.none())
    expect(rename(mapping, "global/a")).toEqual(Option.some("a"))
  })

  it.prop(
    "never renames from one of its own keys or to one",
    [dense, dense, dense, fc.array(dense, { maxLength: 4 })],
    ([prefix, destinationPrefix, rest, own]) => {
      const mapping = { prefix, destinationPrefix, owned: new Set(own), excluded: Exclusion.none }
      const renamed = rename(mapping, prefix + rest)
      const owned = own.includes(prefix + rest) || own.includes(destinationPrefix + rest)
      expect(Option.isNone(renamed)).toBe(owned || destinationPrefix + rest === "")
    }
  )

  it.prop("renames no key without the prefix, whoever names it", [dense, dense, dense], (strings) => {
    const [prefix, destinationPrefix, key] = strings
    fc.pre(!key.startsWith(prefix))
    expect(rename({ prefix, destinationPrefix, owned: nothing, excluded: Exclusion.none }, key)).toEqual(
      Option.none()
    )
  })

  it.prop(
    "maps a range there and back, and none that is not in the prefix",
    [dense, dense, dense],
    (strings) => {
      const [prefix, destinationPrefix, name] = strings
      const mapping = { prefix, destinationPrefix }
      for (const range of [KeyRange.under(name), KeyRange.only(name)]) {
        const there = rangeAtDestination(mapping, range)
        expect(Option.isSome(there)).toBe(name.startsWith(prefix))
        if (Option.isSome(there)) {
          expect(there.value.prefix.startsWith(destinationPrefix)).toBe(true)
          expect(rangeAtSource(mapping, there.value)).toEqual(Option.some(range))
        }
      }
    }
  )

  it("a key is replicated under the destination prefix alone, and never one of its own", () => {
    const mapping = {
      destinationPrefix: "global/",
      owned: new Set(["global/lock"]),
      excluded: Exclusion.none
    }
    expect(["global/a", "global/"].every((key) => isReplicated(mapping, destinationKey(key)))).toBe(true)
    expect(
      ["global/lock", "global", "app/global/", ""].some((key) => isReplicated(mapping, destinationKey(key)))
    ).toBe(false)
  })

  it("gives no name at the source to a key beside the destination prefix", () => {
    const mapping = { prefix: "global/", destinationPrefix: "copy/" }
    expect(nameAtSource(mapping, destinationKey("global/a"))).toEqual(Option.none())
  })

  it("does not take a name of one side for one of the other", () => {
    const mapping = { prefix: "a/", destinationPrefix: "b/", owned: nothing, excluded: Exclusion.none }
    // @ts-expect-error
    expect(renameKey(mapping, destinationKey("b/1"))).toEqual(Option.none())
    // @ts-expect-error
    expect(nameAtSource(mapping, sourceKey("a/1"))).toEqual(Option.none())
  })

  it("knows its own keys by their whole name", () => {
    const mapping = { prefix: "", destinationPrefix: "", owned: new Set(["lock"]), excluded: Exclusion.none }
    expect(isOwned(mapping, "lock")).toBe(true)
    expect(isOwned(mapping, "lock/")).toBe(false)
    expect(isOwned(mapping, "loc")).toBe(false)
  })
})
