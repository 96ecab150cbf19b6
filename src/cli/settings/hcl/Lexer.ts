/**
 * From the text of HCL 1 to its words.
 */
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import type { Cursor } from "./Cursor.js"
import * as Strings from "./Strings.js"
import { isSpace, type Parsed, type Position, refuse } from "./Syntax.js"

export type Token = Data.TaggedEnum<{
  /** A word without quotes, `true` and `false` among them. */
  Word: { readonly text: string; readonly at: Position }
  Text: { readonly text: string; readonly at: Position }
  /** A text of several lines, which can be a value and no key. */
  Heredoc: { readonly text: string; readonly at: Position }
  Number: { readonly text: string; readonly at: Position }
  Mark: { readonly text: "{" | "}" | "[" | "]" | "," | "="; readonly at: Position }
  End: { readonly at: Position }
}>

export const Token = Data.taggedEnum<Token>()

const beginsWord = (character: string) => /^[\p{L}_]$/u.test(character)
const continuesWord = (character: string) => /^[\p{L}\p{Nd}_.-]$/u.test(character)
const continuesNumber = (character: string) => /^[0-9a-zA-Z.+-]$/.test(character)
const isMark = (character: string): character is "{" | "}" | "[" | "]" | "," | "=" =>
  /^[{}[\],=]$/.test(character)

const number = /^-?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)$/

/** Skips spaces and comments: from `#` or `//` to the end of the line, and from `/*` to the mark that ends it. */
const skip = (cursor: Cursor): Parsed<void> => {
  for (;;) {
    cursor.while(isSpace)
    if (cursor.peek() === "#" || cursor.sees("//")) cursor.while((character) => character !== "\n")
    else if (cursor.sees("/*")) {
      const at = cursor.position()
      cursor.next()
      cursor.next()
      while (!cursor.sees("*/")) {
        if (cursor.next() === "")
          return refuse(at, "the comment that begins here has no end; close it with */")
      }
      cursor.next()
      cursor.next()
    } else return Either.void
  }
}

/** The next word, behind spaces and comments. */
export const next = (cursor: Cursor): Parsed<Token> => {
  const skipped = skip(cursor)
  if (Either.isLeft(skipped)) return Either.left(skipped.left)
  const at = cursor.position()
  const character = cursor.peek()
  if (character === "") return Either.right(Token.End({ at }))
  if (isMark(character)) {
    cursor.next()
    return Either.right(Token.Mark({ text: character, at }))
  }
  if (beginsWord(character)) return Either.right(Token.Word({ text: cursor.while(continuesWord), at }))
  if (character === '"') return Either.map(Strings.quoted(cursor), (text) => Token.Text({ text, at }))
  if (character === "<") return Either.map(Strings.heredoc(cursor), (text) => Token.Heredoc({ text, at }))
  if (/^[0-9.-]$/.test(character)) {
    const text = cursor.while(continuesNumber)
    return number.test(text)
      ? Either.right(Token.Number({ text, at }))
      : refuse(at, `${JSON.stringify(text)} is no number; put other values into quotes, as in "1m30s"`)
  }
  return refuse(at, `${JSON.stringify(character)} is not expected here; put texts into quotes, as in "a"`)
}
