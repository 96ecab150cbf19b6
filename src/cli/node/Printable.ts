/**
 * Text without control characters, for a terminal: names of keys and datacenters may have any character.
 */

/**
 * Control characters, line separators, and Unicode's format characters. These have no width or turn the direction of writing, so
 * that one name looks like another.
 */
const obeyed = /[\x00-\x1f\x7f-\x9f\u2028\u2029\p{Cf}]/gu

const escape = (character: string): string => {
  const code = (character.codePointAt(0) ?? 0).toString(16)
  return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, "0")}`
}

/** The text on one line, with every character escaped that a terminal obeys or does not show. */
export const printable = (text: string): string => text.replace(obeyed, escape)
