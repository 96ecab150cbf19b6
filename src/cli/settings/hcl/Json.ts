/**
 * JSON with the place of each value: `JSON.parse` remembers none. Of a key that stands twice, both are read.
 */
import * as Either from "effect/Either"
import * as Cursor from "./Cursor.js"
import { deepest, type Item, isSpace, type Key, type Parsed, refuse, SyntaxProblem, Value } from "./Syntax.js"

const shown = (cursor: Cursor.Cursor): string =>
  cursor.peek() === "" ? "the end of the file" : JSON.stringify(cursor.peek())

/** Reads a text from its first quote on. */
const text = (cursor: Cursor.Cursor): Parsed<string> => {
  const at = cursor.position()
  let written = cursor.next()
  for (;;) {
    const character = cursor.next()
    if (character === "") return refuse(at, 'the text that begins here has no end; close it with "')
    written += character
    if (character === "\\") written += cursor.next()
    if (character === '"') break
  }
  return Either.try({
    try: () => String(JSON.parse(written)),
    catch: () =>
      new SyntaxProblem({ at, problem: `${written} is no text of JSON; write \\\\ for a backslash` })
  })
}

/** Reads spaces and the expected mark. */
const mark = (cursor: Cursor.Cursor, expected: string): Parsed<void> => {
  cursor.while(isSpace)
  if (!cursor.sees(expected))
    return refuse(cursor.position(), `${expected} is expected, not ${shown(cursor)}`)
  cursor.next()
  return Either.void
}

/** Reads the members of an object or a list, from its first mark to the `closing` one. */
const members = <A>(
  cursor: Cursor.Cursor,
  closing: string,
  member: () => Parsed<A>
): Parsed<ReadonlyArray<A>> =>
  Either.gen(function* () {
    const read: Array<A> = []
    cursor.next()
    cursor.while(isSpace)
    if (cursor.sees(closing)) {
      cursor.next()
      return read
    }
    for (;;) {
      read.push(yield* member())
      cursor.while(isSpace)
      if (cursor.sees(closing)) {
        cursor.next()
        return read
      }
      if (!cursor.sees(",")) {
        return yield* refuse(cursor.position(), `a comma or ${closing} is expected, not ${shown(cursor)}`)
      }
      cursor.next()
    }
  })

const item = (cursor: Cursor.Cursor, depth: number): Parsed<Item> =>
  Either.gen(function* () {
    cursor.while(isSpace)
    const at = cursor.position()
    if (cursor.peek() !== '"') return yield* refuse(at, `a key in quotes is expected, not ${shown(cursor)}`)
    const key: Key = { name: yield* text(cursor), at }
    yield* mark(cursor, ":")
    return { key, labels: [], value: yield* value(cursor, depth) }
  })

const number = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/

/** `null` is an empty text, as in 0.4.0. */
const value = (cursor: Cursor.Cursor, depth: number): Parsed<Value> =>
  Either.gen(function* () {
    cursor.while(isSpace)
    const at = cursor.position()
    if (depth > deepest) return yield* refuse(at, "too many objects within each other")
    switch (cursor.peek()) {
      case "{":
        return Value.Block({ items: yield* members(cursor, "}", () => item(cursor, depth + 1)), at })
      case "[":
        return Value.List({ values: yield* members(cursor, "]", () => value(cursor, depth + 1)), at })
      case '"':
        return Value.Text({ text: yield* text(cursor), at })
    }
    const word = cursor.while((character) => /^[\w.+-]$/.test(character))
    if (word === "true" || word === "false") return Value.Truth({ isTrue: word === "true", at })
    if (word === "null") return Value.Text({ text: "", at })
    if (number.test(word)) return Value.Number({ text: word, at })
    return yield* refuse(
      at,
      word === ""
        ? `a value is expected, not ${shown(cursor)}`
        : `${JSON.stringify(word)} is no value of JSON`
    )
  })

/** Whether the first character of a file that is no space begins a JSON object, as in 0.4.0. */
export const isJson = (text: string): boolean => /^\s*\{/.test(text)

export const parse = (text: string): Either.Either<ReadonlyArray<Item>, SyntaxProblem> =>
  Either.gen(function* () {
    const cursor = Cursor.make(text)
    const root = yield* value(cursor, 0)
    cursor.while(isSpace)
    if (cursor.peek() !== "") {
      return yield* refuse(cursor.position(), `the end of the file is expected, not ${shown(cursor)}`)
    }
    return root._tag === "Block" ? root.items : []
  })
