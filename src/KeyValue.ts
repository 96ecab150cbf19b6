/**
 * A key/value entry exactly as Consul holds it, and the one place where Consul's JSON for entries is decoded.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import { entryOf, oddName } from "./internal/consul/Entries.js"
import * as EntryReader from "./internal/consul/EntryReader.js"
import * as ExactJson from "./internal/consul/ExactJson.js"
import * as Fingerprint from "./internal/plan/Fingerprint.js"
import { type KeyRange, under } from "./KeyRange.js"
import type { Value } from "./Value.js"

/**
 * `value` is the base64 text that Consul sent, never decoded and encoded again: `Value.toText` and `Value.toBytes` decode
 * it. `flags` is a uint64. `session` is
 * the session that holds the key as a lock. Indexes are Raft indexes of the datacenter that answered.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeyValue {
  readonly key: string
  readonly value: Value
  readonly flags: bigint
  readonly session: string | undefined
  readonly lockIndex: number
  readonly createIndex: number
  readonly modifyIndex: number
}

/**
 * A key of the source or destination that is there, and whose entry cannot be believed; `reason` says why, without the
 * value.
 *
 * @since 0.5.0
 * @category models
 */
export interface Malformed {
  readonly key: string
  readonly reason: string
}

/**
 * The entries of a range, and the keys that are there and cannot be copied. A key in any of the three is not absent.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeyValues {
  readonly entries: ReadonlyArray<KeyValue>
  /**
   * Keys that are not valid UTF-8. Consul stores such keys but its JSON replaces their bad bytes by U+FFFD, so that no
   * client can tell what they are called; they are kept apart from keys that really contain U+FFFD, and are good for a
   * message only.
   */
  readonly invalidUtf8Keys: ReadonlyArray<string>
  /**
   * Keys whose entries no Consul would answer so: a value that is not base64, flags that are no uint64, an index that is
   * none.
   *
   * @since 0.5.0
   */
  readonly malformed: ReadonlyArray<Malformed>
}

/**
 * Decodes the answer of a KV read: an array of entries, in Consul's order (by bytes of the key). Of a `range`, no answer
 * has keys outside of it, or a key twice. 100,000 entries of 100 bytes take about 120 ms, of which `JSON.parse` takes
 * about 90 (`npm run bench`).
 *
 * @since 0.1.0
 * @category decoding
 */
export const decodeList = (json: string, range: KeyRange = under("")): Either.Either<KeyValues, string> =>
  EntryReader.readAll(EntryReader.ofList(range), json)

/** The fingerprints of the documents that names were decoded from, for as long as somebody has the names. */
const origins = new WeakMap<ReadonlyArray<string>, string>()

/**
 * Decodes a listing of names, in Consul's order (by bytes). Names that are not valid UTF-8 are left out: they are good
 * for nothing. All begin with `prefix`, and none comes twice, or the answer is none. Imperative: 100,000 names take 5 to
 * 20 ms, most where they are so short that V8 keeps each of them once (up to 10 characters). `before` are names that were
 * decoded earlier: of the same document they are the answer, in 3 ms.
 *
 * @since 0.5.0
 * @category decoding
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
 *
 * @since 0.1.0
 * @category decoding
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
 *
 * @since 0.5.0
 * @category decoding
 */
export const decodeTree = (json: string, range: KeyRange = under("")): Either.Either<KeyValues, string> =>
  EntryReader.readAll(EntryReader.ofResults(range), json)

/**
 * Whether it begins and ends as the answer to a committed transaction does, for whoever needs no more: reading all of it
 * would take longer than making the transaction.
 *
 * @since 0.5.0
 * @category decoding
 */
export const checkResults = (json: string): Either.Either<ReadonlyArray<KeyValue>, string> =>
  /^\s*\{\s*"Results":/.test(json.slice(0, 64)) && /\}\s*$/.test(json.slice(-8))
    ? Either.right([])
    : Either.left("no list of results")
