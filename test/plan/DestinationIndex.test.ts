import { describe, expect, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import * as DestinationIndex from "../../src/internal/plan/DestinationIndex.js"
import * as KeyRange from "../../src/KeyRange.js"
import { dense, flags, text, value } from "../support/Keys.js"

type Step = { readonly set: boolean; readonly key: string; readonly print: string }

const steps = (key: fc.Arbitrary<string>, maxLength: number): fc.Arbitrary<ReadonlyArray<Step>> =>
  fc.array(fc.record({ set: fc.boolean(), key, print: fc.string({ maxLength: 3 }) }), { maxLength })

const play = (all: ReadonlyArray<Step>) => {
  const contents = DestinationIndex.empty<string>()
  const model = new Map<string, string>()
  for (const { key, print, set } of all) {
    if (set) {
      contents.set(key, print)
      model.set(key, print)
    } else {
      expect(contents.delete(key)).toBe(model.delete(key))
    }
  }
  return { contents, model }
}

const agree = ({ contents, model }: ReturnType<typeof play>) => {
  expect(contents.size).toBe(model.size)
  expect([...contents.keys()]).toEqual([...model.keys()].sort())
  for (const [key, print] of model) expect(contents.get(key)).toBe(print)
}

describe("Contents", () => {
  it.prop("is a map in order", [steps(fc.oneof(dense, text), 60)], ([all]) => {
    agree(play(all))
  })

  it.prop(
    "however many keys there are, and in whatever order they come and go",
    [
      fc.shuffledSubarray(
        Array.from({ length: 1_500 }, (_, i) => String(i)),
        { minLength: 1_000 }
      )
    ],
    ([keys]) => {
      const going = keys.filter((_, i) => i % 3 === 0)
      const set = (key: string) => ({ set: true, key, print: key })
      agree(play([...keys.map(set), ...going.map((key) => ({ ...set(key), set: false }))]))
      agree(play([...keys.map(set), ...keys.map((key) => ({ ...set(key), set: false }))]))
    },
    { fastCheck: { numRuns: 20 } }
  )

  it.prop("knows what is in a range", [steps(dense, 40), dense, fc.boolean()], ([all, prefix, exact]) => {
    const { contents, model } = play(all)
    const range = { prefix, exact }
    expect([...contents.under(range)]).toEqual(
      [...model.keys()].filter((key) => KeyRange.contains(range, key)).sort()
    )
  })

  it.prop("finds a range among many", [fc.nat(2_999)], ([i]) => {
    const contents = DestinationIndex.empty<string>()
    for (let k = 0; k < 3_000; k++) contents.set(`k${String(k).padStart(4, "0")}`, "")
    const prefix = `k${String(i).padStart(4, "0")}`.slice(0, 4)
    expect([...contents.under(KeyRange.under(prefix))]).toHaveLength(10)
  })

  it.prop("tells contents apart", [value, flags, value, flags], ([a, flagsOfA, b, flagsOfB]) => {
    const isSame = a === b && flagsOfA === flagsOfB
    expect(DestinationIndex.fingerprint(a, flagsOfA) === DestinationIndex.fingerprint(b, flagsOfB)).toBe(
      isSame
    )
  })

  it("remembers no more of a large value than of a small one", () => {
    expect(DestinationIndex.fingerprint("A".repeat(500_000), 2n ** 64n - 1n)).toHaveLength(32)
  })
})
