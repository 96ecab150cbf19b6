import { describe, expect, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import * as Diff from "../src/Diff.js"
import type { KeyValue } from "../src/KeyValue.js"
import { isOwned } from "../src/Mapping.js"
import { dense, flags, value } from "./support/Keys.js"

const entry = (key: string, value: string, flags: bigint, session?: string): KeyValue => ({
  key,
  value,
  flags,
  session,
  lockIndex: 0,
  createIndex: 1,
  modifyIndex: 2
})

/** Few keys, values and flags, so that two of them have much in common. */
const contents: fc.Arbitrary<Diff.Contents> = fc
  .array(
    fc.tuple(
      fc.oneof(dense, fc.constantFrom("a", "b", "a/", "a//")),
      fc.record({
        value: fc.oneof(fc.constantFrom("", "YQ=="), value),
        flags: fc.oneof(fc.constantFrom(0n, 2n ** 53n, 2n ** 53n + 1n), flags)
      })
    ),
    { maxLength: 12 }
  )
  .map((entries) => new Map(entries))

const apply = (to: Diff.Contents, { deletes, writes }: Diff.Changes): Diff.Contents => {
  const result = new Map(to)
  for (const { key, ...content } of writes) result.set(key, content)
  for (const key of deletes) result.delete(key)
  return result
}

/** Equality of maps ignores the order of their keys, as it should. */
const sorted = (of: Diff.Contents) => [...of].sort(([a], [b]) => (a < b ? -1 : 1))

const plain = (content: Diff.Content | undefined) => ({ ...content, flags: String(content?.flags) })

const mapping = fc.record({
  prefix: dense,
  destinationPrefix: dense,
  owned: fc.array(dense, { maxLength: 4 }).map((keys): ReadonlySet<string> => new Set(keys))
})

describe("Diff", () => {
  it.prop("applying the changes from a to b to a gives b", [contents, contents], ([a, b]) => {
    expect(sorted(apply(a, Diff.diff(a, b)))).toEqual(sorted(b))
  })

  it.prop("nothing changes between equals", [contents], ([a]) => {
    const reversed = new Map([...a].reverse())
    expect(Diff.diff(a, reversed)).toEqual({ writes: [], deletes: [] })
    expect(Diff.isEmpty(Diff.diff(a, reversed))).toBe(true)
  })

  it.prop("every write changes something, and every delete too", [contents, contents], ([a, b]) => {
    const { deletes, writes } = Diff.diff(a, b)
    for (const { key, ...content } of writes) expect(a.get(key)).not.toEqual(content)
    for (const key of deletes) expect(a.has(key) && !b.has(key)).toBe(true)
    const changed = [...writes.map(({ key }) => key), ...deletes]
    expect(new Set(changed).size).toBe(changed.length)
    expect(Diff.isEmpty({ deletes, writes })).toBe(changed.length === 0)
  })

  it.prop(
    "drift counts what others changed against the source, and nothing that they did in its favour",
    [contents, contents, contents],
    ([believed, found, wanted]) => {
      const { changed, extra, missing } = Diff.drift(Diff.diff(found, believed), found, wanted)
      const known = [...believed.keys()].filter((key) => wanted.has(key))
      expect(missing).toBe(known.filter((key) => !found.has(key)).length)
      expect(extra).toBe([...found.keys()].filter((key) => !believed.has(key) && !wanted.has(key)).length)
      expect(changed).toBe(
        known.filter(
          (key) =>
            found.has(key) &&
            JSON.stringify(plain(found.get(key))) !== JSON.stringify(plain(believed.get(key)))
        ).length
      )
    }
  )

  it("a change of the flags alone is a change, even past 2^53", () => {
    const a = new Map([["k", { value: "", flags: 2n ** 53n }]])
    const b = new Map([["k", { value: "", flags: 2n ** 53n + 1n }]])
    expect(Diff.diff(a, b).writes).toEqual([{ key: "k", value: "", flags: 2n ** 53n + 1n }])
  })

  it("writes come in the order of the source, deletes in that of the destination", () => {
    const nothing = { value: "", flags: 0n }
    const a = new Map(["3", "1", "2"].map((key) => [key, nothing]))
    const b = new Map(["6", "4", "5"].map((key) => [key, nothing]))
    const { deletes, writes } = Diff.diff(a, b)
    expect(writes.map(({ key }) => key)).toEqual(["6", "4", "5"])
    expect(deletes).toEqual(["3", "1", "2"])
  })

  it.prop(
    "keys of our own are never written and never deleted, whatever the prefixes",
    [mapping, fc.array(dense, { maxLength: 12 }), fc.array(dense, { maxLength: 12 })],
    ([mapping, source, destination]) => {
      const wanted = Diff.wanted(
        mapping,
        source.map((rest) => entry(mapping.prefix + rest, "cw==", 1n))
      )
      const held = Diff.held(
        mapping,
        destination
          .map((rest) => mapping.destinationPrefix + rest)
          .filter((key) => key !== "")
          .map((key) => entry(key, "ZA==", 2n))
      )
      const { deletes, writes } = Diff.diff(held, wanted)
      for (const key of [...writes.map((write) => write.key), ...deletes]) {
        expect(isOwned(mapping, key)).toBe(false)
        expect(key.startsWith(mapping.destinationPrefix)).toBe(true)
        expect(key).not.toBe("")
      }
    }
  )

  it("what a session holds and where an index is makes no difference", () => {
    const mapping = { prefix: "", destinationPrefix: "", owned: new Set<string>() }
    const here = entry("k", "dg==", 3n)
    const there = { ...entry("k", "dg==", 3n, "a-session"), lockIndex: 9, modifyIndex: 99 }
    expect(Diff.diff(Diff.held(mapping, [here]), Diff.wanted(mapping, [there]))).toEqual({
      writes: [],
      deletes: []
    })
  })
})
