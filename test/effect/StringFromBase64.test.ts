import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Value from "../../src/Value.js"

const decode = Schema.decodeEither(Schema.StringFromBase64)
const encode = Schema.encodeSync(Schema.StringFromBase64)

/** Byte sequences that are the value of a key, and not the UTF-8 of a text that both sides would read the same. */
const bytesOf = {
  "bytes that are not UTF-8": Uint8Array.of(0x7b, 0xff, 0x7d),
  "a text with a byte order mark": Uint8Array.of(0xef, 0xbb, 0xbf, 0x7b, 0x7d)
}

describe("Schema.StringFromBase64 of effect 3.22, which no value of a key is decoded by", () => {
  for (const [name, bytes] of Object.entries(bytesOf)) {
    it(`decodes ${name} without an error to a text of other bytes`, () => {
      const value = Value.fromBytes(bytes)
      const decoded = decode(value)
      expect(Either.isRight(decoded)).toBe(true)
      expect(encode(Either.getOrThrow(decoded))).not.toBe(value)
      const text = Value.toText(value)
      expect(Option.map(text, Value.fromText)).toEqual(
        name.endsWith("UTF-8") ? Option.none() : Option.some(value)
      )
    })
  }

  it("decodes base64 that Consul does not write, whose bytes have another text there", () => {
    expect(decode("YR==")).toEqual(decode("YQ=="))
    expect(Either.isLeft(Value.fromBase64("YR=="))).toBe(true)
  })
})
