/**
 * Consul's JSON without loss. `JSON.parse` loses two things: digits of integers past 2^53, and the difference between a
 * byte that is not UTF-8, which Go writes as the escape `\ufffd`, and a real U+FFFD, which Go writes as it is.
 *
 * Both are marked in the text before `JSON.parse` reads it, by halves of surrogate pairs, which no text that Consul writes
 * has. The scanner jumps from quote to quote, so that it costs about as much as copying the text; no pattern runs over a
 * string, since one over a string of 600,000 characters ends in a stack overflow.
 */

/** Stands before the digits of an integer that a double may round. */
const integerMark = "\udfff"

const backslash = 92

/** An even run of backslashes escapes itself. */
const isEscaped = (text: string, at: number, from: number): boolean => {
  let run = at
  while (run > from && text.charCodeAt(run - 1) === backslash) run -= 1
  return (at - run) % 2 === 1
}

const markBadBytes = (json: string): string => {
  let marked = ""
  let copied = 0
  for (let at = json.indexOf("\\ufffd"); at >= 0; at = json.indexOf("\\ufffd", at + 6)) {
    if (isEscaped(json, at, copied)) continue
    marked += `${json.slice(copied, at)}\\ud800`
    copied = at + 6
  }
  return marked + json.slice(copied)
}

/** Reads a document. Throws if the text is not JSON. */
export const parse = (json: string): unknown =>
  JSON.parse(json.includes("\\ufffd") ? markBadBytes(json) : json)

/** An integer of 16 digits can be past 2^53. One with a fraction or an exponent is marked too, and is no integer then. */
const largeNumber = /-?\d{16,}[\d.eE+-]*/g

/** The quote that ends a string which begins before `from`, or the end of a text that has none. */
const endOfString = (json: string, from: number): number => {
  let at = json.indexOf('"', from)
  while (at >= 0 && isEscaped(json, at, from)) at = json.indexOf('"', at + 1)
  return at < 0 ? json.length : at
}

/** Reads a document whose integers of 16 digits and more come as texts that {@link integerOf} knows. */
export const parseLargeIntegers = (json: string): unknown => {
  let marked = ""
  let copied = 0
  let from = 0
  while (from < json.length) {
    const start = json.indexOf('"', from)
    const end = start < 0 ? json.length : start
    if (end - from >= 16) {
      const between = json.slice(from, end)
      const exact = between.replace(largeNumber, `"\\udfff$&"`)
      if (exact !== between) {
        marked += json.slice(copied, from) + exact
        copied = end
      }
    }
    from = start < 0 ? end : endOfString(json, start + 1) + 1
  }
  return parse(marked + json.slice(copied))
}

/** The integer that {@link parseLargeIntegers} made a text of, or that `JSON.parse` read without loss; none below 0. */
export const integerOf = (read: unknown): bigint | undefined => {
  if (typeof read === "number") return Number.isSafeInteger(read) && read >= 0 ? BigInt(read) : undefined
  if (typeof read !== "string" || !read.startsWith(integerMark)) return undefined
  const digits = read.slice(1)
  // A uint64 has at most 20 digits.
  return digits.length <= 20 && /^\d+$/.test(digits) ? BigInt(digits) : undefined
}

/** Whether a document has a text here, and not an integer that {@link parseLargeIntegers} has marked. */
export const isText = (read: unknown): read is string =>
  typeof read === "string" && !read.startsWith(integerMark)

/** Whether a document was read with a number that `JSON.parse` may have rounded in this place. */
export const isRounded = (read: unknown): boolean => typeof read === "number" && !Number.isSafeInteger(read)

/** Half of a surrogate pair: a mark, or what no UTF-8 decodes to. */
const loneSurrogate = /\p{Surrogate}/u

/** Whether a text that was read has a UTF-8 form, and with that none of the marks. */
export const isWellFormed = (text: string): boolean => text.search(loneSurrogate) < 0

/** A text whose bytes are not all UTF-8, for a message. */
export const shown = (text: string): string => text.replace(/\p{Surrogate}/gu, "\ufffd")

/** Only a document with escapes can hold a text that is not well-formed: what came as UTF-8 has no half of a pair itself. */
export const mayBeIllFormed = (json: string): boolean => json.includes("\\u")
