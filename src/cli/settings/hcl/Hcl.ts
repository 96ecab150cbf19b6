/**
 * HCL 1, as 0.4.0 and Consul 1.8 read it: `key = value`, `key { … }` and `key "label" { … }`, many on one line or each on its
 * own, with commas between them or none.
 */
import * as Either from "effect/Either"
import * as Cursor from "./Cursor.js"
import * as Lexer from "./Lexer.js"
import { deepest, type Item, type Key, type Parsed, refuse, type SyntaxProblem, Value } from "./Syntax.js"

const shown = (token: Lexer.Token): string => {
  switch (token._tag) {
    case "End":
      return "the end of the file"
    case "Heredoc":
      return "a text of several lines"
    case "Text":
      return JSON.stringify(token.text)
    case "Word":
    case "Number":
    case "Mark":
      return token.text
  }
}

const isMark = (token: Lexer.Token, text: string) => token._tag === "Mark" && token.text === text

/** The words of a text, with one word of foresight: `peek` returns the word that `next` returns after it. */
interface Words {
  readonly peek: () => Parsed<Lexer.Token>
  readonly next: () => Parsed<Lexer.Token>
}

const words = (text: string): Words => {
  const cursor = Cursor.make(text)
  let ahead: Parsed<Lexer.Token> | undefined
  const peek = () => {
    ahead ??= Lexer.next(cursor)
    return ahead
  }
  return {
    peek,
    next: () => {
      const token = peek()
      ahead = undefined
      return token
    }
  }
}

/** Reads keys up to `=` or `{`, and leaves that mark to the next reader. */
const keys = (words: Words): Parsed<ReadonlyArray<Key>> => {
  const read: Array<Key> = []
  for (;;) {
    const token = words.peek()
    if (Either.isLeft(token)) return Either.left(token.left)
    const { right: word } = token
    if ((word._tag === "Word" && !isTruth(word.text)) || word._tag === "Text") {
      read.push({ name: word.text, at: word.at })
      words.next()
      continue
    }
    const [first] = read
    if (first === undefined) return refuse(word.at, `a key is expected, not ${shown(word)}`)
    if (isMark(word, "{") || (isMark(word, "=") && read.length === 1)) return Either.right(read)
    const name = read.map(({ name }) => JSON.stringify(name)).join(" ")
    return refuse(
      word.at,
      read.length === 1
        ? `= or { is expected behind the key ${name}, not ${shown(word)}`
        : `{ is expected behind the keys ${name}, not ${shown(word)}; a value stands behind one key and =`
    )
  }
}

const isTruth = (word: string) => word === "true" || word === "false"

const item = (words: Words, depth: number): Parsed<Item> =>
  Either.gen(function* () {
    const [key, ...labels] = yield* keys(words)
    if (isMark(yield* words.peek(), "=")) yield* words.next()
    const read = yield* value(words, depth)
    // `keys` returns one at least.
    return { key: key ?? { name: "", at: read.at }, labels, value: read }
  })

/** Reads items up to the mark that closes their block, or to the end of the file. */
const items = (words: Words, depth: number, closing: "}" | undefined): Parsed<ReadonlyArray<Item>> =>
  Either.gen(function* () {
    const read: Array<Item> = []
    for (;;) {
      const token = yield* words.peek()
      if (closing === undefined ? token._tag === "End" : isMark(token, closing)) {
        yield* words.next()
        return read
      }
      read.push(yield* item(words, depth))
      if (isMark(yield* words.peek(), ",")) yield* words.next()
    }
  })

const list = (words: Words, depth: number): Parsed<ReadonlyArray<Value>> =>
  Either.gen(function* () {
    const read: Array<Value> = []
    for (let needsComma = false; ; ) {
      const token = yield* words.peek()
      if (isMark(token, "]")) {
        yield* words.next()
        return read
      }
      if (isMark(token, ",")) {
        yield* words.next()
        needsComma = false
        continue
      }
      if (needsComma) return yield* refuse(token.at, `a comma or ] is expected, not ${shown(token)}`)
      read.push(yield* value(words, depth))
      needsComma = true
    }
  })

const value = (words: Words, depth: number): Parsed<Value> =>
  Either.gen(function* () {
    const token = yield* words.next()
    const { at } = token
    if (depth > deepest) return yield* refuse(at, "too many blocks within each other")
    if (isMark(token, "{")) return Value.Block({ items: yield* items(words, depth + 1, "}"), at })
    if (isMark(token, "[")) return Value.List({ values: yield* list(words, depth + 1), at })
    switch (token._tag) {
      case "Text":
      case "Heredoc":
        return Value.Text({ text: token.text, at })
      case "Number":
        return Value.Number({ text: token.text, at })
      case "Word":
        return isTruth(token.text)
          ? Value.Truth({ isTrue: token.text === "true", at })
          : yield* refuse(
              at,
              `a value is expected, not ${token.text}; put a text into quotes: "${token.text}"`
            )
      case "Mark":
      case "End":
        return yield* refuse(at, `a value is expected, not ${shown(token)}`)
    }
  })

/** The items of a file of HCL. Lines may end as on Windows, and a byte order mark is skipped. */
export const parse = (text: string): Either.Either<ReadonlyArray<Item>, SyntaxProblem> =>
  items(words(text.replace(/^\ufeff/, "").replaceAll("\r\n", "\n")), 0, undefined)
