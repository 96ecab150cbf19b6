import { describe, expect, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import * as DestinationIndex from "../../src/internal/plan/DestinationIndex.js"
import * as Diff from "../../src/internal/plan/Diff.js"
import * as Exclusion from "../../src/internal/plan/Exclusion.js"
import { destinationKey, isOwned, type Mapping, sourceKeys } from "../../src/internal/plan/Mapping.js"
import * as KeyRange from "../../src/KeyRange.js"
import type { KeyValue } from "../../src/KeyValue.js"
import * as Value from "../../src/Value.js"
import { dense, flags, value } from "../support/Keys.js"

const entry = (key: string, value: Value.Value, flags: bigint, session?: string): KeyValue => ({
  key,
  value,
  flags,
  session,
  lockIndex: 0,
  createIndex: 1,
  modifyIndex: 2
})

type Content = Pick<KeyValue, "value" | "flags">

/** What a store holds, as a plain map. */
type Store = ReadonlyMap<string, Content>

const content: fc.Arbitrary<Content> = fc.record({
  value: fc.oneof(fc.constantFrom(Value.empty, Value.fromText("a")), value),
  flags: fc.oneof(fc.constantFrom(0n, 2n ** 53n, 2n ** 53n + 1n), flags)
})

/** Few keys, values and flags, so that two of them have much in common. */
const store: fc.Arbitrary<Store> = fc
  .array(
    fc.tuple(
      fc.oneof(dense, fc.constantFrom("b", "a/", "a//")).map((key) => `a${key}`),
      content
    ),
    {
      maxLength: 12
    }
  )
  .map((entries) => new Map(entries))

const entries = (store: Store): ReadonlyArray<KeyValue> =>
  [...store].map(([key, { flags, value }]) => entry(key, value, flags))

const contentsOf = (store: Store): DestinationIndex.DestinationIndex => {
  const contents = DestinationIndex.empty()
  for (const [key, { flags, value }] of store)
    contents.set(destinationKey(key), DestinationIndex.fingerprint(value, flags))
  return contents
}

const plain = (contents: DestinationIndex.DestinationIndex) =>
  [...contents.keys()].map((key) => [key, contents.get(key)])

/** Keys stay where they are. */
const identity: Mapping = { prefix: "", destinationPrefix: "", owned: new Set(), excluded: Exclusion.none }

const everything = KeyRange.under("")

const compare = (here: Store, there: Store, range = everything) =>
  Diff.diff(
    contentsOf(here),
    identity,
    range,
    entries(there).filter(({ key }) => KeyRange.contains(range, key))
  )

const range = fc.record({ prefix: dense.map((key) => `a${key}`.slice(0, 2)), exact: fc.boolean() })

describe("Diff", () => {
  it("does not take a key for deleted whose entry at the source cannot be believed", () => {
    const here: Store = new Map([
      ["a", { value: Value.empty, flags: 0n }],
      ["b", { value: Value.empty, flags: 0n }]
    ])
    const odd = { key: "b", reason: "the value is not base64" }
    expect(Diff.diff(contentsOf(here), identity, everything, [], [odd])).toEqual({
      writes: [],
      missing: ["a"],
      unreadable: [odd]
    })
  })

  it.prop("applying what differs gives what the source holds", [store, store], ([a, b]) => {
    const contents = contentsOf(a)
    const { missing, writes } = compare(a, b)
    for (const { key, print } of writes) contents.set(key, print)
    for (const key of missing) contents.delete(key)
    expect(plain(contents)).toEqual(plain(contentsOf(b)))
  })

  it.prop("of a range, it is what differs there and nothing else", [store, store, range], ([a, b, range]) => {
    const all = compare(a, b)
    const some = compare(a, b, range)
    const inside = (key: string) => KeyRange.contains(range, key)
    expect(some.writes).toEqual(all.writes.filter(({ key }) => inside(key)))
    expect(some.missing).toEqual(all.missing.filter(inside))
  })

  it.prop("nothing differs between equals, and every difference is one", [store, store], ([a, b]) => {
    expect(compare(a, new Map([...a].reverse()))).toEqual({ writes: [], missing: [], unreadable: [] })
    const { missing, writes } = compare(a, b)
    for (const { flags, key, value } of writes) expect(a.get(key)).not.toEqual({ value, flags })
    for (const key of missing) expect(a.has(key) && !b.has(key)).toBe(true)
  })

  it.prop("gone are the keys that no name is there for", [store, store], ([a, b]) => {
    expect(Diff.gone(contentsOf(a), identity, sourceKeys([...b.keys()]))).toEqual(compare(a, b).missing)
  })

  it.prop(
    "the index holds a range as it was read last, and an update returns what others changed there",
    [store, store, range],
    ([believed, found, range]) => {
      const contents = contentsOf(believed)
      const inside = new Map([...found].filter(([key]) => KeyRange.contains(range, key)))
      const { changed, extra, missing } = Diff.updateContents(contents, identity, range, entries(inside))
      const kept = new Map([...believed].filter(([key]) => !KeyRange.contains(range, key)))
      expect(plain(contents)).toEqual(plain(contentsOf(new Map([...kept, ...inside]))))
      expect([...missing].sort()).toEqual(
        [...believed.keys()].filter((key) => KeyRange.contains(range, key) && !found.has(key)).sort()
      )
      expect([...extra].sort()).toEqual([...inside.keys()].filter((key) => !believed.has(key)).sort())
      for (const key of changed) expect(believed.get(key)).not.toEqual(found.get(key))
    }
  )

  it.prop(
    "drift counts what others changed against the source, and nothing that they did in its favour",
    [store, store, store],
    ([believed, found, wanted]) => {
      const contents = contentsOf(believed)
      const learnt = Diff.updateContents(contents, identity, everything, entries(found))
      const drift = Diff.drift(learnt, (key) => wanted.has(key))
      const known = [...believed.keys()].filter((key) => wanted.has(key))
      expect([...drift.missing].sort()).toEqual(known.filter((key) => !found.has(key)).sort())
      expect([...drift.extra].sort()).toEqual(
        [...found.keys()].filter((key) => !believed.has(key) && !wanted.has(key)).sort()
      )
      const differs = (key: string) =>
        contentsOf(found).get(destinationKey(key)) !== contentsOf(believed).get(destinationKey(key)) &&
        found.has(key)
      expect([...drift.changed].sort()).toEqual(known.filter(differs).sort())
    }
  )

  it("a change of the flags alone is a change, even past 2^53", () => {
    const a = new Map([["k", { value: Value.empty, flags: 2n ** 53n }]])
    const b = new Map([["k", { value: Value.empty, flags: 2n ** 53n + 1n }]])
    expect(compare(a, b).writes).toMatchObject([{ key: "k", value: "", flags: 2n ** 53n + 1n }])
  })

  it.prop(
    "keys of our own and excluded keys are never written and never deleted, whatever the prefixes",
    [
      fc
        .record({
          prefix: dense,
          destinationPrefix: dense,
          owned: fc.array(dense, { maxLength: 4 }).map((keys): ReadonlySet<string> => new Set(keys)),
          excludes: fc.array(dense, { maxLength: 2 })
        })
        .map(({ excludes, ...mapping }) => ({ ...mapping, excluded: Exclusion.make(mapping, excludes) })),
      fc.array(dense, { maxLength: 12 }),
      fc.array(dense, { maxLength: 12 })
    ],
    ([mapping, source, destination]) => {
      const contents = DestinationIndex.empty()
      const there = destination
        .map((rest) => mapping.destinationPrefix + rest)
        .filter((key) => key !== "")
        .map((key) => entry(key, Value.fromText("d"), 2n))
      Diff.updateContents(contents, mapping, KeyRange.under(mapping.destinationPrefix), there)
      const here = source.map((rest) => entry(mapping.prefix + rest, Value.fromText("s"), 1n))
      const { missing, writes } = Diff.diff(contents, mapping, KeyRange.under(mapping.prefix), here)
      for (const key of [...writes.map((write) => write.key), ...missing]) {
        expect(isOwned(mapping, key)).toBe(false)
        const atSource = mapping.prefix + key.slice(mapping.destinationPrefix.length)
        expect(mapping.excluded.atSource.some((front) => atSource.startsWith(front))).toBe(false)
        expect(key.startsWith(mapping.destinationPrefix)).toBe(true)
        expect(key).not.toBe("")
      }
    }
  )

  it("the session that holds a key and the indexes of a key make no difference", () => {
    const here = entry("k", Value.fromText("v"), 3n)
    const there = { ...entry("k", Value.fromText("v"), 3n, "a-session"), lockIndex: 9, modifyIndex: 99 }
    const contents = DestinationIndex.empty()
    Diff.updateContents(contents, identity, everything, [here])
    expect(Diff.diff(contents, identity, everything, [there])).toEqual({
      writes: [],
      missing: [],
      unreadable: []
    })
  })
})
