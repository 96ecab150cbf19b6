/** KV and transactions. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Conflict, type ConsulError, Denied, isDenial, type UnexpectedAnswer } from "../../ConsulError.js"
import type {
  Answer,
  Consul,
  FoldOptions,
  KeysOptions,
  Presence,
  PutCondition,
  ReadOptions
} from "../../ConsulHttp.js"
import {
  checkResults,
  decodeList,
  decodeNames,
  decodeResults,
  decodeTree,
  type KeyValues
} from "../../KeyValue.js"
import { encode, Operation } from "../../Operation.js"
import { encodePath, isNameable, nameablePart } from "./keyPath.js"
import { answer, decode, fromEither, indexed, type Received, type Send, unexpected } from "./request.js"

const decodeSuccess = decode(Schema.Boolean)

const nothing: KeyValues = { entries: [], unnameable: [] }

const allThere: Presence = { absent: new Set(), hidden: new Set() }

/** What Consul takes in one transaction. */
const mostOperations = 64

/** Transactions at once that only ask which keys there are. */
const presencesAtOnce = 4

/**
 * Consul says "there is nothing" with an empty 404 that carries an index. Any other 404 is somebody else's, and an
 * empty list is none of its answers: taking either for an empty prefix would empty the replica.
 */
const found = <A>(
  received: Received,
  absent: A,
  present: Effect.Effect<A, UnexpectedAnswer>,
  isEmpty: (a: A) => boolean
): Effect.Effect<A, UnexpectedAnswer> =>
  received.status === 404
    ? received.text === ""
      ? Effect.succeed(absent)
      : Effect.fail(unexpected(received, "404 with a text"))
    : Effect.filterOrFail(
        present,
        (a) => !isEmpty(a),
        () => unexpected(received, "200 with nothing in it")
      )

export const make = (send: Send): Consul["kv"] => {
  const read = (path: string, query: Record<string, string>, options: ReadOptions | undefined) =>
    send({ method: "GET", path: `/v1/kv/${path}`, query, read: options }, [404])

  const entries = (received: Received) =>
    found(
      received,
      nothing,
      fromEither(received, decodeList(received.text)),
      (all) => all.entries.length + all.unnameable.length === 0
    )

  const readMoved = Effect.fnUntraced(function* (prefix: string, options: FoldOptions = {}) {
    const { separator } = options
    // Of a prefix that no path can name, the index is that of the part that one can: it moves more often.
    const received = yield* read(
      encodePath(nameablePart(prefix)),
      { keys: "", ...(separator !== undefined && { separator }) },
      options
    )
    const present = received.text.startsWith("[")
      ? Effect.succeed(true)
      : Effect.fail(unexpected(received, "not a list of names"))
    return yield* indexed(received, yield* found(received, false, present, () => received.text === "[]"))
  })

  /**
   * Reads what no path can name. A transaction takes every key, but answers without an index: what it finds is no older
   * than the index that was asked for before, and than anything in it.
   */
  const readByTransaction = Effect.fnUntraced(function* (operation: Operation, { index }: Answer<boolean>) {
    const received = yield* send({
      method: "PUT",
      path: "/v1/txn",
      read: { consistency: "consistent" },
      body: `[${encode(operation)}]`
    })
    const value = yield* fromEither(received, decodeTree(received.text))
    const newest = value.entries.reduce((newest, entry) => Math.max(newest, entry.modifyIndex), index)
    return { ...answer(received, value), index: newest }
  })

  /**
   * A transaction that reads says of each key that is not there that it does not exist, whatever the token may read, and
   * leaves out what that may not (1.8.7). Asks on of those that are there, as one of them can have gone meanwhile.
   */
  const presenceOf = (keys: ReadonlyArray<string>): Effect.Effect<Presence, ConsulError> =>
    send({
      method: "PUT",
      path: "/v1/txn",
      read: { consistency: "consistent" },
      body: `[${keys.map((key) => encode(Operation.Get({ key }))).join(",")}]`
    }).pipe(
      Effect.flatMap((received) => fromEither(received, decodeTree(received.text))),
      Effect.map(({ entries }): Presence => {
        const read = new Set(entries.map(({ key }) => key))
        return { absent: new Set(), hidden: new Set(keys.filter((key) => !read.has(key))) }
      }),
      Effect.catchIf(isAbsence, ({ failures }) => {
        const absent = failures.map(({ operation }) => keys[operation] ?? "")
        const there = keys.filter((key) => !absent.includes(key))
        const rest = there.length === 0 ? Effect.succeed(allThere) : presenceOf(there)
        return Effect.map(
          rest,
          (rest): Presence => ({ ...rest, absent: new Set([...absent, ...rest.absent]) })
        )
      })
    )

  const presence = Effect.fn("ConsulHttp.kv.presence")(function* (keys: ReadonlyArray<string>) {
    const parts = Arr.chunksOf(keys, mostOperations)
    const all = yield* Effect.forEach(parts, presenceOf, { concurrency: presencesAtOnce })
    return {
      absent: new Set(all.flatMap(({ absent }) => [...absent])),
      hidden: new Set(all.flatMap(({ hidden }) => [...hidden]))
    }
  })

  const readTree = (prefix: string, now: Answer<boolean>) =>
    readByTransaction(Operation.GetTree({ key: prefix }), now)

  const readUnder = (prefix: string, options: ReadOptions | undefined) =>
    read(encodePath(prefix), { recurse: "" }, options)

  const canName = (prefix: string): boolean => prefix === "" || isNameable(prefix)

  const list = Effect.fn("ConsulHttp.kv.list")(function* (prefix: string, options?: ReadOptions) {
    if (!canName(prefix)) return yield* readTree(prefix, yield* readMoved(prefix, options))
    const received = yield* readUnder(prefix, options)
    return yield* indexed(received, yield* entries(received))
  })

  const newer = Effect.fn("ConsulHttp.kv.newer")(function* (
    prefix: string,
    options: ReadOptions & { readonly index: number }
  ) {
    if (!canName(prefix)) {
      const now = yield* readMoved(prefix, options)
      if (now.index === options.index) return { ...now, value: Option.none<KeyValues>() }
      const { value, ...answer } = yield* readTree(prefix, now)
      return { ...answer, value: Option.some(value) }
    }
    const received = yield* readUnder(prefix, options)
    const nothingNew = yield* indexed(received, Option.none<KeyValues>())
    if (nothingNew.index === options.index) return nothingNew
    return { ...nothingNew, value: Option.some(yield* entries(received)) }
  })

  const get = Effect.fn("ConsulHttp.kv.get")(function* (key: string, options?: ReadOptions) {
    const one = (all: KeyValues) => Option.fromNullable(all.entries.find((entry) => entry.key === key))
    if (!isNameable(key)) {
      const now = yield* readMoved(key, options)
      const { value, ...answer } = yield* readByTransaction(Operation.Get({ key }), now).pipe(
        Effect.catchIf(isAbsence, () => Effect.succeed({ ...now, value: nothing }))
      )
      return { ...answer, value: one(value) }
    }
    const received = yield* read(encodePath(key), {}, options)
    return yield* indexed(received, one(yield* entries(received)))
  })

  const keys = Effect.fn("ConsulHttp.kv.keys")(function* (prefix: string, options: KeysOptions = {}) {
    const part = nameablePart(prefix)
    const { before, separator } = options
    // Consul folds at the first separator after what the path names, which for such a prefix comes too early.
    const query = { keys: "", ...(separator !== undefined && part === prefix && { separator }) }
    const received = yield* read(encodePath(part), query, options)
    const names = fromEither(received, decodeNames(received.text, before))
    // The keys of a store without any are the one empty list that Consul answers.
    const all = yield* found(received, [], names, () => received.text.trim() === "[]" && part !== "")
    return yield* indexed(
      received,
      fold(part === prefix ? all : all.filter((key) => key.startsWith(prefix)), prefix, separator)
    )
  })

  const moved = Effect.fn("ConsulHttp.kv.moved")(readMoved)

  const commit = transaction(send)

  const put = Effect.fn("ConsulHttp.kv.put")(function* (
    entry: { readonly key: string; readonly value: string; readonly flags?: bigint | undefined },
    condition?: PutCondition
  ) {
    const { flags = 0n, key, value } = entry
    const bytes = yield* decodeValue(key, value)
    if (!isNameable(key)) return yield* succeeds(commit([putOperation({ key, value, flags }, condition)]))
    const received = yield* send({
      method: "PUT",
      path: `/v1/kv/${encodePath(key)}`,
      query: { flags: String(flags), ...conditionQuery(condition) },
      body: bytes
    })
    return yield* decodeSuccess(received)
  })

  const remove = Effect.fn("ConsulHttp.kv.delete")(function* (
    key: string,
    condition?: { readonly cas: number }
  ) {
    if (!isNameable(key)) {
      const operation =
        condition === undefined
          ? Operation.Delete({ key })
          : Operation.DeleteCas({ key, index: condition.cas })
      return yield* succeeds(commit([operation]))
    }
    const received = yield* send({
      method: "DELETE",
      path: `/v1/kv/${encodePath(key)}`,
      query: condition === undefined ? {} : { cas: String(condition.cas) }
    })
    return yield* decodeSuccess(received)
  })

  return { list, newer, get, keys, moved, presence, isNameable, put, delete: remove }
}

/** Each key up to and with the first separator after the prefix, without repetitions, which stand side by side. */
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

/** What Consul says of each `get` in a transaction where there is no such key. */
const isAbsence = (error: ConsulError): error is Conflict =>
  error instanceof Conflict &&
  error.failures.length > 0 &&
  error.failures.every(({ reason }) => reason.endsWith("doesn't exist"))

/** The error of `Encoding` holds its input, which is not for logs. */
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
  entry: { readonly key: string; readonly value: string; readonly flags: bigint },
  condition: PutCondition | undefined
): Operation =>
  condition === undefined
    ? Operation.Set(entry)
    : "cas" in condition
      ? Operation.Cas({ ...entry, index: condition.cas })
      : "acquire" in condition
        ? Operation.Lock({ ...entry, session: condition.acquire })
        : Operation.Unlock({ ...entry, session: condition.release })

/** What a PUT answers with `false`, a transaction answers with a conflict; what it answers with 500 or 403 too. */
const succeeds = <A>(effect: Effect.Effect<A, ConsulError>): Effect.Effect<boolean, ConsulError> =>
  effect.pipe(
    Effect.as(true),
    Effect.catchTag("Conflict", (error): Effect.Effect<boolean, ConsulError> => {
      const [reason = ""] = error.failures.map(({ reason }) => reason)
      if (isDenial(reason)) return new Denied({ request: error.request, reason })
      return reason.startsWith("invalid session") ? error : Effect.succeed(false)
    })
  )

/** Says which keys the operations were on. */
const named = ({ failures, request }: Conflict, operations: ReadonlyArray<Operation>): Conflict =>
  new Conflict({
    request,
    failures: failures.map((failure) => ({ ...failure, key: operations[failure.operation]?.key }))
  })

/**
 * Without a span, unlike the other members: those of the transactions that write 100,000 keys took 0.3 of the 3.6 s of
 * CPU of a first copy. Whoever sends many has one for all of them.
 */
export const transaction = (send: Send): Consul["transaction"] =>
  Effect.fnUntraced(function* (operations, { results = true } = {}) {
    const received = yield* Effect.mapError(
      send({ method: "PUT", path: "/v1/txn", body: `[${operations.map(encode).join(",")}]` }),
      (error) => (error._tag === "Conflict" ? named(error, operations) : error)
    )
    return yield* fromEither(received, results ? decodeResults(received.text) : checkResults(received.text))
  })
