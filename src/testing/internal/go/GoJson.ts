/**
 * Encodes JSON as Go's `encoding/json` does: `<`, `>`, `&`, U+2028 and U+2029 are escaped, bytes that are not UTF-8 become
 * `\ufffd`, byte slices are base64, 64-bit integers keep all their digits.
 */
import * as Encoding from "effect/Encoding"
import { type ByteString, replacement, runeAt } from "./ByteString.js"

/**
 * A value that can be encoded. A record is a Go struct, encoded in the order of its fields. A `Map` is a Go map, encoded in the
 * order of its keys. Strings are byte strings.
 */
export type Json =
  | null
  | boolean
  | number
  | bigint
  | ByteString
  | Uint8Array
  | ReadonlyArray<Json>
  | ReadonlyMap<ByteString, Json>
  | { readonly [field: string]: Json }

/** Encodes on one line without spaces, as Consul does without `?pretty`. */
export const encode = (value: Json): ByteString => write(value, undefined)

/** Encodes with an indentation of four spaces and a newline at the end, as Consul does with `?pretty`. */
export const encodePretty = (value: Json): ByteString => `${write(value, "\n")}\n`

const write = (value: Json, newline: string | undefined): ByteString => {
  if (value === null) return "null"
  switch (typeof value) {
    case "string":
      return encodeString(value)
    case "object":
      break
    default:
      return String(value)
  }
  if (value instanceof Uint8Array) return `"${Encoding.encodeBase64(value)}"`
  const inner = newline === undefined ? undefined : `${newline}    `
  if (isArray(value)) {
    return bracket(
      "[",
      value.map((item) => write(item, inner)),
      "]",
      newline
    )
  }
  const entries =
    value instanceof Map
      ? Array.from(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      : Object.entries(value)
  const colon = newline === undefined ? ":" : ": "
  const fields = entries.map(([name, field]) => `${encodeString(name)}${colon}${write(field, inner)}`)
  return bracket("{", fields, "}", newline)
}

// Array.isArray does not narrow a ReadonlyArray.
const isArray = (value: Json): value is ReadonlyArray<Json> => Array.isArray(value)

const bracket = (
  open: string,
  items: ReadonlyArray<string>,
  close: string,
  newline: string | undefined
): string => {
  if (items.length === 0) return open + close
  if (newline === undefined) return open + items.join(",") + close
  const inner = `${newline}    `
  return open + inner + items.join(`,${inner}`) + newline + close
}

const plain = /^[\x20\x21\x23-\x25\x27-\x3b\x3d\x3f-\x5b\x5d-\x7f]*$/

const escapes: ReadonlyMap<number, string> = new Map([
  [0x09, "\\t"],
  [0x0a, "\\n"],
  [0x0d, "\\r"],
  [0x22, '\\"'],
  [0x5c, "\\\\"],
  [0x26, "\\u0026"],
  [0x3c, "\\u003c"],
  [0x3e, "\\u003e"],
  [0x2028, "\\u2028"],
  [0x2029, "\\u2029"]
])

const encodeString = (text: ByteString): ByteString => {
  if (plain.test(text)) return `"${text}"`
  let out = '"'
  for (let i = 0; i < text.length; ) {
    const [rune, size] = runeAt(text, i)
    const escape = escapes.get(rune)
    if (escape !== undefined) out += escape
    else if (rune === replacement && size === 1) out += "\\ufffd"
    else if (rune < 0x20) out += `\\u${rune.toString(16).padStart(4, "0")}`
    else out += text.slice(i, i + size)
    i += size
  }
  return `${out}"`
}
