import { describe, expect, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import { printable } from "../../../src/cli/node/Printable.js"

describe("printable text", () => {
  it.each([
    ["a\nb\r\x1b[2Jc\x7f\x9b", "a\\u000ab\\u000d\\u001b[2Jc\\u007f\\u009b"],
    ["global/\u202egpj.exe", "global/\\u202egpj.exe"],
    ["a\u2066b\u2069", "a\\u2066b\\u2069"],
    ["zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"],
    ["soft\u00adhyphen", "soft\\u00adhyphen"],
    ["tag\u{e0041}", "tag\\u{e0041}"],
    ["\u2028\u2029", "\\u2028\\u2029"]
  ])("%j is shown as %s", (text, shown) => {
    expect(printable(text)).toBe(shown)
  })

  it.each(["global/a b", "ä ö 世界 🙂", 'a"b\\c'])("%s is shown as it is", (text) => {
    expect(printable(text)).toBe(text)
  })

  it.prop(
    "of any text is one line, without a character that a terminal obeys or does not show",
    [fc.string({ unit: "binary" })],
    ([text]) => {
      expect(printable(text)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
    }
  )
})
