/**
 * Collects the entries of one answer, and checks each: it was read without loss, it is in the requested range, and its key
 * comes once. A malformed entry is recorded by its key. The answer is refused if an entry shows that it is about another range.
 */
import { contains, type KeyRange } from "../../KeyRange.js"
import type { KeyValue, KeyValues, Malformed } from "../../KeyValue.js"
import * as Value from "../../Value.js"
import * as ExactJson from "./ExactJson.js"

type Fields = Record<string, unknown>

const isFields = (u: unknown): u is Fields => typeof u === "object" && u !== null

const isIndex = (u: unknown): u is number => typeof u === "number" && Number.isSafeInteger(u) && u >= 0

const noFlags = 0n
const maxFlags = 2n ** 64n - 1n

const flagsOf = (u: unknown): bigint | undefined => {
  if (u === 0) return noFlags
  const flags = ExactJson.integerOf(u)
  return flags !== undefined && flags <= maxFlags ? flags : undefined
}

/** Consul's JSON has `null` for an empty value. */
const valueOf = (u: unknown): Value.Value | undefined => {
  if (u === null) return Value.empty
  return typeof u === "string" && Value.isValue(u) ? u : undefined
}

/** Consul's JSON has no `Session` for a key that no session holds. */
const isSession = (u: unknown): u is string | undefined => u === undefined || ExactJson.isText(u)

/** The entry, or the reason why its fields are malformed. */
const parseEntry = (key: string, fields: Fields): KeyValue | string => {
  const { CreateIndex, Flags, LockIndex, ModifyIndex, Session, Value } = fields
  const value = valueOf(Value)
  if (value === undefined) return "the value is not base64"
  const flags = flagsOf(Flags)
  if (flags === undefined) return "the flags are no uint64"
  if (!isSession(Session)) return "the session is no text"
  if (!isIndex(LockIndex)) return "the lock index is no index"
  if (!isIndex(CreateIndex) || !isIndex(ModifyIndex)) return "the indexes are none"
  return {
    key,
    value,
    flags,
    session: Session === "" ? undefined : Session,
    lockIndex: LockIndex,
    createIndex: CreateIndex,
    modifyIndex: ModifyIndex
  }
}

/** The entry of an item, or the reason why the item is malformed. */
export const entryOf = (item: unknown): KeyValue | string => {
  const key = isFields(item) ? item["Key"] : undefined
  if (!isFields(item) || typeof key !== "string") return "not a key/value entry"
  return ExactJson.isWellFormed(key) ? parseEntry(key, item) : "the key is not valid UTF-8"
}

/** Whether an entry has to be read again by who keeps large integers: only its flags may be one. */
export const isRounded = (item: unknown): boolean => isFields(item) && ExactJson.isRounded(item["Flags"])

/** Mutable, and filled by a loop: it runs over every entry of a prefix for every change. */
export class Entries {
  private readonly entries: Array<KeyValue> = []
  private readonly invalidUtf8Keys: Array<string> = []
  private readonly malformed: Array<Malformed> = []
  private count = 0
  private first: string | undefined
  private last = ""
  /** Consul's order is that of the keys' bytes, which differs from that of JavaScript for some keys. */
  private isInOrder = true

  constructor(private readonly range: KeyRange) {}

  /** Adds an entry as `JSON.parse` has read it. Returns why the answer is refused; none if it is not. */
  add(item: unknown, mayBeIllFormed: boolean): string | undefined {
    const key = isFields(item) ? item["Key"] : undefined
    if (!isFields(item) || typeof key !== "string") return `entry ${this.count} is not a key/value entry`
    this.count += 1
    if (mayBeIllFormed && !ExactJson.isWellFormed(key)) {
      const name = ExactJson.shown(key)
      if (!contains(this.range, name)) return outside(name, this.range)
      this.invalidUtf8Keys.push(name)
      return undefined
    }
    if (this.first === undefined) this.first = key
    else if (!(key > this.last)) {
      if (key === this.last) return twice(key)
      this.isInOrder = false
    }
    this.last = key
    const entry = parseEntry(key, item)
    if (typeof entry === "string") this.malformed.push({ key, reason: entry })
    else this.entries.push(entry)
    return undefined
  }

  /** All entries, or why the answer is refused. */
  end(): KeyValues | string {
    const { entries, malformed, invalidUtf8Keys } = this
    return this.problem() ?? { entries, invalidUtf8Keys, malformed }
  }

  /**
   * If the keys are in order, it is enough to check the first and the last: each key between them has their prefix, and comes
   * once.
   */
  private problem(): string | undefined {
    if (this.first === undefined) return undefined
    if (this.isInOrder) {
      if (!contains(this.range, this.first)) return outside(this.first, this.range)
      return contains(this.range, this.last) ? undefined : outside(this.last, this.range)
    }
    const keys = [...this.entries, ...this.malformed].map(({ key }) => key)
    return oddOneOf(keys, this.range)
  }
}

const twice = (key: string): string => `the key ${JSON.stringify(key)} comes twice`

const outside = (key: string, { exact, prefix }: KeyRange): string =>
  `the key ${JSON.stringify(key)} is not ${exact ? "" : "under "}${JSON.stringify(prefix)}, which was asked for`

/** Why names are refused: one is not in the range, or comes twice. The names may be in any order. */
const oddOneOf = (names: Iterable<string>, range: KeyRange): string | undefined => {
  const earlier = new Set<string>()
  for (const name of names) {
    if (!contains(range, name)) return outside(name, range)
    if (earlier.has(name)) return twice(name)
    earlier.add(name)
  }
  return undefined
}

/** Why a listing of names, which are well-formed, is refused; none if it is not. */
export const oddName = (names: ReadonlyArray<string>, range: KeyRange): string | undefined => {
  let last = names[0]
  if (last === undefined) return undefined
  for (let i = 1; i < names.length; i++) {
    const name = names[i] ?? ""
    if (!(name > last)) return oddOneOf(names, range)
    last = name
  }
  return oddOneOf(new Set([names[0] ?? "", last]), range)
}
