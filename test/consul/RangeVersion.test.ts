import { describe, expect, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import * as RangeVersion from "../../src/internal/consul/RangeVersion.js"
import * as Store from "../../src/testing/internal/cluster/Store.js"

const prefixes = ["", "a", "ab", "ab/", "b"] as const
const keys = ["a", "ab", "ab/c", "ab/d", "b", "bc"] as const

type Change =
  | { readonly set: string; readonly value: number }
  | { readonly remove: string }
  | { readonly removePrefix: string }

const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ set: fc.constantFrom(...keys), value: fc.nat(3) }),
  fc.record({ remove: fc.constantFrom(...keys) }),
  fc.record({ removePrefix: fc.constantFrom(...prefixes) })
)

const apply = (state: Store.State, change: Change): Store.State => {
  const draft = Store.draft(state, state.index + 1, 0)
  if ("set" in change) {
    Store.set(draft, { key: change.set, value: new Uint8Array([change.value]), flags: 0n })
  } else if ("remove" in change) Store.remove(draft, change.remove)
  else Store.removePrefix(draft, change.removePrefix)
  return draft.state
}

const versionOf = (state: Store.State, prefix: string): RangeVersion.RangeVersion => {
  const { index, value } = Store.list(state, prefix)
  return { index, hasKeys: value.length > 0 }
}

const contentOf = (state: Store.State, prefix: string) =>
  JSON.stringify(Store.list(state, prefix).value.map(({ key, value }) => [key, ...value]))

describe("the version of a range", () => {
  it.prop(
    "differs wherever what is in it does, whatever was written and deleted, also from above",
    [fc.array(change, { minLength: 2, maxLength: 20 })],
    ([changes]) => {
      const states = [Store.empty]
      for (const change of changes) states.push(apply(states.at(-1) ?? Store.empty, change))
      for (const prefix of prefixes) {
        for (const [i, before] of states.entries()) {
          for (const after of states.slice(i + 1)) {
            if (!RangeVersion.equals(versionOf(before, prefix), versionOf(after, prefix))) continue
            expect(contentOf(after, prefix)).toBe(contentOf(before, prefix))
          }
        }
      }
    }
  )
})
