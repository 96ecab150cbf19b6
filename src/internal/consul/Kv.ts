/** Keys: by paths, and by transactions if no path carries their names. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type ConsulError, UnexpectedAnswer } from "../../ConsulError.js"
import { type KeyRange, only, under } from "../../KeyRange.js"
import type { KeyValues } from "../../KeyValue.js"
import { Operation } from "../../Operation.js"
import type { Value } from "../../Value.js"
import type { Answer, Consul, FoldOptions, KeysOptions, PutCondition, ReadOptions } from "./Consul.js"
import { decode } from "./Document.js"
import { decodeNames } from "./EntryJson.js"
import * as EntryReader from "./EntryReader.js"
import { beginReader, byPart, byPath, entriesOf, nothing, orAbsent, readPath } from "./KvPath.js"
import * as Presence from "./Presence.js"
import { answer, fromEither, indexed, type Received, type Send, unexpected } from "./Request.js"
import { encodeAll, succeeds, transaction } from "./Transaction.js"

const decodeSuccess = decode(Schema.Boolean)

/**
 * Whether a prefix has keys, with its index. The index of a prefix that no path carries is the index of a part, which moves
 * more often.
 */
const readMoved = Effect.fnUntraced(function* (
  send: Send,
  prefix: string,
  options: FoldOptions = {}
): Effect.fn.Return<Answer<boolean>, ConsulError> {
  const { separator } = options
  const { begin, received } = yield* byPart(
    send,
    prefix,
    () => ({ keys: "", ...(separator !== undefined && { separator }) }),
    options,
    beginReader
  )
  const present = begin.startsWith("[")
    ? Effect.succeed(true)
    : Effect.fail(unexpected(received, "not a list of names"))
  return yield* indexed(received, yield* orAbsent(received, false, present, () => begin.trim() === "[]"))
})

/**
 * Reads a name that no path carries. A transaction accepts every key, but its answer has no index. The entries are not older than
 * `before`, an answer that was read earlier, and not older than the newest entry: the index of the answer is the higher of both.
 */
const readByTransaction = Effect.fnUntraced(function* (
  send: Send,
  operation: Operation,
  range: KeyRange,
  before: Answer<boolean>,
  options: ReadOptions = {}
): Effect.fn.Return<Answer<KeyValues>, ConsulError> {
  const { maxBytes } = options
  const reader = EntryReader.ofResults(range)
  const received = yield* send(
    {
      method: "PUT",
      path: "/v1/txn",
      read: { consistency: "consistent", maxBytes },
      body: encodeAll([operation], send.endpoint)
    },
    [],
    () => reader
  )
  const value = yield* fromEither(received, reader.end())
  const index = value.entries.reduce((newest, entry) => Math.max(newest, entry.modifyIndex), before.index)
  return { ...answer(received, value), index }
})

const readTree = (send: Send, prefix: string, before: Answer<boolean>, options: ReadOptions | undefined) =>
  readByTransaction(send, Operation.GetTree({ key: prefix }), under(prefix), before, options)

const readList = Effect.fnUntraced(function* (
  send: Send,
  prefix: string,
  options: ReadOptions | undefined
): Effect.fn.Return<Answer<KeyValues>, ConsulError> {
  const reader = EntryReader.ofList(under(prefix))
  const received = yield* readPath(send, prefix, { recurse: "" }, options, () => reader)
  if (received === undefined) {
    return yield* readTree(send, prefix, yield* readMoved(send, prefix, options), options)
  }
  return yield* indexed(received, yield* entriesOf(received, reader))
})

const readNewer = Effect.fnUntraced(function* (
  send: Send,
  prefix: string,
  options: ReadOptions & { readonly index: number }
): Effect.fn.Return<Answer<Option.Option<KeyValues>>, ConsulError> {
  const reader = EntryReader.ofList(under(prefix))
  const isNewer = (headers: Received["headers"]) => Number(headers["x-consul-index"]) !== options.index
  const received = yield* readPath(send, prefix, { recurse: "" }, options, (headers) =>
    isNewer(headers) ? reader : beginReader()
  )
  if (received === undefined) {
    const now = yield* readMoved(send, prefix, options)
    if (now.index === options.index && now.value) return { ...now, value: Option.none<KeyValues>() }
    const { value, ...answer } = yield* readTree(send, prefix, now, options)
    return { ...answer, value: Option.some(value) }
  }
  // A prefix that a delete of a shorter prefix has emptied keeps its index.
  const isSame = received.status !== 404 && !isNewer(received.headers)
  const nothingNew = yield* indexed(received, Option.none<KeyValues>())
  return isSame ? nothingNew : { ...nothingNew, value: Option.some(yield* entriesOf(received, reader)) }
})

const readEntry = Effect.fnUntraced(function* (
  send: Send,
  key: string,
  options: ReadOptions | undefined
): Effect.fn.Return<Answer<KeyValues>, ConsulError> {
  const reader = EntryReader.ofList(only(key))
  const received = key === "" ? undefined : yield* readPath(send, key, {}, options, () => reader)
  if (received !== undefined) return yield* indexed(received, yield* entriesOf(received, reader))
  const now = yield* readMoved(send, key, options)
  return yield* readByTransaction(send, Operation.Get({ key }), only(key), now, options).pipe(
    Effect.catchIf(Presence.isAbsence, () => Effect.succeed({ ...now, value: nothing }))
  )
})

const readNames = Effect.fnUntraced(function* (
  send: Send,
  prefix: string,
  options: KeysOptions
): Effect.fn.Return<Answer<ReadonlyArray<string>>, ConsulError> {
  const { before, separator } = options
  // Consul folds at the first separator behind the part in the path, which is too early for a longer prefix.
  const query = (part: string) => ({
    keys: "",
    ...(separator !== undefined && part === prefix && { separator })
  })
  const { part, received } = yield* byPart(send, prefix, query, options)
  const decoded = Effect.suspend(() => fromEither(received, decodeNames(received.text, before, part)))
  // Consul answers an empty list only for the names of a store without keys.
  const all = yield* orAbsent(received, [], decoded, () => received.text.trim() === "[]" && part !== "")
  return yield* indexed(
    received,
    fold(part === prefix ? all : all.filter((key) => key.startsWith(prefix)), prefix, separator)
  )
})

const put = Effect.fnUntraced(function* (
  send: Send,
  entry: { readonly key: string; readonly value: Value; readonly flags?: bigint | undefined },
  condition: PutCondition | undefined
): Effect.fn.Return<boolean, ConsulError> {
  const { flags = 0n, key, value } = entry
  const body = yield* decodeValue(key, value)
  const query = { flags: String(flags), ...conditionQuery(condition) }
  const received = key === "" ? undefined : yield* byPath(send, key, { method: "PUT", query, body }, [])
  return received === undefined
    ? yield* succeeds(transaction(send)([putOperation({ key, value, flags }, condition)]))
    : yield* decodeSuccess(received)
})

const remove = Effect.fnUntraced(function* (
  send: Send,
  key: string,
  condition: { readonly cas: number } | undefined
): Effect.fn.Return<boolean, ConsulError> {
  const query: Record<string, string> = condition === undefined ? {} : { cas: String(condition.cas) }
  const received = key === "" ? undefined : yield* byPath(send, key, { method: "DELETE", query }, [])
  if (received !== undefined) return yield* decodeSuccess(received)
  const operation =
    condition === undefined ? Operation.Delete({ key }) : Operation.DeleteCas({ key, index: condition.cas })
  return yield* succeeds(transaction(send)([operation]))
})

export const make = (send: Send): Consul["kv"] => {
  const { address, datacenter } = send.endpoint
  const place = datacenter === undefined ? address : `${address} for ${datacenter}`
  return {
    list: Effect.fn("ConsulHttp.kv.list")((prefix: string, options?: ReadOptions) =>
      readList(send, prefix, options)
    ),
    newer: Effect.fn("ConsulHttp.kv.newer")(
      (prefix: string, options: ReadOptions & { readonly index: number }) => readNewer(send, prefix, options)
    ),
    entry: Effect.fn("ConsulHttp.kv.entry")((key: string, options?: ReadOptions) =>
      readEntry(send, key, options)
    ),
    get: Effect.fn("ConsulHttp.kv.get")(function* (key: string, options?: ReadOptions) {
      const { value, ...answer } = yield* readEntry(send, key, options)
      const [malformed] = value.malformed
      if (malformed === undefined) return { ...answer, value: Arr.head(value.entries) }
      return yield* new UnexpectedAnswer({
        request: `the key ${JSON.stringify(key)} at ${place}`,
        reason: malformed.reason
      })
    }),
    keys: Effect.fn("ConsulHttp.kv.keys")((prefix: string, options: KeysOptions = {}) =>
      readNames(send, prefix, options)
    ),
    moved: Effect.fn("ConsulHttp.kv.moved")((prefix: string, options?: FoldOptions) =>
      readMoved(send, prefix, options)
    ),
    presence: Presence.make(send),
    isNameable: (name) => send.names.carries(name),
    put: Effect.fn("ConsulHttp.kv.put")(
      (
        entry: { readonly key: string; readonly value: Value; readonly flags?: bigint | undefined },
        condition?: PutCondition
      ) => put(send, entry, condition)
    ),
    delete: Effect.fn("ConsulHttp.kv.delete")((key: string, condition?: { readonly cas: number }) =>
      remove(send, key, condition)
    )
  }
}

/** Each key up to the first separator behind the prefix, with it. Equal names are adjacent, and are returned once. */
const fold = (
  keys: ReadonlyArray<string>,
  prefix: string,
  separator: string | undefined
): ReadonlyArray<string> => {
  if (separator === undefined || separator === "") return keys
  const folded = keys.map((key) => {
    const at = key.indexOf(separator, prefix.length)
    return at < 0 ? key : key.slice(0, at + separator.length)
  })
  return Arr.dedupeAdjacent(folded)
}

/** The bytes of a value. The error of `Encoding` has its input, which must not reach a log. */
const decodeValue = (key: string, value: string): Effect.Effect<Uint8Array> =>
  Effect.orElse(Encoding.decodeBase64(value), () =>
    Effect.dieMessage(`the value for ${JSON.stringify(key)} is not base64`)
  )

const conditionQuery = (condition: PutCondition | undefined): Record<string, string> =>
  condition === undefined
    ? {}
    : "cas" in condition
      ? { cas: String(condition.cas) }
      : "acquire" in condition
        ? { acquire: condition.acquire }
        : { release: condition.release }

const putOperation = (
  entry: { readonly key: string; readonly value: Value; readonly flags: bigint },
  condition: PutCondition | undefined
): Operation =>
  condition === undefined
    ? Operation.Set(entry)
    : "cas" in condition
      ? Operation.Cas({ ...entry, index: condition.cas })
      : "acquire" in condition
        ? Operation.Lock({ ...entry, session: condition.acquire })
        : Operation.Unlock({ ...entry, session: condition.release })
