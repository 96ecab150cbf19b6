import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as Option from "effect/Option"
import { Operation } from "../src/Operation.js"
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

  it("is no text that merely looks like base64: that does not compile where a value is wanted", () => {
    // @ts-expect-error
    const operation = Operation.Set({ key: "a", value: "abcd", flags: 0n })
    expect(operation._tag).toBe("Set")
  })

  it.prop("takes base64 as Consul writes it", [fc.uint8Array()], ([bytes]) => {
    const value = Value.fromBytes(bytes)
    expect(Value.fromBase64(value)).toEqual(Either.right(value))
  })

  it.each(["a", "abc", "YQ", "YR==", "a-_=", "not base64"])("refuses %j as base64", (text) => {
    expect(Either.isLeft(Value.fromBase64(text))).toBe(true)
  })
})
