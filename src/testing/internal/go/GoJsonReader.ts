/**
 * Parses JSON as Go's `encoding/json` does: numbers keep their digits, names may repeat and keep their order, strings are bytes.
 * Syntax errors have Go's messages, because Consul sends them to its clients.
 *
 * Like Go's `Decoder`, `parse` reads one value and ignores the text after it.
 */
import * as Either from "effect/Either"
import { type ByteString, fromCodePoint, runeAt } from "./ByteString.js"

/** A value with its Go kind. A number keeps its digits, because a double cannot represent every uint64. */
export type Parsed =
  | { readonly kind: "null" }
  | { readonly kind: "bool"; readonly value: boolean }
  | { readonly kind: "number"; readonly digits: string }
  | { readonly kind: "string"; readonly value: ByteString }
  | { readonly kind: "array"; readonly items: ReadonlyArray<Parsed> }
  | { readonly kind: "object"; readonly fields: ReadonlyArray<readonly [name: ByteString, value: Parsed]> }

/** The first value of the text, or Go's error. */
export const parse = (text: ByteString): Either.Either<Parsed, ByteString> => {
  const reader: Reader = { text, at: 0 }
  space(reader)
  if (reader.at === text.length) return Either.left("EOF")
  return value(reader)
}

interface Reader {
  readonly text: ByteString
  at: number
}

type Read<A> = Either.Either<A, ByteString>

const cut: Read<never> = Either.left("unexpected EOF")

const unexpected = (reader: Reader, context: string): Read<never> => {
  if (reader.at >= reader.text.length) return cut
  return Either.left(`invalid character ${character(reader.text[reader.at] ?? "")} ${context}`)
}

const character = (c: string): string => {
  if (c === "'") return `'\\''`
  if (c === '"') return `'"'`
  const code = c.charCodeAt(0)
  const escape = new Map([
    ["\\", "\\\\"],
    ["\x07", "\\a"],
    ["\b", "\\b"],
    ["\f", "\\f"],
    ["\n", "\\n"],
    ["\r", "\\r"],
    ["\t", "\\t"],
    ["\v", "\\v"]
  ]).get(c)
  if (escape !== undefined) return `'${escape}'`
  if (code < 0x20 || code === 0x7f) return `'\\x${code.toString(16).padStart(2, "0")}'`
  // Go converts the byte to a character as if the text were Latin-1.
  return code < 0x80 ? `'${c}'` : `'${fromCodePoint(code)}'`
}

const space = (reader: Reader): void => {
  while (/[ \t\r\n]/.test(reader.text[reader.at] ?? "")) reader.at++
}

const value = (reader: Reader): Read<Parsed> => {
  switch (reader.text[reader.at]) {
    case "{":
      return object(reader)
    case "[":
      return array(reader)
    case '"':
      return Either.map(string(reader), (text): Parsed => ({ kind: "string", value: text }))
    case "t":
      return Either.map(literal(reader, "true"), (): Parsed => ({ kind: "bool", value: true }))
    case "f":
      return Either.map(literal(reader, "false"), (): Parsed => ({ kind: "bool", value: false }))
    case "n":
      return Either.map(literal(reader, "null"), (): Parsed => ({ kind: "null" }))
    default:
      return number(reader)
  }
}

const literal = (reader: Reader, word: string): Read<void> => {
  for (const [i, letter] of Array.from(word).entries()) {
    if (reader.text[reader.at] !== letter) {
      return unexpected(reader, `in literal ${word} (expecting '${word[i]}')`)
    }
    reader.at++
  }
  return Either.right(undefined)
}

const number = (reader: Reader): Read<Parsed> => {
  const start = reader.at
  const digits = () => {
    const from = reader.at
    while (/[0-9]/.test(reader.text[reader.at] ?? "")) reader.at++
    return reader.at > from
  }
  const negative = reader.text[reader.at] === "-"
  if (negative) reader.at++
  if (reader.text[reader.at] === "0") reader.at++
  else if (!digits()) {
    return unexpected(reader, negative ? "in numeric literal" : "looking for beginning of value")
  }
  if (reader.text[reader.at] === ".") {
    reader.at++
    if (!digits()) return unexpected(reader, "after decimal point in numeric literal")
  }
  if (/[eE]/.test(reader.text[reader.at] ?? "")) {
    reader.at++
    if (/[+-]/.test(reader.text[reader.at] ?? "")) reader.at++
    if (!digits()) return unexpected(reader, "in exponent of numeric literal")
  }
  return Either.right({ kind: "number", digits: reader.text.slice(start, reader.at) })
}

const shorthand: ReadonlyMap<string, string> = new Map([
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
  ["\\", "\\"],
  ["/", "/"],
  ['"', '"']
])

const string = (reader: Reader): Read<ByteString> => {
  reader.at++
  let out = ""
  for (;;) {
    const c = reader.text[reader.at]
    if (c === undefined) return cut
    if (c === '"') {
      reader.at++
      return Either.right(out)
    }
    if (c === "\\") {
      reader.at++
      const escape = reader.text[reader.at]
      const short = shorthand.get(escape ?? "")
      if (short !== undefined) {
        out += short
        reader.at++
      } else if (escape === "u") {
        const unit = hexadecimal(reader)
        if (Either.isLeft(unit)) return Either.left(unit.left)
        out += fromCodePoint(pair(reader, unit.right))
      } else return unexpected(reader, "in string escape code")
    } else if (c < " ") {
      return unexpected(reader, "in string literal")
    } else {
      const [rune, size] = runeAt(reader.text, reader.at)
      out += size === 1 && rune >= 0x80 ? fromCodePoint(rune) : reader.text.slice(reader.at, reader.at + size)
      reader.at += size
    }
  }
}

const hexadecimal = (reader: Reader): Read<number> => {
  for (let i = 0; i < 4; i++) {
    reader.at++
    if (!/[0-9a-fA-F]/.test(reader.text[reader.at] ?? "")) {
      return unexpected(reader, "in \\u hexadecimal character escape")
    }
  }
  reader.at++
  return Either.right(Number.parseInt(reader.text.slice(reader.at - 4, reader.at), 16))
}

/** Joins the escapes of a surrogate pair. Half a pair is U+FFFD. */
const pair = (reader: Reader, high: number): number => {
  if (high < 0xd800 || high > 0xdfff) return high
  const low = /^\\u([0-9a-fA-F]{4})/.exec(reader.text.slice(reader.at, reader.at + 6))?.[1]
  const unit = Number.parseInt(low ?? "0", 16)
  if (high > 0xdbff || unit < 0xdc00 || unit > 0xdfff) return 0xfffd
  reader.at += 6
  return 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00)
}

const array = (reader: Reader): Read<Parsed> => {
  const items: Array<Parsed> = []
  reader.at++
  space(reader)
  if (reader.text[reader.at] === "]") {
    reader.at++
    return Either.right({ kind: "array", items })
  }
  for (;;) {
    space(reader)
    if (reader.at >= reader.text.length) return cut
    const item = value(reader)
    if (Either.isLeft(item)) return item
    items.push(item.right)
    space(reader)
    const next = reader.text[reader.at]
    if (next !== "," && next !== "]") return unexpected(reader, "after array element")
    reader.at++
    if (next === "]") return Either.right({ kind: "array", items })
  }
}

const object = (reader: Reader): Read<Parsed> => {
  const fields: Array<readonly [ByteString, Parsed]> = []
  reader.at++
  space(reader)
  if (reader.text[reader.at] === "}") {
    reader.at++
    return Either.right({ kind: "object", fields })
  }
  for (;;) {
    space(reader)
    if (reader.text[reader.at] !== '"')
      return unexpected(reader, "looking for beginning of object key string")
    const name = string(reader)
    if (Either.isLeft(name)) return Either.left(name.left)
    space(reader)
    if (reader.text[reader.at] !== ":") return unexpected(reader, "after object key")
    reader.at++
    space(reader)
    if (reader.at >= reader.text.length) return cut
    const field = value(reader)
    if (Either.isLeft(field)) return field
    fields.push([name.right, field.right])
    space(reader)
    const next = reader.text[reader.at]
    if (next !== "," && next !== "}") return unexpected(reader, "after object key:value pair")
    reader.at++
    if (next === "}") return Either.right({ kind: "object", fields })
  }
}
