import { expect, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import * as OrderedMap from "../../src/testing/internal/go/OrderedMap.js"

const key = fc.stringMatching(/^[ab\xff]{0,3}$/)

const step = fc.oneof(
  fc.tuple(fc.constant("set"), key, fc.integer()),
  fc.tuple(fc.constant("remove"), key, fc.constant(0))
)

it.prop(
  "an ordered map holds what was set last, in the order of the keys, and older ones stay as they were",
  [fc.array(step, { maxLength: 60 }), key],
  ([steps, asked]) => {
    const expected = new Map<string, number>()
    let map = OrderedMap.empty<number>()
    for (const [what, key, value] of steps) {
      const before = map
      const values = OrderedMap.values(before)
      map = what === "set" ? OrderedMap.set(map, key, value) : OrderedMap.remove(map, key)
      if (what === "set") expected.set(key, value)
      else expected.delete(key)
      expect(OrderedMap.values(before)).toEqual(values)
    }
    const sorted = Array.from(expected).sort(([a], [b]) => (a < b ? -1 : 1))
    const keys = sorted.map(([key]) => key)
    expect(OrderedMap.values(map)).toEqual(sorted.map(([, value]) => value))
    expect(OrderedMap.size(map)).toBe(expected.size)
    expect(OrderedMap.get(map, asked)).toBe(expected.get(asked))
    expect(OrderedMap.withPrefix(map, asked)).toEqual(
      sorted.filter(([key]) => key.startsWith(asked)).map(([, value]) => value)
    )
    expect(OrderedMap.keyBelow(map, asked)).toBe(keys.filter((key) => key < asked).at(-1))
    expect(OrderedMap.keyAtOrAbove(map, asked)).toBe(keys.find((key) => key >= asked))
  }
)
