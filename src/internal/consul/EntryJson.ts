/** Decodes Consul's JSON for entries and names. No other file does. */
import * as Either from "effect/Either"
import { type KeyRange, under } from "../../KeyRange.js"
import type { KeyValue, KeyValues } from "../../KeyValue.js"
import * as Fingerprint from "../plan/Fingerprint.js"
import { entryOf, oddName } from "./Entries.js"
import * as EntryReader from "./EntryReader.js"
import * as ExactJson from "./ExactJson.js"

/**
 * Decodes the answer of a KV read: an array of entries, in Consul's order (by bytes of the key). Of a `range`, no answer
 * has keys outside of it, or a key twice. 100,000 entries of 100 bytes take about 120 ms, of which `JSON.parse` takes
 * about 90 (`npm run bench`).
 */
export const decodeList = (json: string, range: KeyRange = under("")): Either.Either<KeyValues, string> =>
  EntryReader.readAll(EntryReader.ofList(range), json)

/** The fingerprints of the documents that names were decoded from, for as long as the names are in use. */
const origins = new WeakMap<ReadonlyArray<string>, string>()

/**
 * Decodes a listing of names, in Consul's order (by bytes). Names that are not valid UTF-8 are left out: no request can name
 * their keys. A listing is refused if a name does not begin with `prefix`, or comes twice. `before` are names that were decoded
 * earlier: if the document is the same, they are returned, in 3 ms. Imperative: 100,000 names take 5 to 20 ms. Names of up to
 * 10 characters take longest, because V8 keeps each of them once.
 */
export const decodeNames = (
  json: string,
  before?: ReadonlyArray<string>,
  prefix = ""
): Either.Either<ReadonlyArray<string>, string> => {
  const origin = Fingerprint.ofText(json)
  if (before !== undefined && origins.get(before) === origin) return Either.right(before)
  return Either.flatMap(EntryReader.document(json), (u) => {
    if (!Array.isArray(u) || !u.every((name): name is string => typeof name === "string")) {
      return Either.left("not a list of names")
    }
    const names = ExactJson.mayBeIllFormed(json) ? u.filter(ExactJson.isWellFormed) : u
    const odd = oddName(names, under(prefix))
    if (odd !== undefined) return Either.left(odd)
    origins.set(names, origin)
    return Either.right(names)
  })
}

/**
 * Decodes the entries in the answer to a committed transaction. Writes and checks answer with their entry without
 * its value, deletes with nothing; a key comes as often as there are operations on it.
 */
export const decodeResults = (json: string): Either.Either<ReadonlyArray<KeyValue>, string> =>
  Either.flatMap(EntryReader.resultsOf(json), (results) => {
    const entries: Array<KeyValue> = []
    for (const [i, result] of results.entries()) {
      const entry = entryOf(result)
      if (typeof entry === "string") return Either.left(`entry ${i}: ${entry}`)
      entries.push(entry)
    }
    return Either.right(entries)
  })

/**
 * Decodes the entries in the answer to a transaction that reads all of a prefix, or some keys of a `range`.
 */
export const decodeTree = (json: string, range: KeyRange = under("")): Either.Either<KeyValues, string> =>
  EntryReader.readAll(EntryReader.ofResults(range), json)

/**
 * Checks that a text begins and ends as the answer to a committed transaction, for callers that need no entries. To decode all
 * of it would take longer than to make the transaction.
 */
export const checkResults = (json: string): Either.Either<ReadonlyArray<KeyValue>, string> =>
  /^\s*\{\s*"Results":/.test(json.slice(0, 64)) && /\}\s*$/.test(json.slice(-8))
    ? Either.right([])
    : Either.left("no list of results")
