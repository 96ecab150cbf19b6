import { describe, expect, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import { sorted } from "../../src/internal/plan/SortKeys.js"
import { Listing } from "../../src/internal/source/Listing.js"
import { contains, only, under } from "../../src/KeyRange.js"
import type { KeyValue, KeyValues } from "../../src/KeyValue.js"
import * as Value from "../../src/Value.js"
import { dense, text } from "../support/Keys.js"

const entry = (key: string): KeyValue => ({
  key,
  value: Value.empty,
  flags: 0n,
  session: undefined,
  lockIndex: 0,
  createIndex: 1,
  modifyIndex: 1
})

const answerOf = (keys: ReadonlyArray<string>): KeyValues => ({
  entries: keys.map(entry),
  invalidUtf8Keys: [],
  malformed: []
})

/** The names in Consul's order. */
const byBytes = (keys: Iterable<string>) =>
  [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))

const names = fc.uniqueArray(fc.oneof(dense, text), { maxLength: 30 })

describe("a listing", () => {
  it.prop("knows which keys of a range an answer lacks", [names, names, dense], ([listed, there, prefix]) => {
    const listing = new Listing()
    listing.set(sorted([...listed].sort()))
    const range = under(prefix)
    const answer = answerOf(byBytes(there.filter((key) => contains(range, key))))
    const lacking = listed.filter((key) => contains(range, key) && !there.includes(key))
    expect([...listing.lacking(range, answer)].sort()).toEqual(lacking.sort())
    expect(listing.count(range)).toBe(listed.filter((key) => contains(range, key)).length)
  })

  it("does not miss a key that exists and cannot be copied", () => {
    const listing = new Listing()
    listing.set(["global/a", "global/b"])
    const malformed = [{ key: "global/b", reason: "its value is not base64" }]
    expect(listing.lacking(under("global/"), { ...answerOf(["global/a"]), malformed })).toEqual([])
    expect(listing.lacking(only("global/b"), answerOf([]))).toEqual(["global/b"])
  })

  it("does not miss a key that was forgotten, until it is listed again", () => {
    const listing = new Listing()
    listing.set(["global/a"])
    listing.forget(["global/a"])
    expect(listing.lacking(under("global/"), answerOf([]))).toEqual([])
    listing.set(["global/a"].concat())
    expect(listing.lacking(under("global/"), answerOf([]))).toEqual(["global/a"])
  })
})
