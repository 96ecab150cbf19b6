/**
 * Asks for keys by name: which exist, and which the token may read.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import { Conflict, type ConsulError } from "../../ConsulError.js"
import { under } from "../../KeyRange.js"
import { Operation } from "../../Operation.js"
import type { Presence } from "./Consul.js"
import * as EntryReader from "./EntryReader.js"
import * as Refusals from "./Refusals.js"
import { fromEither, type Send, unexpected } from "./Request.js"
import { encodeAll, notAskedFor } from "./Transaction.js"

/** The most operations that Consul accepts in one transaction. */
const mostOperations = 64

/** The most transactions at the same time. */
const concurrency = 4

const allExist: Presence = { absent: new Set(), unreadable: new Set(), created: new Map() }

/** Whether a transaction that only reads failed because some of its keys do not exist. */
export const isAbsence = (error: ConsulError): error is Conflict =>
  error instanceof Conflict &&
  error.failures.length > 0 &&
  error.failures.every(({ reason }) => Refusals.isAbsence(reason))

/** Reads keys that exist. Fails with a `Conflict` if some do not. */
const readAll = Effect.fnUntraced(function* (
  send: Send,
  keys: ReadonlyArray<string>
): Effect.fn.Return<Presence, ConsulError> {
  const reader = EntryReader.ofResults(under(""))
  const operations = keys.map((key) => Operation.Get({ key }))
  const received = yield* send(
    {
      method: "PUT",
      path: "/v1/txn",
      read: { consistency: "consistent" },
      body: encodeAll(operations, send.endpoint)
    },
    [],
    () => reader
  )
  const { entries, malformed, invalidUtf8Keys } = yield* fromEither(received, reader.end())
  const read = new Set([...entries, ...malformed].map(({ key }) => key))
  const asked = new Set(keys)
  const other = [...read, ...invalidUtf8Keys].find((key) => !asked.has(key))
  if (other !== undefined) return yield* unexpected(received, notAskedFor(other))
  return {
    absent: new Set<string>(),
    unreadable: new Set(keys.filter((key) => !read.has(key))),
    created: new Map(entries.map(({ createIndex, key }) => [key, createIndex]))
  }
})

/**
 * A transaction of reads fails with each key that does not exist, whatever the token may read. It leaves out the keys that the
 * token may not read (1.8.7). So after a failure the keys that exist are read again. One of them may have been deleted
 * meanwhile.
 */
const presenceOf = (send: Send, keys: ReadonlyArray<string>): Effect.Effect<Presence, ConsulError> =>
  Effect.catchIf(readAll(send, keys), isAbsence, (error) => {
    const absent = new Set(Arr.filterMap(error.failures, ({ operation }) => Arr.get(keys, operation)))
    if (absent.size < error.failures.length) return Effect.fail(error)
    const existing = keys.filter((key) => !absent.has(key))
    const rest = existing.length === 0 ? Effect.succeed(allExist) : presenceOf(send, existing)
    return Effect.map(rest, (rest): Presence => ({ ...rest, absent: new Set([...absent, ...rest.absent]) }))
  })

/** Which of the keys exist. Never stale. */
export const make = (send: Send) =>
  Effect.fn("ConsulHttp.kv.presence")(function* (
    keys: ReadonlyArray<string>
  ): Effect.fn.Return<Presence, ConsulError> {
    const parts = Arr.chunksOf(Arr.dedupe(keys), mostOperations)
    const all = yield* Effect.forEach(parts, (part) => presenceOf(send, part), { concurrency })
    return {
      absent: new Set(all.flatMap(({ absent }) => [...absent])),
      unreadable: new Set(all.flatMap(({ unreadable }) => [...unreadable])),
      created: new Map(all.flatMap(({ created }) => [...created]))
    }
  })
