/**
 * From the text of HCL 1 to its words.
 */
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import type { Cursor } from "./Cursor.js"
import * as Strings from "./Strings.js"
import { type Position, SyntaxProblem } from "./Syntax.js"

export type Token = Data.TaggedEnum<{
  /** A word without quotes, `true` and `false` among them. */
  Word: { readonly text: string; readonly at: Position }
  Text: { readonly text: string; readonly at: Position }
  /** What only a value can be, and no key. */
  Heredoc: { readonly text: string; readonly at: Position }
  Number: { readonly text: string; readonly at: Position }
  Mark: { readonly text: "{" | "}" | "[" | "]" | "," | "="; readonly at: Position }
  End: { readonly at: Position }
}>

export const Token = Data.taggedEnum<Token>()

type Read<A> = Either.Either<A, SyntaxProblem>

const problem = (at: Position, problem: string) => Either.left(new SyntaxProblem({ at, problem }))

const isSpace = (character: string) => /^[ \t\r\n]$/.test(character)
const beginsWord = (character: string) => /^[\p{L}_]$/u.test(character)
const continuesWord = (character: string) => /^[\p{L}\p{Nd}_.-]$/u.test(character)
const continuesNumber = (character: string) => /^[0-9a-zA-Z.+-]$/.test(character)
const isMark = (character: string): character is "{" | "}" | "[" | "]" | "," | "=" =>
  /^[{}[\],=]$/.test(character)

const number = /^-?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)$/

/** Spaces, and comments: `#` and `//` to the end of the line, and what stands between the marks of a long one. */
const skip = (cursor: Cursor): Read<void> => {
  for (;;) {
    cursor.while(isSpace)
    if (cursor.peek() === "#" || cursor.sees("//")) cursor.while((character) => character !== "\n")
    else if (cursor.sees("/*")) {
      const at = cursor.position()
      cursor.next()
      cursor.next()
      while (!cursor.sees("*/")) {
        if (cursor.next() === "")
          return problem(at, "the comment that begins here has no end; close it with */")
      }
      cursor.next()
      cursor.next()
    } else return Either.void
  }
}

/** The next word, behind spaces and comments. */
export const next = (cursor: Cursor): Read<Token> => {
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
      : problem(at, `${JSON.stringify(text)} is no number; put other values into quotes, as in "1m30s"`)
  }
  return problem(at, `${JSON.stringify(character)} is not expected here; put texts into quotes, as in "a"`)
}
