/**
 * Bytes as Go sees them in a `string`: one code unit per byte, so that comparing two of them compares bytes.
 *
 * Consul's keys, paths and bodies are byte sequences. They are usually UTF-8, but need not be: `PUT /v1/kv/a%FFb` makes a key that
 * no JavaScript string of characters can represent.
 */
import { isPrintable } from "./Unicode.js"

/**
 * A string whose code units are all below 256, one for each byte.
 */
export type ByteString = string

const encoder = new TextEncoder()
const lenientDecoder = new TextDecoder()
const ascii = /^[\x00-\x7f]*$/

/** Short enough for the argument list of `String.fromCharCode`, long enough to make its call cheap. */
const chunkLength = 8192

export const fromBytes = (bytes: Uint8Array): ByteString => {
  if (bytes.length <= chunkLength) return String.fromCharCode(...bytes)
  const parts: Array<string> = []
  for (let i = 0; i < bytes.length; i += chunkLength) {
    parts.push(String.fromCharCode(...bytes.subarray(i, i + chunkLength)))
  }
  return parts.join("")
}

export const toBytes = (self: ByteString): Uint8Array => {
  const bytes = new Uint8Array(self.length)
  for (let i = 0; i < self.length; i++) bytes[i] = self.charCodeAt(i)
  return bytes
}

/** The UTF-8 bytes of a string of characters. */
export const fromString = (text: string): ByteString =>
  ascii.test(text) ? text : fromBytes(encoder.encode(text))

/** The characters of UTF-8 bytes. Bytes that are not UTF-8 become U+FFFD. */
export const toString = (self: ByteString): string =>
  ascii.test(self) ? self : lenientDecoder.decode(toBytes(self))

/** The UTF-8 bytes of one code point. */
export const fromCodePoint = (rune: number): ByteString => fromString(String.fromCodePoint(rune))

/** The code point that replaces a byte that is not UTF-8. */
export const replacement = 0xfffd

/**
 * The code point at a position, and its length in bytes. A byte that is not part of well-formed UTF-8 is U+FFFD with length 1, as in
 * Go. The web's decoders may replace several such bytes by one U+FFFD.
 */
export const runeAt = (self: ByteString, at: number): readonly [rune: number, size: number] => {
  const first = self.charCodeAt(at)
  if (first < 0x80) return [first, 1]
  const size = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0
  if (size === 0 || at + size > self.length) return [replacement, 1]
  let rune = first & (0xff >> (size + 1))
  for (let i = 1; i < size; i++) {
    const next = self.charCodeAt(at + i)
    if ((next & 0xc0) !== 0x80) return [replacement, 1]
    rune = (rune << 6) | (next & 0x3f)
  }
  const overlong = rune < (size === 3 ? 0x800 : size === 4 ? 0x10000 : 0x80)
  const surrogate = rune >= 0xd800 && rune <= 0xdfff
  return overlong || surrogate || rune > 0x10ffff ? [replacement, 1] : [rune, size]
}

/** Whether Go prints every code point. Go prints a space, but not a no-break space. */
export const allPrintable = (self: ByteString): boolean => {
  for (let i = 0; i < self.length; ) {
    const [rune, size] = runeAt(self, i)
    if (!isPrintable(rune)) return false
    i += size
  }
  return true
}

const hex = (n: number, width: number) => n.toString(16).padStart(width, "0")

const quoted: ReadonlyMap<number, string> = new Map([
  [0x07, "\\a"],
  [0x08, "\\b"],
  [0x09, "\\t"],
  [0x0a, "\\n"],
  [0x0b, "\\v"],
  [0x0c, "\\f"],
  [0x0d, "\\r"],
  [0x22, '\\"'],
  [0x5c, "\\\\"]
])

/** Quotes as Go's `%q` does. Consul's errors quote keys and numbers so. */
export const quote = (self: ByteString): ByteString => {
  let out = '"'
  for (let i = 0; i < self.length; ) {
    const [rune, size] = runeAt(self, i)
    const short = quoted.get(rune)
    if (short !== undefined) out += short
    else if (rune === replacement && size === 1) out += `\\x${hex(self.charCodeAt(i), 2)}`
    else if (isPrintable(rune)) out += self.slice(i, i + size)
    else if (rune < 0x20) out += `\\x${hex(rune, 2)}`
    else out += rune < 0x10000 ? `\\u${hex(rune, 4)}` : `\\U${hex(rune, 8)}`
    i += size
  }
  return `${out}"`
}
