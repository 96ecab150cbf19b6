/**
 * Transactions: up to 64 operations on keys, which succeed or fail together.
 */
import * as Either from "effect/Either"
import { type ByteString, quote } from "../go/ByteString.js"
import * as OrderedMap from "../go/OrderedMap.js"
import * as Sessions from "./Sessions.js"
import * as Store from "./Store.js"

/** An operation of a request. Its verb may be unknown. A field that the request lacks has its zero value. */
export interface Operation extends Store.Write {
  readonly verb: ByteString
  readonly session: ByteString
  readonly index: bigint
}

/** The failure of an operation. */
export interface Failure {
  /** The position of the operation, counted from 0. */
  readonly opIndex: number
  /** Consul's message. */
  readonly what: ByteString
}

/** The entries that the operations return, or the failures of all operations that failed. */
export type Outcome =
  | { readonly _tag: "Results"; readonly results: ReadonlyArray<Store.Entry> }
  | { readonly _tag: "Failures"; readonly failures: ReadonlyArray<Failure> }

const writes: ReadonlySet<ByteString> = new Set([
  "set",
  "delete",
  "delete-cas",
  "delete-tree",
  "cas",
  "lock",
  "unlock"
])

/** Whether an operation writes. A transaction without such an operation makes no log entry. */
export const isWrite = (operation: Operation): boolean => writes.has(operation.verb)

/** Checks a transaction, as the leader does before the log entry. */
export const check = (
  state: Store.State,
  operations: ReadonlyArray<Operation>,
  now: number
): ReadonlyArray<Failure> =>
  operations.flatMap(({ verb, key }, opIndex) => {
    if (key === "" && verb !== "delete-tree") return [{ opIndex, what: "Must provide key" }]
    if (verb !== "lock" || !Sessions.isDelayed(state, key, now)) return []
    return [{ opIndex, what: `failed to lock key ${quote(key)} due to lock delay` }]
  })

/** Runs every operation on the draft, even after a failure: Consul reports all of them. */
export const run = (draft: Store.Draft, operations: ReadonlyArray<Operation>): Outcome => {
  const results: Array<Store.Entry> = []
  const failures: Array<Failure> = []
  for (const [opIndex, operation] of operations.entries()) {
    const done = perform(draft, operation)
    if (Either.isLeft(done)) failures.push({ opIndex, what: done.left })
    else results.push(...done.right)
  }
  return failures.length > 0 ? { _tag: "Failures", failures } : { _tag: "Results", results }
}

type Done = Either.Either<ReadonlyArray<Store.Entry>, ByteString>

const nothing: Done = Either.right([])
const none = new Uint8Array(0)

/** The entry without its value: only `get` and `get-tree` return values. */
const bare = (entry: Store.Entry): Done => Either.right([{ ...entry, value: none }])

const bareOr = (entry: Store.Entry | undefined, problem: ByteString): Done =>
  entry === undefined ? Either.left(problem) : bare(entry)

const perform = (draft: Store.Draft, operation: Operation): Done => {
  const { key, session, index } = operation
  const name = quote(key)
  switch (operation.verb) {
    case "set":
      return bare(Store.set(draft, operation))
    case "cas":
      return bareOr(Store.cas(draft, operation, index), `failed to set key ${name}, index is stale`)
    case "lock":
      return Either.flatMap(acquirer(draft.state, session), () =>
        bareOr(Store.lock(draft, operation, session), `failed to lock key ${name}, lock is already held`)
      )
    case "unlock":
      return session === ""
        ? Either.left("missing session")
        : bareOr(
            Store.unlock(draft, operation, session),
            `failed to unlock key ${name}, lock isn't held, or is held by another session`
          )
    case "delete":
      Store.remove(draft, key)
      return nothing
    case "delete-cas":
      return Store.removeCas(draft, key, index)
        ? nothing
        : Either.left(`failed to delete key ${name}, index is stale`)
    case "delete-tree":
      Store.removePrefix(draft, key)
      return nothing
    default:
      return read(draft.state, operation, name)
  }
}

const read = (state: Store.State, { verb, key, session, index }: Operation, name: ByteString): Done => {
  const entry = OrderedMap.get(state.kv, key)
  switch (verb) {
    case "get":
      return entry === undefined ? Either.left(`key ${name} doesn't exist`) : Either.right([entry])
    case "get-tree":
      return Either.right(Store.under(state.kv, key))
    case "check-not-exists":
      return entry === undefined ? nothing : Either.left(`key ${name} exists`)
    case "check-index":
      if (entry === undefined) return Either.left(`failed to check index, key ${name} doesn't exist`)
      return BigInt(entry.modifyIndex) === index
        ? bare(entry)
        : Either.left(
            `failed index check for key ${name}, current modify index ${entry.modifyIndex} != ${index}`
          )
    case "check-session":
      if (entry === undefined) return Either.left(`failed to check session, key ${name} doesn't exist`)
      return entry.session === session
        ? bare(entry)
        : Either.left(
            `failed session check for key ${name}, current session ${quote(entry.session)} != ${quote(session)}`
          )
    default:
      return Either.left(`unknown KV verb ${quote(verb)}`)
  }
}

/** Checks that a session may acquire locks: the request names it, and it exists. */
export const acquirer = (state: Store.State, session: ByteString): Either.Either<void, ByteString> =>
  session === ""
    ? Either.left("missing session")
    : Either.flatMap(Sessions.find(state, session), (live) =>
        live === undefined ? Either.left(`invalid session ${quote(session)}`) : Either.void
      )
