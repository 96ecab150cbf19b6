import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "effect/FastCheck"
import { isNameable } from "../../src/internal/consul/KeyPath.js"
import { sorted } from "../../src/internal/plan/SortKeys.js"
import * as ShardLayout from "../../src/internal/source/ShardLayout.js"
import { contains, type KeyRange, under } from "../../src/KeyRange.js"
import { dense, text } from "../support/Keys.js"

const prefix = "global/"

const names = (rest: fc.Arbitrary<string>, maxLength: number) =>
  fc
    .uniqueArray(
      rest.map((one) => prefix + one),
      { minLength: 1, maxLength }
    )
    .map((all) => sorted(all.sort()))

const limits = fc.record({
  shards: fc.integer({ min: 1, max: 8 }),
  keysEach: fc.integer({ min: 1, max: 6 }),
  isNameable: fc.constant(isNameable)
})

const rangesOf = (layout: ShardLayout.Layout): ReadonlyArray<KeyRange> => [
  ...layout.shards.flatMap(({ parts }) => parts),
  ...layout.unwatched
]

const count = (all: ReadonlyArray<string>, range: KeyRange) =>
  all.filter((name) => contains(range, name)).length

const numbered = (count: number, name: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => prefix + name(i)).sort()

const serves = (layout: ShardLayout.Layout, names: ReadonlyArray<string>) =>
  Effect.runSync(ShardLayout.stillFits(layout, names))

const six = (i: number) => String(i).padStart(6, "0")

describe("a layout", () => {
  for (const [what, rest] of [
    ["that meet", dense],
    ["of any kind", text]
  ] as const) {
    it.prop(`has one range for each of the keys ${what}`, [names(rest, 40), limits], ([all, limits]) => {
      const layout = ShardLayout.make(prefix, all, limits)
      const ranges = rangesOf(layout)
      const isIn = (name: string) => ranges.filter((range) => contains(range, name)).length
      for (const name of all) expect(isIn(name)).toBe(1)
      expect(serves(layout, all)).toBe(true)
    })

    it.prop(
      `has only shards that a path can name, and no more than it may, for keys ${what}`,
      [names(rest, 40), limits],
      ([all, limits]) => {
        const layout = ShardLayout.make(prefix, all, limits)
        expect(layout.shards.length).toBeLessThanOrEqual(limits.shards)
        for (const { parts, range } of layout.shards) {
          expect(isNameable(range.prefix)).toBe(true)
          for (const part of parts) expect(part.prefix.startsWith(range.prefix)).toBe(true)
        }
      }
    )
  }

  it.prop(
    "does not fit if a key is in none of its ranges",
    [names(dense, 30), dense, limits],
    ([all, more, limits]) => {
      const layout = ShardLayout.make(prefix, all, limits)
      const name = prefix + more
      fc.pre(!rangesOf(layout).some((range) => contains(range, name)))
      expect(serves(layout, sorted([...all, name].sort()))).toBe(false)
    }
  )

  it.prop("does not fit if a range has lost all of its keys", [names(dense, 30), limits], ([all, limits]) => {
    const layout = ShardLayout.make(prefix, all, limits)
    const [first] = rangesOf(layout)
    fc.pre(first !== undefined)
    const left = all.filter((name) => first === undefined || !contains(first, name))
    expect(serves(layout, left)).toBe(false)
  })

  it("of 100,000 consecutive keys has ranges of a thousand", () => {
    const all = numbered(100_000, (i) => `k${six(i + 1)}`)
    const { unwatched: loose, shards } = ShardLayout.make(prefix, all, {
      shards: 56,
      keysEach: 1_500,
      isNameable
    })
    expect(loose).toEqual([])
    expect(shards.length).toBeLessThanOrEqual(56)
    const parts = shards.flatMap(({ parts }) => parts)
    expect(parts).toHaveLength(101)
    expect(Math.max(...parts.map((part) => count(all, part)))).toBe(1_000)
    // The layout uses most of the queries that it may have.
    expect(shards.length).toBeGreaterThan(46)
  })

  it("divides a huge folder and groups many small ones", () => {
    const all = [
      ...numbered(50_000, (i) => `huge/k${six(i)}`),
      ...numbered(1_000, (i) => `f${String(i).padStart(4, "0")}/a`),
      ...numbered(1_000, (i) => `f${String(i).padStart(4, "0")}/b`)
    ].sort()
    const layout = ShardLayout.make(prefix, all, { shards: 56, keysEach: 1_500, isNameable })
    const counts = rangesOf(layout).map((range) => count(all, range))
    expect(layout.unwatched).toEqual([])
    expect(Math.max(...counts)).toBeLessThanOrEqual(1_500)
  })

  it("leaves the smallest ranges without a query if there are more ranges than queries", () => {
    const all = sorted(
      Array.from({ length: 60 }, (_, i) => String.fromCodePoint(0x4e00 + i)).flatMap((first, i) =>
        Array.from({ length: i + 1 }, (_, j) => `${prefix}${first}${six(j)}`)
      )
    )
    const layout = ShardLayout.make(prefix, all, { shards: 40, keysEach: 100, isNameable })
    expect(layout.shards).toHaveLength(40)
    expect(layout.unwatched).toHaveLength(20)
    expect(Math.max(...layout.unwatched.map((range) => count(all, range)))).toBe(20)
  })

  it("divides ranges without a query too, as long as these do not become too many", () => {
    const all = ["b", "c", "d"].flatMap((first) => numbered(100, (i) => `${first}${six(i)}`))
    const layout = ShardLayout.make(prefix, all, { shards: 1, keysEach: 3, isNameable })
    expect(layout.shards).toHaveLength(1)
    expect(layout.unwatched.length).toBeLessThanOrEqual(48)
    expect(layout.unwatched.length).toBeGreaterThan(40)
    expect(Math.max(...layout.unwatched.map((range) => count(all, range)))).toBe(10)
    expect(serves(layout, all)).toBe(true)
  })

  const isWorthwhile = (all: ReadonlyArray<string>, limits: ShardLayout.Limits) =>
    ShardLayout.isBetterThanOneQuery(prefix, ShardLayout.make(prefix, all, limits), true)

  it("has a range without a query for keys that no path can name", () => {
    const all = [...numbered(1_000, (i) => `k${six(i)}`), `${prefix}/slashed`, `${prefix}a\nb`].sort()
    const limits = { shards: 8, keysEach: 200, isNameable }
    const layout = ShardLayout.make(prefix, all, limits)
    expect(layout.unwatched).toEqual([{ prefix: `${prefix}/`, exact: false }])
    expect(layout.shards.map(({ range }) => range.prefix)).toContain(`${prefix}a`)
    expect(isWorthwhile(all, limits)).toBe(true)
  })

  it("keeps keys that no path can name in one shard if there are many of them", () => {
    const all = [...numbered(1_000, (i) => `k${six(i)}`), ...numbered(1_000, (i) => `x//${six(i)}`)]
    const limits = { shards: 8, keysEach: 200, isNameable }
    const layout = ShardLayout.make(prefix, all, limits)
    expect(layout.unwatched).toEqual([])
    expect(layout.shards).toContainEqual({ range: under(`${prefix}x`), parts: [under(`${prefix}x`)] })
    expect(isWorthwhile(all, limits)).toBe(true)
  })

  it("divides names that begin with a dot, although no path can end with one", () => {
    const all = [...numbered(1_000, (i) => `.${six(i)}`), ...numbered(500, (i) => `.env${six(i)}`)].sort()
    const layout = ShardLayout.make(prefix, all, { shards: 20, keysEach: 200, isNameable })
    expect(layout.unwatched).toEqual([])
    expect(layout.shards.length).toBeGreaterThan(5)
  })

  it.each([
    ["ids of 62 characters", 62, 100_000, 56],
    ["ids of 62 characters, of fewer queries", 62, 100_000, 40],
    ["ids of 16 characters, of fewer queries", 16, 30_000, 10]
  ])("of %s has few ranges without a query", (_, radix, count, shards) => {
    const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".slice(0, radix)
    const id = (i: number) =>
      Array.from({ length: 5 }, (_, j) => digits[Math.floor(i / radix ** j) % radix]).join("")
    const all = sorted(numbered(count, (i) => id(i * 7919)))
    expect(isWorthwhile(all, { shards, keysEach: 1_500, isNameable })).toBe(true)
  })

  it("with too many ranges for the queries is worse than one query", () => {
    const all = Array.from({ length: 100 }, (_, i) => prefix + String.fromCodePoint(0x4e00 + i))
    expect(isWorthwhile(all, { shards: 60, keysEach: 10, isNameable })).toBe(true)
    expect(isWorthwhile(all, { shards: 30, keysEach: 10, isNameable })).toBe(false)
  })

  it("is worse than one query if most keys are in ranges without a query, or cannot be divided", () => {
    const slashed = [`${prefix}a`, ...numbered(1_000, (i) => `/${six(i)}`)].sort()
    expect(isWorthwhile(slashed, { shards: 8, keysEach: 200, isNameable })).toBe(false)
    const few = Array.from({ length: 40 }, (_, i) => prefix + String.fromCodePoint(0x4e00 + i))
    expect(isWorthwhile(few, { shards: 2, keysEach: 10, isNameable })).toBe(false)
    expect(
      ShardLayout.isBetterThanOneQuery(
        "a//",
        ShardLayout.make("a//", ["a//b", "a//c"], { shards: 8, keysEach: 1, isNameable }),
        true
      )
    ).toBe(false)
  })

  it("never cuts a character in half", () => {
    const all = sorted(["😀a", "😀b", "😁a", "😁b"].map((name) => prefix + name))
    const { shards } = ShardLayout.make(prefix, all, { shards: 8, keysEach: 1, isNameable })
    expect(shards.map(({ range }) => range.prefix)).toEqual(
      ["😀a", "😀b", "😁a", "😁b"].map((n) => prefix + n)
    )
  })

  it.each([
    ["in a row", numbered(1_000, (i) => `k${six(i)}`), 1],
    ["in folders", numbered(1_000, (i) => `team-${i % 7}/${six(i)}`), 7]
  ])("keys %s fold to few names", (_, all, few) => {
    const separator = ShardLayout.separator(prefix, all)
    const folded = new Set(all.map((name) => name.slice(prefix.length).split(separator)[0]))
    expect(folded.size).toBeLessThanOrEqual(few)
  })
})
