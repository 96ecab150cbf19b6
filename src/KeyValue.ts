/**
 * A key/value entry exactly as Consul holds it, and the one place where Consul's JSON for entries is decoded.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Fingerprint from "./internal/Fingerprint.js"

/**
 * `value` is the base64 text that Consul sent, never decoded and encoded again. `flags` is a uint64. `session` is
 * the session that holds the key as a lock. Indexes are Raft indexes of the datacenter that answered.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeyValue {
  readonly key: string
  readonly value: string
  readonly flags: bigint
  readonly session: string | undefined
  readonly lockIndex: number
  readonly createIndex: number
  readonly modifyIndex: number
}

/**
 * `unnameable` are the keys that are not valid UTF-8. Consul stores such keys but its JSON replaces their bad bytes
 * by U+FFFD, so that no client can tell what they are called; they are kept apart from keys that really contain
 * U+FFFD, and are good for a message only.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeyValues {
  readonly entries: ReadonlyArray<KeyValue>
  readonly unnameable: ReadonlyArray<string>
}

/** `Flags` past 2^53 lose digits in `JSON.parse`. Within a JSON string the quotes would be `\"`, so only the field matches. */
const largeFlags = /"Flags":(\d{16,})/g

/** Go writes `\ufffd` for a byte that is not UTF-8, and a real U+FFFD as it is. An even run of `\` escapes itself. */
const badByte = /(?<!\\)((?:\\\\)*)\\ufffd/g

/** A lone surrogate: nothing that Consul sends decodes to it. With its other half it is U+10000 to U+103FF. */
const badByteMark = /\ud800(?![\udc00-\udfff])/g

const isUnnameable = (key: string): boolean => key.search(badByteMark) >= 0

const noFlags = 0n
const maxFlags = 2n ** 64n - 1n

const parse = (json: string): unknown => {
  const exact = largeFlags.test(json) ? json.replace(largeFlags, '"Flags":"$1"') : json
  largeFlags.lastIndex = 0
  return JSON.parse(exact.includes("\\ufffd") ? exact.replace(badByte, "$1\\ud800") : exact)
}

const isRecord = (u: unknown): u is Record<string, unknown> => typeof u === "object" && u !== null

const isIndex = (u: unknown): u is number => typeof u === "number" && Number.isInteger(u) && u >= 0

const flagsOf = (u: unknown): bigint | undefined => {
  if (u === 0) return noFlags
  if (isIndex(u)) return BigInt(u)
  if (typeof u !== "string" || !/^\d{16,20}$/.test(u)) return undefined
  const flags = BigInt(u)
  return flags <= maxFlags ? flags : undefined
}

const notBase64 = /[^A-Za-z0-9+/=]/

/** Consul's values are base64, and go on as they are: nothing else may. */
const valueOf = (u: unknown): string | undefined => {
  if (u === null) return ""
  return typeof u === "string" && !notBase64.test(u) ? u : undefined
}

const entryOf = (u: unknown): KeyValue | undefined => {
  if (!isRecord(u)) return undefined
  const { CreateIndex, Flags, Key, LockIndex, ModifyIndex, Session, Value } = u
  const flags = flagsOf(Flags)
  const value = valueOf(Value)
  if (
    typeof Key !== "string" ||
    value === undefined ||
    flags === undefined ||
    !isIndex(LockIndex) ||
    !isIndex(CreateIndex) ||
    !isIndex(ModifyIndex)
  ) {
    return undefined
  }
  return {
    key: Key,
    value,
    flags,
    session: typeof Session === "string" && Session !== "" ? Session : undefined,
    lockIndex: LockIndex,
    createIndex: CreateIndex,
    modifyIndex: ModifyIndex
  }
}

const gather = (items: ReadonlyArray<unknown>): Either.Either<KeyValues, string> => {
  const entries: Array<KeyValue> = []
  const unnameable: Array<string> = []
  for (let i = 0; i < items.length; i++) {
    const entry = entryOf(items[i])
    if (entry === undefined) return Either.left(`entry ${i} is not a key/value entry`)
    const name = entry.key.replace(badByteMark, "\ufffd")
    if (name === entry.key) entries.push(entry)
    else unnameable.push(name)
  }
  return Either.right({ entries, unnameable })
}

/** V8's own message quotes the document, and with it values: it is not passed on. */
const document = (json: string): Either.Either<unknown, string> =>
  Either.try({
    try: () => parse(json),
    catch: () => `${json.length} characters that are not a JSON document`
  })

/**
 * Decodes the answer of a KV read: an array of entries, in Consul's order (by bytes of the key). Imperative, because
 * it runs over every entry of a prefix for every change: 100,000 entries of 100 bytes take about 120 ms, of which
 * `JSON.parse` takes about 90 (`npm run bench`).
 *
 * @since 0.1.0
 * @category decoding
 */
export const decodeList = (json: string): Either.Either<KeyValues, string> =>
  Either.flatMap(document(json), (u) => (Array.isArray(u) ? gather(u) : Either.left("not a list of entries")))

/** The fingerprints of the documents that names were decoded from, for as long as somebody has the names. */
const origins = new WeakMap<ReadonlyArray<string>, string>()

/**
 * Decodes a listing of names, in Consul's order (by bytes). Names that are not valid UTF-8 are left out: they are good
 * for nothing. Imperative as {@link decodeList} is: 100,000 names take 5 to 20 ms, most where they are so short that V8
 * keeps each of them once (up to 10 characters). `before` are names that were decoded earlier: of the same document they
 * are the answer, in 3 ms.
 *
 * @since 0.2.0
 * @category decoding
 */
export const decodeNames = (
  json: string,
  before?: ReadonlyArray<string>
): Either.Either<ReadonlyArray<string>, string> => {
  const origin = Fingerprint.ofText(json)
  if (before !== undefined && origins.get(before) === origin) return Either.right(before)
  return Either.flatMap(document(json), (u) => {
    if (!Array.isArray(u) || !u.every((name): name is string => typeof name === "string")) {
      return Either.left("not a list of names")
    }
    const names = json.includes("\\ufffd") ? u.filter((name) => !isUnnameable(name)) : u
    origins.set(names, origin)
    return Either.right(names)
  })
}

/**
 * Decodes the entries in the answer to a committed transaction. Writes and checks answer with their entry without
 * its value, deletes with nothing.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decodeResults = (json: string): Either.Either<ReadonlyArray<KeyValue>, string> =>
  Either.map(decodeTree(json), ({ entries }) => entries)

/**
 * Decodes the entries in the answer to a transaction that reads all of a prefix.
 *
 * @since 0.2.0
 * @category decoding
 */
export const decodeTree = (json: string): Either.Either<KeyValues, string> =>
  Either.flatMap(results(json), (all) =>
    gather(all.map((result) => (isRecord(result) ? result["KV"] : undefined)))
  )

/**
 * Whether it begins and ends as the answer to a committed transaction does, for whoever needs no more: reading all of it
 * would take longer than making the transaction.
 *
 * @since 0.2.0
 * @category decoding
 */
export const checkResults = (json: string): Either.Either<ReadonlyArray<KeyValue>, string> =>
  /^\s*\{\s*"Results":/.test(json) && /\}\s*$/.test(json.slice(-8))
    ? Either.right([])
    : Either.left("no list of results")

const results = (json: string): Either.Either<ReadonlyArray<unknown>, string> =>
  Either.flatMap(document(json), (u) => {
    const all = isRecord(u) ? (u["Results"] ?? []) : undefined
    return Array.isArray(all) ? Either.right(all) : Either.left("no list of results")
  })
