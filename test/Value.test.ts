import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Value from "../src/Value.js"
import { text } from "./support/Keys.js"

describe("Value", () => {
  it.prop("gives back the bytes that it was made from", [fc.uint8Array()], ([bytes]) => {
    expect(Value.toBytes(Value.fromBytes(bytes))).toEqual(bytes)
  })

  it.prop("gives back the text that it was made from, also one that looks like base64", [text], ([text]) => {
    for (const given of [text, "abcd", ""]) {
      expect(Value.toText(Value.fromText(given))).toEqual(Option.some(given))
    }
  })

  it("has no text if its bytes are not UTF-8", () => {
    expect(Value.toText(Value.fromBytes(new Uint8Array([0xff])))).toEqual(Option.none())
  })

  it.prop("takes base64 as Consul writes it", [fc.uint8Array()], ([bytes]) => {
    const value = Value.fromBytes(bytes)
    expect(Value.fromBase64(value)).toEqual(Either.right(value))
  })

  it.each(["a", "abc", "YQ", "YR==", "a-_=", "not base64"])("refuses %j as base64", (text) => {
    expect(Either.isLeft(Value.fromBase64(text))).toBe(true)
  })
})
