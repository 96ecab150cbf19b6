import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import { decodeList, decodeNames, decodeResults } from "../../src/internal/consul/EntryJson.js"
import type { KeyValue } from "../../src/KeyValue.js"
import { fromBytes, fromString, toBytes } from "../../src/testing/internal/go/ByteString.js"
import * as GoJson from "../../src/testing/internal/go/GoJson.js"
import * as Value from "../../src/Value.js"
import { flags, text, value } from "../support/Keys.js"

const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

/** Bytes of JSON as Go's encoder writes them, read as an HTTP client reads them. */
const written = (json: GoJson.Json) => decoder.decode(toBytes(GoJson.encode(json)))

/** One entry as Consul writes it; `key` is its bytes. */
const goEntry = (
  key: string,
  { flags, modifyIndex, session, value }: Omit<KeyValue, "key">
): GoJson.Json => ({
  LockIndex: 3,
  Key: key,
  Flags: flags,
  Value: value === "" ? null : value,
  ...(session !== undefined && { Session: session }),
  CreateIndex: 7,
  ModifyIndex: modifyIndex
})

const entry: fc.Arbitrary<KeyValue> = fc.record({
  key: text,
  value,
  flags,
  session: fc.option(fc.uuid(), { nil: undefined }),
  lockIndex: fc.constant(3),
  createIndex: fc.constant(7),
  modifyIndex: fc.nat()
})

const one = (fields: string) =>
  decodeList(`[{"LockIndex":0,"Key":"k","Flags":0,"Value":null,"CreateIndex":1,"ModifyIndex":2${fields}}]`)

const keyOf = (json: string) =>
  Either.map(
    decodeList(`[{"LockIndex":0,"Key":${json},"Flags":0,"Value":null,"CreateIndex":1,"ModifyIndex":2}]`),
    ({ entries, invalidUtf8Keys: unnameable }) => ({ keys: entries.map(({ key }) => key), unnameable })
  )

const named = (...keys: ReadonlyArray<string>) => Either.right({ keys, unnameable: [] })
const unnameable = (...keys: ReadonlyArray<string>) => Either.right({ keys: [], unnameable: keys })

describe("KeyValue", () => {
  it.prop(
    "reads back whatever Consul holds and writes",
    [fc.uniqueArray(entry, { maxLength: 6, selector: ({ key }) => key })],
    ([entries]) => {
      const json = written(entries.map((entry) => goEntry(fromString(entry.key), entry)))
      expect(decodeList(json)).toEqual(Either.right({ entries, invalidUtf8Keys: [], malformed: [] }))
    }
  )

  const names = fc.uniqueArray(text, { maxLength: 6 })
  const listing = (names: ReadonlyArray<string>) => written(names.map(fromString))

  it.prop("reads back names, whatever was read before", [names, names, fc.boolean()], ([then, now, same]) => {
    const before = Either.getOrThrow(decodeNames(listing(then)))
    const expected = same ? then : now
    expect(decodeNames(listing(expected), before)).toEqual(Either.right(expected))
  })

  it("answers with the names of before where the document is the same", () => {
    const before = Either.getOrThrow(decodeNames(listing(["a", "b"])))
    expect(Either.getOrThrow(decodeNames(listing(["a", "b"]), before))).toBe(before)
    expect(Either.getOrThrow(decodeNames(listing(["a", "b"])))).not.toBe(before)
  })

  it.prop("reads flags exactly, all of uint64, behind any key", [text, flags], ([key, flags]) => {
    const json = written([goEntry(fromString(key), { ...nothing, flags })])
    expect(Either.map(decodeList(json), ({ entries }) => entries[0]?.flags)).toEqual(Either.right(flags))
  })

  it("reads the flags that a double would round", () => {
    for (const flags of [
      2n ** 53n - 1n,
      2n ** 53n,
      2n ** 53n + 1n,
      999999999999999n,
      1000000000000000n,
      3304740253564472344n,
      2n ** 63n,
      2n ** 64n - 1n
    ]) {
      expect(Either.map(one(`,"Flags":${flags}`), ({ entries }) => entries[0]?.flags)).toEqual(
        Either.right(flags)
      )
    }
  })

  it("takes no text within a key for flags", () => {
    for (const key of [
      '"Flags":12345678901234567890',
      '\\"Flags\\":12345678901234567890',
      'x\\"Flags":12345678901234567890',
      '","Flags":12345678901234567890,"',
      '\\","Flags":12345678901234567890,"\\'
    ]) {
      expect(keyOf(JSON.stringify(key))).toEqual(named(key))
    }
  })

  it("tells a byte that is not UTF-8 from a real U+FFFD and from the text of its escape", () => {
    expect(keyOf('"a\ufffdb"')).toEqual(named("a\ufffdb"))
    expect(keyOf('"a\\ufffdb"')).toEqual(unnameable("a\ufffdb"))
    expect(keyOf('"a\\\\ufffdb"')).toEqual(named("a\\ufffdb"))
    expect(keyOf('"a\\\\\\ufffdb"')).toEqual(unnameable("a\\\ufffdb"))
    expect(keyOf('"a\\\\\\\\ufffdb"')).toEqual(named("a\\\\ufffdb"))
    expect(keyOf('"\\"\\ufffd"')).toEqual(unnameable('"\ufffd'))
    expect(keyOf('"\\ufffd\\ufffd"')).toEqual(unnameable("\ufffd\ufffd"))
    expect(keyOf('"\ufffd\\ufffd"')).toEqual(unnameable("\ufffd\ufffd"))
    expect(keyOf('"\\u2028\ufffd"')).toEqual(named("\u2028\ufffd"))
  })

  it.prop(
    "sets exactly the keys apart that are not valid UTF-8",
    [
      fc.uniqueArray(fc.oneof(text.map(fromString), fc.uint8Array({ maxLength: 6 }).map(fromBytes)), {
        maxLength: 8
      })
    ],
    ([keys]) => {
      const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
      const valid = keys.flatMap((key) =>
        Either.match(
          Either.try(() => strict.decode(toBytes(key))),
          { onLeft: () => [], onRight: (key) => [key] }
        )
      )
      const decoded = decodeList(written(keys.map((key) => goEntry(key, nothing))))
      const found = Either.getOrThrow(decoded)
      expect(found.entries.map(({ key }) => key)).toEqual(valid)
      expect(found.invalidUtf8Keys).toHaveLength(keys.length - valid.length)
      expect(found.invalidUtf8Keys.every((key) => key.includes("\ufffd"))).toBe(true)
    }
  )

  it("reads a value that is null, empty or base64 as it is", () => {
    const valueOf = (json: string) => Either.map(one(`,"Value":${json}`), ({ entries }) => entries[0]?.value)
    expect(valueOf("null")).toEqual(Either.right(""))
    expect(valueOf('""')).toEqual(Either.right(""))
    expect(valueOf('"AP8+/w=="')).toEqual(Either.right("AP8+/w=="))
  })

  it("reads the session of a lock, and an empty one as none", () => {
    const sessionOf = (json: string) => Either.map(one(json), ({ entries }) => entries[0]?.session)
    expect(sessionOf(',"Session":"5f4ce0cd"')).toEqual(Either.right("5f4ce0cd"))
    expect(sessionOf(',"Session":""')).toEqual(Either.right(undefined))
    expect(sessionOf("")).toEqual(Either.right(undefined))
  })

  const secret = "c2VjcmV0IHZhbHVl"
  it.each([
    ["half a document", `[{"LockIndex":0,"Key":"k","Flags":0,"Value":"${secret}"`],
    ["no JSON", `<html>${secret}</html>`],
    ["nothing", ""],
    ["null", "null"],
    ["an object", `{"Key":"${secret}"}`],
    ["a number", "1"],
    ["an entry that is none", `["${secret}"]`],
    ["an entry that is null", "[null]"],
    [
      "a number for a key",
      `[{"LockIndex":0,"Key":1,"Flags":0,"Value":"${secret}","CreateIndex":1,"ModifyIndex":2}]`
    ]
  ])("refuses %s without quoting it", (_, json) => {
    const decoded = decodeList(json)
    expect(Either.isLeft(decoded)).toBe(true)
    expect(Either.getOrElse(decoded, String)).not.toContain(secret)
  })

  it.each<[string, string]>([
    ["no value", `[{"LockIndex":0,"Key":"k","Flags":0,"CreateIndex":1,"ModifyIndex":2}]`],
    [
      "a number for a value",
      `[{"LockIndex":0,"Key":"k","Flags":0,"Value":1,"CreateIndex":1,"ModifyIndex":2}]`
    ],
    ["no flags", `[{"LockIndex":0,"Key":"k","Value":"${secret}","CreateIndex":1,"ModifyIndex":2}]`],
    [
      "flags below 0",
      `[{"LockIndex":0,"Key":"k","Flags":-1,"Value":"${secret}","CreateIndex":1,"ModifyIndex":2}]`
    ],
    [
      "half a flag",
      `[{"LockIndex":0,"Key":"k","Flags":0.5,"Value":"${secret}","CreateIndex":1,"ModifyIndex":2}]`
    ],
    [
      "many digits and a half",
      `[{"LockIndex":0,"Key":"k","Flags":12345678901234567.5,"Value":"${secret}","CreateIndex":1,"ModifyIndex":2}]`
    ],
    [
      "words for flags",
      `[{"LockIndex":0,"Key":"k","Flags":"${secret}","Value":"","CreateIndex":1,"ModifyIndex":2}]`
    ],
    ["a text for flags", `[{"LockIndex":0,"Key":"k","Flags":"","Value":"","CreateIndex":1,"ModifyIndex":2}]`],
    [
      "flags above uint64",
      `[{"LockIndex":0,"Key":"k","Flags":18446744073709551616,"Value":"${secret}","CreateIndex":1,"ModifyIndex":2}]`
    ],
    [
      "a value that ends the string it is written in",
      `[{"LockIndex":0,"Key":"k","Flags":0,"Value":"${secret}\\"","CreateIndex":1,"ModifyIndex":2}]`
    ],
    [
      "a value that is not base64",
      `[{"LockIndex":0,"Key":"k","Flags":0,"Value":"${secret}\\n","CreateIndex":1,"ModifyIndex":2}]`
    ],
    ["no index", `[{"LockIndex":0,"Key":"k","Flags":0,"Value":"${secret}","CreateIndex":1}]`],
    [
      "a text for an index",
      `[{"LockIndex":0,"Key":"k","Flags":0,"Value":"${secret}","CreateIndex":1,"ModifyIndex":"2"}]`
    ],
    [
      "an index that no double holds",
      `[{"LockIndex":0,"Key":"k","Flags":0,"Value":"${secret}","CreateIndex":1,"ModifyIndex":9007199254740993}]`
    ],
    [
      "a text for a lock index",
      `[{"LockIndex":"0","Key":"k","Flags":0,"Value":"${secret}","CreateIndex":1,"ModifyIndex":2}]`
    ],
    [
      "a number for a session",
      `[{"LockIndex":0,"Key":"k","Session":7,"Flags":0,"Value":"${secret}","CreateIndex":1,"ModifyIndex":2}]`
    ],
    [
      "a large number for a session",
      `[{"LockIndex":0,"Key":"k","Session":12345678901234567890,"Flags":12345678901234567890,"Value":"${secret}","CreateIndex":1,"ModifyIndex":2}]`
    ],
    ...["AAA", "AAAAA", "AA=A", "=AAA", "A===", "AB==", "AAB=", "AA==AAAA", "AA-_", "A".repeat(600_001)].map(
      (value) =>
        [
          `${value.slice(0, 8)} of ${value.length} characters for a value`,
          `[{"LockIndex":0,"Key":"k","Flags":0,"Value":"${value}","CreateIndex":1,"ModifyIndex":2}]`
        ] satisfies [string, string]
    )
  ])("leaves out a key with %s, says so, and holds up no other", (_, json) => {
    const other = '{"LockIndex":0,"Key":"other","Flags":1,"Value":null,"CreateIndex":1,"ModifyIndex":2}'
    const {
      entries,
      malformed,
      invalidUtf8Keys: unnameable
    } = Either.getOrThrow(decodeList(`${json.slice(0, -1)},${other}]`))
    expect(entries.map(({ key }) => key)).toEqual(["other"])
    expect(malformed).toEqual([{ key: "k", reason: expect.any(String) }])
    expect(malformed[0]?.reason).not.toContain(secret)
    expect(unnameable).toEqual([])
  })

  it("reads the entries of a transaction's answer, and none where there are none", () => {
    const answer = `{"Results":[{"KV":{"LockIndex":1,"Key":"a","Flags":3304740253564472344,"Value":null,"CreateIndex":1,"ModifyIndex":9}}],"Errors":null}`
    expect(decodeResults(answer)).toEqual(
      Either.right([
        {
          key: "a",
          value: "",
          flags: 3304740253564472344n,
          session: undefined,
          lockIndex: 1,
          createIndex: 1,
          modifyIndex: 9
        }
      ])
    )
    expect(decodeResults('{"Results":null,"Errors":null}')).toEqual(Either.right([]))
    expect(Either.isLeft(decodeResults("[]")) || Either.isLeft(decodeResults("null"))).toBe(true)
    expect(Either.isLeft(decodeResults('{"Results":[{"Node":{}}]}'))).toBe(true)
    expect(Either.isLeft(decodeResults('{"Results":[{'))).toBe(true)
  })
})

const nothing = {
  value: Value.empty,
  flags: 0n,
  session: undefined,
  lockIndex: 3,
  createIndex: 7,
  modifyIndex: 0
}
