/**
 * Texts of HCL 1: quoted, and as a heredoc.
 */
import * as Either from "effect/Either"
import type { Cursor } from "./Cursor.js"
import { type Parsed, type Position, refuse, SyntaxProblem } from "./Syntax.js"

const plain: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
  "\\": 92,
  '"': 34
}

/** The number of hexadecimal digits behind the letter of an escape. */
const hexadecimal: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 }

const encoder = new TextEncoder()

const highest = 0x10ffff

const isSurrogate = (code: number) => code >= 0xd800 && code <= 0xdfff

/** Reads an escape behind its backslash: bytes of UTF-8. `\x` and octal digits are one byte, which may be a part of a letter. */
const escape = (cursor: Cursor): Parsed<ReadonlyArray<number>> => {
  const at = cursor.position()
  const letter = cursor.next()
  const byte = plain[letter]
  if (byte !== undefined) return Either.right([byte])
  const unknown = refuse(
    at,
    `\\${letter} is no escape; write \\\\ for a backslash, and \\n, \\t, \\", \\xNN or \\uNNNN for others`
  )
  if (/^[0-7]$/.test(letter)) {
    const rest = cursor.next() + cursor.next()
    const value = Number.parseInt(letter + rest, 8)
    return /^[0-7]{2}$/.test(rest) && value <= 255 ? Either.right([value]) : unknown
  }
  const digits = hexadecimal[letter]
  if (digits === undefined) return unknown
  let read = ""
  while (read.length < digits && /^[0-9a-f]$/i.test(cursor.peek())) read += cursor.next()
  if (read.length < digits) return unknown
  const value = Number.parseInt(read, 16)
  if (letter === "x") return Either.right([value])
  return value > highest || isSurrogate(value)
    ? unknown
    : Either.right([...encoder.encode(String.fromCodePoint(value))])
}

const decode = (bytes: ReadonlyArray<number>, at: Position): Parsed<string> =>
  Either.try({
    try: () => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes)),
    catch: () => new SyntaxProblem({ at, problem: "the bytes that \\x or octal digits name are not UTF-8" })
  })

/** Reads from `${` to the brace that closes it. The text stays as it is written: 0.4.0 replaces no variable. */
const interpolation = (cursor: Cursor): string => {
  let text = cursor.next() + cursor.next()
  for (let depth = 1; depth > 0 && cursor.peek() !== ""; ) {
    const character = cursor.next()
    text += character
    if (character === "{") depth++
    else if (character === "}") depth--
    else if (character === "\\") text += cursor.next()
  }
  return text
}

/** Reads a text from its first quote on. */
export const quoted = (cursor: Cursor): Parsed<string> => {
  const at = cursor.position()
  cursor.next()
  const bytes: Array<number> = []
  for (;;) {
    if (cursor.sees("${")) {
      bytes.push(...encoder.encode(interpolation(cursor)))
      continue
    }
    const character = cursor.next()
    if (character === '"') return decode(bytes, at)
    if (character === "" || character === "\n") {
      return refuse(at, 'the text that begins here has no end; close it with " on the same line')
    }
    if (character !== "\\") bytes.push(...encoder.encode(character))
    else {
      const escaped = escape(cursor)
      if (Either.isLeft(escaped)) return Either.left(escaped.left)
      bytes.push(...escaped.right)
    }
  }
}

const isAnchor = (character: string) => /^[\p{L}\p{Nd}_]$/u.test(character)

/** With `<<-`, all lines lose the spaces that stand before the last anchor, if each line begins with that many. */
const unindent = (lines: ReadonlyArray<string>, indent: string): string =>
  lines.every((line) => line.startsWith(indent))
    ? lines.map((line) => `${line.slice(indent.length)}\n`).join("")
    : lines.map((line) => `${line}\n`).join("")

/** Reads a heredoc from `<<` on. Its last line is the anchor alone, with or without spaces before it. */
export const heredoc = (cursor: Cursor): Parsed<string> => {
  const at = cursor.position()
  cursor.next()
  if (cursor.next() !== "<") return refuse(at, "< begins nothing; a text of several lines begins with <<EOF")
  const isIndented = cursor.peek() === "-"
  if (isIndented) cursor.next()
  const anchor = cursor.while(isAnchor)
  if (anchor === "" || cursor.next() !== "\n") {
    return refuse(at, "a word and the end of the line are expected behind <<, as in <<EOF")
  }
  const lines: Array<string> = []
  while (cursor.peek() !== "") {
    const line = cursor.while((character) => character !== "\n")
    cursor.next()
    if (line.trimStart() !== anchor) {
      lines.push(line)
      continue
    }
    const indent = line.slice(0, line.length - anchor.length)
    if (isIndented) return Either.right(unindent(lines, indent))
    return Either.right(lines.map((text) => `${text}\n`).join("") + indent)
  }
  return refuse(at, `the text that begins here has no end; close it with a line that is ${anchor} alone`)
}
