/**
 * A text that is read from its front, character by character, with the place of each.
 */
import type { Position } from "./Syntax.js"

export interface Cursor {
  /** The character here, or `""` at the end. */
  readonly peek: () => string
  /** Whether the text from here on begins with `text`. */
  readonly sees: (text: string) => boolean
  /** Returns the character here, or `""` at the end, and moves behind it. */
  readonly next: () => string
  /** Returns the characters from here on as long as each matches, and moves behind them. */
  readonly while: (matches: (character: string) => boolean) => string
  readonly position: () => Position
}

/** A character is a code point. A line ends with `\n`. */
export const make = (text: string): Cursor => {
  const characters = Array.from(text)
  let at = 0
  let line = 1
  let column = 1
  const peek = () => characters[at] ?? ""
  const next = () => {
    const character = peek()
    if (character === "") return character
    at++
    if (character === "\n") {
      line++
      column = 1
    } else column++
    return character
  }
  return {
    peek,
    next,
    sees: (text) => Array.from(text).every((character, i) => characters[at + i] === character),
    while: (matches) => {
      let read = ""
      while (peek() !== "" && matches(peek())) read += next()
      return read
    },
    position: () => ({ line, column })
  }
}
