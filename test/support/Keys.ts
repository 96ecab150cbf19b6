/**
 * Arbitrary keys and values for properties: everything that Consul can store, and hard cases more often.
 */
import * as fc from "effect/FastCheck"
import * as Value from "../../src/Value.js"

const troublesome = [
  '"',
  "\\",
  '"Flags":12345678901234567890',
  '\\"Flags\\":12345678901234567890',
  '","Flags":12345678901234567890,"',
  "\\ufffd",
  "\\\\ufffd",
  "\ufffd",
  "\ufeff",
  "/",
  "//",
  ".",
  "..",
  "/../",
  "%2F",
  "?",
  "#",
  "&",
  "<",
  ">",
  "+",
  " ",
  "\t",
  "\n",
  "\0",
  "\x7f",
  "\u00a0",
  "\u2028",
  "é",
  "e\u0301",
  "😀",
  "global/"
]

/** Strings that have a UTF-8 form: any characters, without half of a surrogate pair. */
export const text: fc.Arbitrary<string> = fc
  .array(fc.oneof(fc.constantFrom(...troublesome), fc.string({ unit: "binary", maxLength: 4 })), {
    maxLength: 6
  })
  .map((parts) => parts.join(""))

/** Few and short keys, so that keys are often equal, or the beginning of another key. */
export const dense: fc.Arbitrary<string> = fc.string({
  unit: fc.constantFrom("a", "b", "/", "é", "\n"),
  maxLength: 4
})

export const flags: fc.Arbitrary<bigint> = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.constantFrom(0n, 1n, 2n ** 53n, 2n ** 53n + 1n, 3304740253564472344n, 10n ** 15n, 2n ** 64n - 1n)
)

/** Base64 of some bytes. */
export const value: fc.Arbitrary<Value.Value> = fc.uint8Array({ maxLength: 40 }).map(Value.fromBytes)
