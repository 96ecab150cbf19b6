import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as EntryReader from "../../src/internal/consul/EntryReader.js"
import { under } from "../../src/KeyRange.js"
import * as ByteString from "../../src/testing/internal/go/ByteString.js"
import * as GoJson from "../../src/testing/internal/go/GoJson.js"
import { flags, text, value } from "../support/Keys.js"

const all = under("")

/** Each text that arrives is looked through, however short it is. */
const eachText = 1

const border = '},{"LockIndex":'

const entry = fc.record({
  key: fc.oneof(text, fc.constantFrom(border, `${border}0`, '"},{"LockIndex":0,"Key":"x', '\\"},{')),
  value,
  flags
})

const entries = fc.uniqueArray(entry, { minLength: 1, maxLength: 8, selector: ({ key }) => key })

const goEntry = ({ flags, key, value }: typeof entry extends fc.Arbitrary<infer A> ? A : never) => ({
  LockIndex: 0,
  Key: ByteString.fromString(key),
  Flags: flags,
  Value: value === "" ? null : value,
  CreateIndex: 1,
  ModifyIndex: 2
})

const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

const written = (json: GoJson.Json, isIndented: boolean) =>
  decoder.decode(ByteString.toBytes(isIndented ? GoJson.encodePretty(json) : GoJson.encode(json)))

/** Cut anywhere. */
const inPieces = <A>(reader: EntryReader.TextReader<A>, text: string, cuts: ReadonlyArray<number>) => {
  const places = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].sort((a, b) => a - b)
  let from = 0
  for (const place of [...places, text.length]) {
    if (!reader.write(text.slice(from, place))) break
    from = place
  }
  return reader.end()
}

describe("Entries read while they arrive", () => {
  it.prop(
    "are those that were sent, however they are written and wherever the text is cut",
    [entries, fc.array(fc.nat(), { maxLength: 30 }), fc.boolean(), fc.boolean()],
    ([entries, cuts, isIndented, isTree]) => {
      const list = entries.map(goEntry)
      const document: GoJson.Json = isTree ? { Results: list.map((KV) => ({ KV })), Errors: null } : list
      const reader = isTree ? EntryReader.ofResults(all, eachText) : EntryReader.ofList(all, eachText)
      const found = Either.getOrThrow(inPieces(reader, written(document, isIndented), cuts))
      expect(found.entries.map(({ flags, key, value }) => ({ key, value, flags }))).toEqual(entries)
      expect(found.malformed).toEqual([])
    }
  )

  it.prop("are read a character at a time as at once", [entries, fc.boolean()], ([entries, isIndented]) => {
    const json = written(entries.map(goEntry), isIndented)
    const cuts = Array.from(json, (_, i) => i)
    expect(inPieces(EntryReader.ofList(all, eachText), json, cuts)).toEqual(
      EntryReader.readAll(EntryReader.ofList(all), json)
    )
  })

  it.prop(
    "are none where the document is cut short or goes on, and none of it is quoted",
    [entries, fc.array(fc.nat(), { maxLength: 5 }), fc.nat(), fc.constantFrom("]", "x", "[]", ",")],
    ([entries, cuts, length, more]) => {
      const json = written(entries.map(goEntry), false)
      const short = json.slice(0, length % json.length)
      expect(Either.isLeft(inPieces(EntryReader.ofList(all, eachText), short, cuts))).toBe(true)
      expect(Either.isLeft(inPieces(EntryReader.ofList(all, eachText), json + more, cuts))).toBe(true)
    }
  )

  it("are refused where the border stands within an entry", () => {
    const one = '{"LockIndex":0,"Key":"a","Flags":0,"Value":null,"CreateIndex":1,"ModifyIndex":2'
    const nested = `[${one},"Session":[{"LockIndex":1},{"LockIndex":2}]}]`
    expect(EntryReader.readAll(EntryReader.ofList(all, eachText), nested)).toEqual(
      Either.left(expect.stringMatching(/^\d+ characters that are not a JSON document$/))
    )
  })

  it("lie in the range that was asked for, and come once, or the answer is none", () => {
    const list = (...keys: ReadonlyArray<string>) =>
      `[${keys.map((key) => `{"LockIndex":0,"Key":${JSON.stringify(key)},"Flags":0,"Value":null,"CreateIndex":1,"ModifyIndex":2}`).join(",")}]`
    const reason = (prefix: string, ...keys: ReadonlyArray<string>) =>
      Either.match(EntryReader.readAll(EntryReader.ofList(under(prefix)), list(...keys)), {
        onLeft: (reason) => reason,
        onRight: ({ entries }) => entries.length
      })
    expect(reason("global/", "global/a", "global/b")).toBe(2)
    // U+FFFF is before U+10000 in UTF-8 and behind it in JavaScript.
    expect(reason("global/", "global/\uffff", "global/\u{10000}")).toBe(2)
    expect(reason("global/", "app/password", "global/a")).toBe(
      'the key "app/password" is not under "global/", which was asked for'
    )
    expect(reason("global/", "global/a", "zapp")).toBe(
      'the key "zapp" is not under "global/", which was asked for'
    )
    expect(reason("global/", "global/a", "app/password", "global/b")).toContain('"app/password" is not under')
    expect(reason("global/", "global/a", "global/a")).toBe('the key "global/a" comes twice')
    expect(reason("global/", "global/a", "global/b", "global/a")).toBe('the key "global/a" comes twice')
  })
})
