/**
 * Reads the entries of an answer while its text arrives. The text of the whole answer is never kept, and no `JSON.parse` reads
 * more than about one piece of it, whatever the size of the answer.
 *
 * A piece ends between two entries. In Consul's compact JSON these are the characters `},{"LockIndex":`, and no text has them:
 * within a text, the quote behind `{` would end that text, and no text is followed by a letter. So these characters stand
 * between the entries of the list, or between objects within an entry. In the second case the piece in front of them is not
 * JSON, and the answer is refused. If each piece is a list of entries, all pieces with commas between them are the list that
 * was sent.
 *
 * An answer that is written otherwise, as by `consul agent -dev`, which indents it, is read as a whole.
 */
import * as Either from "effect/Either"
import type { KeyRange } from "../../KeyRange.js"
import type { KeyValues } from "../../KeyValue.js"
import { Entries, isRounded } from "./Entries.js"
import * as ExactJson from "./ExactJson.js"

/** Reads the text of an answer piece by piece. */
export interface TextReader<A> {
  /** Reads the next piece. Returns false if the answer is refused: the rest need not be read. */
  readonly write: (text: string) => boolean
  /** The value of the whole text, or why the answer is refused. */
  readonly end: () => Either.Either<A, string>
}

/** The form of a list of entries. */
interface Form {
  /** The characters in front of the first entry. */
  readonly opening: string
  /** The characters that the first entry begins with in compact JSON. */
  readonly first: string
  /** The characters between two entries in compact JSON, with the end of the first and the begin of the second entry. */
  readonly border: string
  /** Number of characters of the border that belong to the entry in front of it. */
  readonly closing: number
  /** The items of a whole document; not an array if the document has another form. */
  readonly itemsOf: (document: unknown) => unknown
  /** The entry of an item. */
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
 * The least number of characters that are read at once. `JSON.parse` copies them into one string, and V8 moves a string of less
 * than 128 kB at each collection. To read them takes about 2 ms.
 */
const shortestPiece = 2 ** 18

/** The longest text without a border. Consul sends no longer one, and V8 has no string of 2^29 characters. */
const longestPiece = 2 ** 28

const notJson = (length: number): string => `${length} characters that are not a JSON document`

/** Reads a document. The message of V8 quotes the document, which has values: it is replaced. */
export const document = (json: string): Either.Either<unknown, string> =>
  Either.try({ try: () => ExactJson.parse(json), catch: () => notJson(json.length) })

/** The items of a document. */
interface Items {
  readonly items: ReadonlyArray<unknown>
  /** Whether texts of the document may have bytes that are not UTF-8. */
  readonly mayBeIllFormed: boolean
}

/**
 * Reads the items of a document, a second time if it has integers that a double rounds. Returns why it has none, if it has
 * none.
 */
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

/** The entries in the answer to a transaction, as `JSON.parse` has read them. */
export const resultsOf = (json: string): Either.Either<ReadonlyArray<unknown>, string> => {
  const read = itemsIn(json, results)
  return typeof read === "string" ? Either.left(read) : Either.right(read.items.map(results.entryOf))
}

class EntryReader implements TextReader<KeyValues> {
  private readonly entries: Entries
  /** The text that has arrived and was not read. After the first piece it has no opening. */
  private rest = ""
  /** The last characters of `rest`: a border may arrive in two parts. */
  private tail = ""
  /** Number of characters that have arrived. */
  private length = 0
  /** Undefined until enough characters have arrived. */
  private isCompact: boolean | undefined
  /** Whether the first piece was read. */
  private isBegun = false
  /** Why the answer is refused. */
  private problem: string | undefined
  /** The form of a piece between two borders, in brackets. */
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
    // The border is in this text, or begins in the text before.
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

  /** The position of the last border in the text. It is negative if the border begins in the text before. */
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
    const read = itemsIn(json, form)
    if (typeof read === "string") {
      this.problem = read
      return
    }
    for (const item of read.items) {
      this.problem = this.entries.add(form.entryOf(item), read.mayBeIllFormed)
      if (this.problem !== undefined) return
    }
  }
}

/** A reader for the answer to a read of a range. `shortest` is the least number of characters that are read at once. */
export const ofList = (range: KeyRange, shortest = shortestPiece): TextReader<KeyValues> =>
  new EntryReader(list, range, shortest)

/**
 * A reader for the answer to a transaction that reads a range. `shortest` is the least number of characters that are read at
 * once.
 */
export const ofResults = (range: KeyRange, shortest = shortestPiece): TextReader<KeyValues> =>
  new EntryReader(results, range, shortest)

/** About the number of characters of a large answer that arrive at once. */
const pieceLength = 2 ** 16

/** Reads a whole text in pieces, which fit the processor's cache. */
export const readAll = <A>(reader: TextReader<A>, text: string): Either.Either<A, string> => {
  for (let at = 0; at < text.length; at += pieceLength) {
    if (!reader.write(text.length <= pieceLength ? text : text.slice(at, at + pieceLength))) break
  }
  return reader.end()
}
