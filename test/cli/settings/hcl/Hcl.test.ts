import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as Hcl from "../../../../src/cli/settings/hcl/Hcl.js"
import * as Json from "../../../../src/cli/settings/hcl/Json.js"
import type { Item, Value } from "../../../../src/cli/settings/hcl/Syntax.js"

/** A value without its places. */
type Plain = string | boolean | { readonly number: string } | ReadonlyArray<unknown>

const plainValue = (value: Value): Plain => {
  switch (value._tag) {
    case "Text":
      return value.text
    case "Number":
      return { number: value.text }
    case "Truth":
      return value.isTrue
    case "List":
      return ["list", ...value.values.map(plainValue)]
    case "Block":
      return ["block", ...plain(value.items)]
  }
}

const plain = (items: ReadonlyArray<Item>): ReadonlyArray<ReadonlyArray<unknown>> =>
  items.map(({ key, labels, value }) => [key.name, ...labels.map(({ name }) => name), plainValue(value)])

const read = (text: string) => plain(Either.getOrThrow(Hcl.parse(text)))

const word = fc
  .stringMatching(/^[A-Za-z_][A-Za-z0-9_.-]{0,8}$/)
  .filter((word) => !/^(true|false)$/.test(word))

/** Text as HCL quotes it. `${` would begin what HCL leaves as it is. */
const text = fc.string({ unit: "binary" }).filter((text) => !/\p{Cs}/u.test(text) && !text.includes("${"))

const quote = (text: string) =>
  `"${Array.from(text, (character) => {
    if (character === '"' || character === "\\") return `\\${character}`
    const code = character.codePointAt(0) ?? 0
    return code < 32 || code === 127 ? `\\x${code.toString(16).padStart(2, "0")}` : character
  }).join("")}"`

interface Written {
  readonly text: string
  readonly plain: Plain
}

/** What begins an interpolation, which a linter of JavaScript takes for one of its own. */
const dollar = "$"

const number = fc.oneof(
  fc.integer().map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.constantFrom("0x1F", "017", "1.5e-3", "-0")
)

const gap = fc.constantFrom(" ", "\n", "\t", " # comment {\n", ' // comment "\n', " /* a\n = { */ ", "\r\n")

const { items } = fc.letrec<{
  value: Written
  items: { readonly text: string; readonly plain: ReadonlyArray<ReadonlyArray<unknown>> }
}>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    text.map((text) => ({ text: quote(text), plain: text })),
    number.map((text) => ({ text, plain: { number: text } })),
    fc.boolean().map((isTrue) => ({ text: String(isTrue), plain: isTrue })),
    fc.tuple(fc.array(tie("value"), { maxLength: 3 }), gap, fc.boolean()).map(([values, gap, trailing]) => ({
      text: `[${gap}${values.map(({ text }) => text).join(`,${gap}`)}${trailing && values.length > 0 ? "," : ""}${gap}]`,
      plain: ["list", ...values.map(({ plain }) => plain)]
    })),
    fc.tuple(tie("items"), gap).map(([{ plain, text }, gap]) => ({
      text: `{${gap}${text}${gap}}`,
      plain: ["block", ...plain]
    }))
  ),
  items: fc
    .array(
      fc.record({
        key: fc.oneof(
          word.map((word) => [word, word] as const),
          text.map((text) => [quote(text), text] as const)
        ),
        labels: fc.array(text, { maxLength: 2 }),
        value: tie("value"),
        gap,
        comma: fc.boolean(),
        assigns: fc.boolean()
      }),
      { maxLength: 4 }
    )
    .map((all) => ({
      text: all
        .map(({ assigns, comma, gap, key: [key], labels, value }) => {
          const isBlock = value.text.startsWith("{")
          const front = isBlock && !assigns ? [key, ...labels.map(quote)] : [key, "="]
          return [...front, value.text].join(gap) + gap + (comma ? "," : "")
        })
        .join("\n"),
      plain: all.map(({ assigns, key: [, key], labels, value }) => [
        key,
        ...(value.text.startsWith("{") && !assigns ? labels : []),
        value.plain
      ])
    }))
}))

describe("HCL 1", () => {
  it.prop("means the same however it is spaced, commented and separated", [items], ([{ plain, text }]) => {
    expect(read(text)).toEqual(plain)
  })

  it.prop(
    "of any text is read, or refused in one line with a place in the text",
    [fc.string({ unit: "binary" })],
    ([text]) => {
      const parsed = Hcl.parse(text)
      if (Either.isRight(parsed)) return
      expect(parsed.left.problem).not.toMatch(/[\r\n]/)
      expect(parsed.left.at.line).toBeLessThanOrEqual(text.split("\n").length)
    }
  )

  it.prop("cut off anywhere is read, or refused within the text", [items, fc.nat()], ([{ text }, length]) => {
    const cut = text.slice(0, length % (text.length + 1))
    const parsed = Hcl.parse(cut)
    if (Either.isLeft(parsed)) expect(parsed.left.at.line).toBeLessThanOrEqual(cut.split("\n").length)
  })

  it.each([
    [
      'a = "x" b { c = 1 d { e = true } } f = []',
      [
        ["a", "x"],
        ["b", ["block", ["c", { number: "1" }], ["d", ["block", ["e", true]]]]],
        ["f", ["list"]]
      ]
    ],
    ['"quoted key" = "\\u00e9\\x41\\101\\t"', [["quoted key", "éAA\t"]]],
    ['a = "\\xc3\\xa9"', [["a", "é"]]],
    [`a = "${dollar}{env("X")} \\" b"`, [["a", `${dollar}{env("X")} " b`]]],
    ['prefix "x" "y" {}', [["prefix", "x", "y", ["block"]]]],
    [
      "a = <<EOF\nx\n  y\nEOF\nb = 1",
      [
        ["a", "x\n  y\n"],
        ["b", { number: "1" }]
      ]
    ],
    ["a = <<-EOF\n    x\n      y\n    EOF\n", [["a", "x\n  y\n"]]],
    ["a = <<-EOF\n  x\n y\n    EOF\n", [["a", "  x\n y\n"]]],
    ["\ufeffa = 1 // end", [["a", { number: "1" }]]],
    [
      "a = [1, [true], { b = 2 },]",
      [["a", ["list", { number: "1" }, ["list", true], ["block", ["b", { number: "2" }]]]]]
    ],
    ["", []]
  ])("%j is read as 0.4.0 reads it", (text, expected) => {
    expect(read(text)).toEqual(expected)
  })

  it.each([
    ["a = ", "1:5: a value is expected, not the end of the file"],
    ["a = b", '1:5: a value is expected, not b; put a text into quotes: "b"'],
    ["a", '1:2: = or { is expected behind the key "a", not the end of the file'],
    ["x = 1\n  = 2", "2:3: a key is expected, not ="],
    ["a b = 1", '1:5: { is expected behind the keys "a" "b", not =; a value stands behind one key and ='],
    ["a {\n b = 1\n", "3:1: a key is expected, not the end of the file"],
    ["}", "1:1: a key is expected, not }"],
    ['a = "x\n"', '1:5: the text that begins here has no end; close it with " on the same line'],
    [
      'a = "\\q"',
      '1:7: \\q is no escape; write \\\\ for a backslash, and \\n, \\t, \\", \\xNN or \\uNNNN for others'
    ],
    ['a = "\\xff"', "1:5: the bytes that \\x or octal digits name are not UTF-8"],
    ["a = 10s", '1:5: "10s" is no number; put other values into quotes, as in "1m30s"'],
    ["a = [1 2]", "1:8: a comma or ] is expected, not 2"],
    ["/* a", "1:1: the comment that begins here has no end; close it with */"],
    ["a = <<EOF\nx\n", "1:5: the text that begins here has no end; close it with a line that is EOF alone"],
    ["a = 'x'", `1:5: "'" is not expected here; put texts into quotes, as in "a"`],
    ["true = 1", "1:1: a key is expected, not true"]
  ])("%j is refused: %s", (text, message) => {
    expect(Either.getLeft(Hcl.parse(text))).toMatchObject({ value: { message } })
  })

  it("nested without end is refused, and not too much for the program", () => {
    expect(Either.getLeft(Hcl.parse("a {".repeat(100_000)))).toMatchObject({
      value: { problem: "too many blocks within each other" }
    })
    expect(Either.getLeft(Json.parse(`{"a":${"[".repeat(100_000)}`))).toMatchObject({
      value: { problem: "too many objects within each other" }
    })
  })
})

const json = fc
  .jsonValue({ maxDepth: 3 })
  .filter((value) => typeof value === "object" && value !== null && !Array.isArray(value))

/** As `JSON.parse` makes it of the same text: the last of two keys counts. */
const value = (parsed: Value): unknown => {
  switch (parsed._tag) {
    case "Text":
      return parsed.text
    case "Number":
      return Number(parsed.text)
    case "Truth":
      return parsed.isTrue
    case "List":
      return parsed.values.map(value)
    case "Block":
      return Object.fromEntries(parsed.items.map(({ key, value: inside }) => [key.name, value(inside)]))
  }
}

describe("JSON", () => {
  it.prop(
    "is what JSON.parse makes of it, with an empty text for null",
    [json, fc.constantFrom(0, 2, "\t")],
    ([json, space]) => {
      const text = JSON.stringify(json, (_, value) => (value === null ? "" : value), space)
      const items = Either.getOrThrow(Json.parse(text))
      expect(value({ _tag: "Block", items, at: { line: 1, column: 1 } })).toEqual(JSON.parse(text))
    }
  )

  it.prop(
    "of any text is read if JSON.parse reads it, and refused otherwise",
    [fc.oneof(fc.json(), fc.string())],
    ([text]) => {
      const object = `{"a": ${text}}`
      const isJson = Either.isRight(Either.try(() => JSON.parse(object)))
      expect(Either.isRight(Json.parse(object))).toBe(isJson)
    }
  )

  it.each([
    ["{", "1:2: a key in quotes is expected, not the end of the file"],
    ['{"a" 1}', '1:6: : is expected, not "1"'],
    ['{"a": 1,\n}', '2:1: a key in quotes is expected, not "}"'],
    ['{"a": yes}', '1:7: "yes" is no value of JSON'],
    ['{"a": 1} x', '1:10: the end of the file is expected, not "x"']
  ])("%j is refused: %s", (text, message) => {
    expect(Either.getLeft(Json.parse(text))).toMatchObject({ value: { message } })
  })
})
