import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as GoDuration from "../../src/internal/consul/GoDuration.js"
import * as ByteString from "../../src/testing/internal/go/ByteString.js"
import * as GoJson from "../../src/testing/internal/go/GoJson.js"
import * as GoJsonReader from "../../src/testing/internal/go/GoJsonReader.js"
import * as RequestTarget from "../../src/testing/internal/http/RequestTarget.js"

// What Go 1.15 does, asked of Consul 1.8.7.

describe("a duration", () => {
  it.each([
    ["1m30s", 90_000_000_000n],
    ["1.5h", 5_400_000_000_000n],
    [".5s", 500_000_000n],
    ["1.s", 1_000_000_000n],
    ["-2ms", -2_000_000n],
    ["0", 0n],
    ["1\xc2\xb5s", 1_000n]
  ])("%s", (text, nanoseconds) => {
    expect(GoDuration.parse(text)).toEqual(Either.right(nanoseconds))
  })

  it.each([
    ["", 'time: invalid duration ""'],
    ["x", 'time: invalid duration "x"'],
    ["5", 'time: missing unit in duration "5"'],
    ["1s1", 'time: missing unit in duration "1s1"'],
    ["1d", 'time: unknown unit "d" in duration "1d"'],
    ["9999999999h", 'time: invalid duration "9999999999h"']
  ])("%s is refused", (text, message) => {
    expect(GoDuration.parse(text)).toEqual(Either.left(message))
  })
})

describe("JSON", () => {
  it("escapes what would be HTML, and what isn't UTF-8", () => {
    const text = `<&>"\\\n\x01\x7f${ByteString.fromString("\u2028é😀")}\xff\xed\xa0\x80`
    expect(ByteString.toString(GoJson.encode([text]))).toBe(
      String.raw`["\u003c\u0026\u003e\"\\\n\u0001${"\x7f"}\u2028é😀\ufffd\ufffd\ufffd\ufffd"]`
    )
  })

  it.prop("is read back as it was written", [fc.jsonValue({ noUnicodeString: false })], ([value]) => {
    const text = ByteString.fromString(JSON.stringify(value))
    expect(plain(Either.getOrThrow(GoJsonReader.parse(text)))).toEqual(JSON.parse(JSON.stringify(value)))
  })

  const plain = (value: GoJsonReader.Parsed): unknown => {
    switch (value.kind) {
      case "null":
        return null
      case "bool":
        return value.value
      case "number":
        return Number(value.digits)
      case "string":
        return ByteString.toString(value.value)
      case "array":
        return value.items.map(plain)
      case "object":
        return Object.fromEntries(
          value.fields.map(([name, field]) => [ByteString.toString(name), plain(field)])
        )
    }
  }
})

describe("a request's target", () => {
  it.each([
    ["/v1/kv/a//b", "/v1/kv/a/b"],
    ["/v1/kv/a/../b/", "/v1/kv/b/"],
    ["/v1/kv/..", "/v1"],
    ["/..", "/"],
    ["/v1/kv/a/.", "/v1/kv/a"]
  ])("%s is cleaned", (path, cleaned) => {
    expect(RequestTarget.clean(path)).toBe(cleaned)
  })

  it("keeps bytes that aren't UTF-8, and a plus in the path", () => {
    expect(RequestTarget.parse("/a+%FF%2b?b=c+%2B;d&e=%ff")).toMatchObject({
      value: {
        path: "/a+\xff+",
        query: {
          broken: false,
          values: new Map([
            ["b", ["c +"]],
            ["d", [""]],
            ["e", ["\xff"]]
          ])
        }
      }
    })
  })
})
