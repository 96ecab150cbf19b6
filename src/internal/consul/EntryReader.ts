/**
 * Reads the entries of an answer from its text while that arrives. No text of the whole answer is kept, and no
 * `JSON.parse` reads more than about one piece of it, whatever the size of the answer.
 *
 * A piece ends where an entry ends and the next begins. In Consul's compact JSON that is at the characters
 * `},{"LockIndex":`, and nowhere else: within a text, the quote behind `{` would end that text, and no text is followed
 * by a letter. So these characters stand between the entries of the list, or between objects within an entry; the piece
 * before them is no JSON document then, and the answer is refused. Where each piece is a list of entries, all of them
 * with commas between are the list that was sent.
 *
 * An answer that is written otherwise, as by `consul agent -dev`, which indents it, is read as a whole.
 */
import * as Either from "effect/Either"
import type { KeyRange } from "../../KeyRange.js"
import type { KeyValues } from "../../KeyValue.js"
import { Entries, isRounded } from "./Entries.js"
import * as ExactJson from "./ExactJson.js"

/** Takes the text of an answer piece by piece. */
export interface TextReader<A> {
  /** False: the rest is not wanted, since the answer is none. */
  readonly write: (text: string) => boolean
  /** What all of the text was, or why it is no answer. */
  readonly end: () => Either.Either<A, string>
}

/** How a list of entries is written: `opening`, entries with commas between, and what closes the document. */
interface Form {
  readonly opening: string
  /** What the first entry begins with in compact JSON, behind the opening. */
  readonly first: string
  /** What stands between two entries in compact JSON; the first `closing` characters belong to the one before. */
  readonly border: string
  readonly closing: number
  /** The items of the whole document; none where it is no such document. */
  readonly itemsOf: (document: unknown) => unknown
  readonly entryOf: (item: unknown) => unknown
}

const list: Form = {
  opening: "[",
  first: '{"LockIndex":',
  border: '},{"LockIndex":',
  closing: 1,
  itemsOf: (document) => document,
  entryOf: (item) => item
}

const fieldOf = (u: unknown, name: string): unknown =>
  typeof u === "object" && u !== null ? (u as Record<string, unknown>)[name] : undefined

const results: Form = {
  opening: '{"Results":[',
  first: '{"KV":{"LockIndex":',
  border: '}},{"KV":{"LockIndex":',
  closing: 2,
  itemsOf: (document) =>
    typeof document === "object" && document !== null ? (fieldOf(document, "Results") ?? []) : undefined,
  entryOf: (item) => fieldOf(item, "KV")
}

/**
 * So many characters are read at once at least: `JSON.parse` copies what has arrived into one string, and V8 moves one of
 * less than 128 kB at each collection while it lives. They take about 2 ms.
 */
const shortestPiece = 2 ** 18

/** Longer texts without a border are no answer of Consul's, and V8 has no string of 2^29 characters. */
const longestPiece = 2 ** 28

const notJson = (length: number): string => `${length} characters that are not a JSON document`

/** V8's own message quotes the document, and with it values: it is not passed on. */
export const document = (json: string): Either.Either<unknown, string> =>
  Either.try({ try: () => ExactJson.parse(json), catch: () => notJson(json.length) })

/** What a document holds, and whether some of it may not be well-formed. */
interface Items {
  readonly items: ReadonlyArray<unknown>
  readonly mayBeIllFormed: boolean
}

/** Reads a document again where it holds integers that a double rounds. Why it is none, if it is none. */
const itemsIn = (json: string, { entryOf, itemsOf }: Form): Items | string => {
  try {
    const items = itemsOf(ExactJson.parse(json))
    if (!Array.isArray(items)) return "not a list of entries"
    if (!items.some((item) => isRounded(entryOf(item)))) {
      return { items, mayBeIllFormed: ExactJson.mayBeIllFormed(json) }
    }
    const exact = itemsOf(ExactJson.parseLargeIntegers(json))
    return Array.isArray(exact) ? { items: exact, mayBeIllFormed: true } : "not a list of entries"
  } catch {
    return notJson(json.length)
  }
}

/** The entries in the answer to a transaction, as they were read. */
export const resultsOf = (json: string): Either.Either<ReadonlyArray<unknown>, string> => {
  const found = itemsIn(json, results)
  return typeof found === "string" ? Either.left(found) : Either.right(found.items.map(results.entryOf))
}

class EntryReader implements TextReader<KeyValues> {
  private readonly entries: Entries
  /** What has arrived and was not read; once an entry was read, without the opening of the document. */
  private rest = ""
  /** The last characters of `rest`: a border may arrive in two parts. */
  private tail = ""
  private length = 0
  /** Unknown until enough characters have arrived. */
  private isCompact: boolean | undefined
  private isBegun = false
  private problem: string | undefined
  /** How what stands between two borders is written, once it stands in brackets. */
  private readonly pieces: Form

  constructor(
    private readonly form: Form,
    range: KeyRange,
    private readonly shortest: number
  ) {
    this.entries = new Entries(range)
    this.pieces = { ...form, itemsOf: list.itemsOf }
  }

  write(text: string): boolean {
    this.length += text.length
    if (this.rest.length + text.length > longestPiece) this.problem = "an entry that does not end"
    if (this.problem !== undefined) return false
    const { closing, first, opening } = this.form
    if (this.isCompact === undefined && this.length >= opening.length + first.length) {
      this.isCompact = `${this.rest}${text}`.startsWith(opening + first)
    }
    const isLong = this.isCompact === true && this.rest.length + text.length >= this.shortest
    // Within this text, or within the one before if the border arrives in two parts.
    const at = isLong ? this.lastBorder(text) : undefined
    if (at === undefined) {
      this.tail = (this.tail + text.slice(1 - this.form.border.length)).slice(1 - this.form.border.length)
      this.rest += text
      return true
    }
    const end = at + closing
    // Each text is copied once only, by `JSON.parse`.
    const arrived = end < 0 ? this.rest.slice(0, end) : this.rest + text.slice(0, end)
    this.read(`[${this.isBegun ? arrived : arrived.slice(opening.length)}]`, this.pieces)
    this.isBegun = true
    this.rest = end < 0 ? this.rest.slice(this.rest.length + end + 1) + text : text.slice(end + 1)
    this.tail = this.rest.slice(1 - this.form.border.length)
    return this.problem === undefined
  }

  /** Where the last border begins: below 0, it begins so many characters before the text. */
  private lastBorder(text: string): number | undefined {
    const { border } = this.form
    const within = text.lastIndexOf(border)
    if (within >= 0) return within
    const { tail } = this
    const between = (tail + text.slice(0, border.length - 1)).lastIndexOf(border)
    return between < 0 ? undefined : between - tail.length
  }

  end(): Either.Either<KeyValues, string> {
    if (this.problem === undefined) {
      this.read(this.isBegun ? this.form.opening + this.rest : this.rest, this.form)
      this.rest = ""
    }
    const all = this.problem ?? this.entries.end()
    return typeof all === "string" ? Either.left(all) : Either.right(all)
  }

  private read(json: string, form: Form): void {
    const found = itemsIn(json, form)
    if (typeof found === "string") {
      this.problem = found
      return
    }
    for (const item of found.items) {
      this.problem = this.entries.add(form.entryOf(item), found.mayBeIllFormed)
      if (this.problem !== undefined) return
    }
  }
}

/** Of a read of a range: a list of entries. `shortest` is how many characters are read at once at least. */
export const ofList = (range: KeyRange, shortest = shortestPiece): TextReader<KeyValues> =>
  new EntryReader(list, range, shortest)

/** Of a transaction that reads a range. `shortest` is how many characters are read at once at least. */
export const ofResults = (range: KeyRange, shortest = shortestPiece): TextReader<KeyValues> =>
  new EntryReader(results, range, shortest)

/** About what arrives at once of a large answer. */
const pieceLength = 2 ** 16

/** Reads a text that is there already, in pieces all the same: they fit the processor's cache. */
export const readAll = <A>(reader: TextReader<A>, text: string): Either.Either<A, string> => {
  for (let at = 0; at < text.length; at += pieceLength) {
    if (!reader.write(text.length <= pieceLength ? text : text.slice(at, at + pieceLength))) break
  }
  return reader.end()
}
