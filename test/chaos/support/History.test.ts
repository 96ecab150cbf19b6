import { describe, expect, it } from "@effect/vitest"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as History from "./History.js"
import type { View } from "./View.js"

const history: History.History = [
  { index: 10, state: HashMap.make(["a", "a10"], ["b", "b10"]) },
  { index: 20, state: HashMap.make(["a", "a20"], ["b", "b10"]) },
  { index: 30, state: HashMap.make(["a", "a20"], ["c", "c30"]) }
]

const view = (index: number, contents: Readonly<Record<string, string>>): View => ({
  contents: HashMap.fromIterable(Object.entries(contents)),
  status: Option.some({ State: "in-sync", LastReplicated: index, Session: "" }),
  foreign: ""
})

const untouched: View = { ...view(0, {}), status: Option.none() }

describe("a destination all of whose changes fit one transaction", () => {
  const violates = (view: View) => Option.isSome(History.violationOfAll(history, view))

  it("is as the source was at the index of the status, or untouched", () => {
    for (const { index, state } of history) {
      expect(violates(view(index, Object.fromEntries(state)))).toBe(false)
    }
    expect(violates(untouched)).toBe(false)
  })

  for (const [what, wrong] of [
    ["older than the status", view(20, { a: "a10", b: "b10" })],
    ["newer than the status", view(20, { a: "a20", c: "c30" })],
    ["half of a change", view(30, { a: "a20", b: "b10", c: "c30" })],
    ["a key too few", view(10, { a: "a10" })],
    ["an index that the source never had", view(15, { a: "a10", b: "b10" })],
    ["written before the status", { ...view(0, { a: "a10" }), status: Option.none() }]
  ] as const) {
    it(`is not: ${what}`, () => expect(violates(wrong)).toBe(true))
  }
})

describe("any destination", () => {
  const violates = (view: View) => Option.isSome(History.violationOfEach(history, view))

  it("may hold of each key what the source held at the index of the status or later", () => {
    expect(violates(view(10, { a: "a20", b: "b10", c: "c30" }))).toBe(false)
    expect(violates(view(10, { a: "a10" }))).toBe(false)
    expect(violates(view(0, { c: "c30" }))).toBe(false)
    expect(violates(untouched)).toBe(false)
  })

  for (const [what, wrong] of [
    ["older than the status", view(20, { a: "a10", b: "b10" })],
    ["deleted and still there", view(30, { a: "a20", b: "b10", c: "c30" })],
    ["there and deleted", view(20, { b: "b10" })],
    ["what the source never held", view(10, { a: "x", b: "b10" })],
    ["a key that the source never had", view(10, { a: "a10", b: "b10", d: "d" })],
    ["an index that the source never had", view(15, { a: "a20", b: "b10" })]
  ] as const) {
    it(`may not: ${what}`, () => expect(violates(wrong)).toBe(true))
  }
})
