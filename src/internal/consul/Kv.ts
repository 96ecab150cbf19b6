/** Keys: by paths, and by transactions where no path carries their names. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type {
  Answer,
  Consul,
  FoldOptions,
  KeysOptions,
  Presence,
  PutCondition,
  ReadOptions
} from "../../Consul.js"
import { Conflict, type ConsulError, UnexpectedAnswer } from "../../ConsulError.js"
import { type KeyRange, only, under } from "../../KeyRange.js"
import type { KeyValues } from "../../KeyValue.js"
import { Operation } from "../../Operation.js"
import type { Value } from "../../Value.js"
import * as Monotonic from "../effect/Monotonic.js"
import { emit } from "../report/EventSink.js"
import { decode } from "./Document.js"
import { decodeNames } from "./EntryJson.js"
import * as EntryReader from "./EntryReader.js"
import { encodePath } from "./KeyPath.js"
import * as Refusals from "./Refusals.js"
import { answer, fromEither, indexed, type Received, type Request, type Send, unexpected } from "./Request.js"
import { encodeAll, notAskedFor, succeeds, transaction } from "./Transaction.js"

const decodeSuccess = decode(Schema.Boolean)

const nothing: KeyValues = { entries: [], invalidUtf8Keys: [], malformed: [] }

const allThere: Presence = { absent: new Set(), unreadable: new Set(), created: new Map() }

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

/** Keeps the beginning of an answer that is not decoded. */
const glance = () => {
  let begin = ""
  return {
    write: (text: string): boolean => {
      if (begin.length < 16) begin += text.slice(0, 16)
      return true
    },
    begin: () => begin
  }
}

const isNone = ({ entries, malformed, invalidUtf8Keys }: KeyValues): boolean =>
  entries.length + malformed.length + invalidUtf8Keys.length === 0

export const make = (send: Send): Consul["kv"] => {
  const { names } = send
  const { address, datacenter } = send.endpoint
  const place = datacenter === undefined ? address : `${address} for ${datacenter}`

  /** Sends a request whose path carries the name; none where no path does, as was known or is learned now. */
  const byPath = Effect.fnUntraced(function* (
    name: string,
    request: Omit<Request, "path" | "name">,
    also: ReadonlyArray<number>,
    reader?: Parameters<Send>[2]
  ) {
    if (names.size > 0) names.forget(yield* Monotonic.now)
    if (!names.carries(name)) return undefined
    const path = `/v1/kv/${encodePath(name)}`
    const received = yield* send({ ...request, path, name }, also, reader)
    const { nameRefusal } = received
    if (nameRefusal === undefined) return received
    if (names.refuse(name, nameRefusal, yield* Monotonic.now)) {
      yield* emit({ _tag: "NameNotCarried", address, datacenter, key: name })
    }
    return undefined
  })

  /** A read by a path that carries the name. */
  const readPath = (
    name: string,
    query: Record<string, string>,
    read: ReadOptions | undefined,
    reader?: Parameters<Send>[2]
  ) => byPath(name, { method: "GET", query, read }, [404], reader)

  /** Reads by the longest leading part of the name that a path carries; the empty name is refused by no Consul. */
  const byPart = Effect.fnUntraced(function* (
    name: string,
    query: (part: string) => Record<string, string>,
    options: ReadOptions,
    reader?: () => ReturnType<typeof glance>
  ) {
    for (;;) {
      const part = names.leadingPart(name)
      const made = reader?.()
      const received = yield* readPath(part, query(part), options, made && (() => made))
      if (received !== undefined) return { part, received, begin: made?.begin() ?? "" }
    }
  })

  const entries = (received: Received, reader: EntryReader.TextReader<KeyValues>) =>
    found(
      received,
      nothing,
      Effect.suspend(() => fromEither(received, reader.end())),
      isNone
    )

  const readMoved = Effect.fnUntraced(function* (prefix: string, options: FoldOptions = {}) {
    const { separator } = options
    // Of a prefix that no path can name, the index is that of the part that one can: it moves more often.
    const { begin, received } = yield* byPart(
      prefix,
      () => ({ keys: "", ...(separator !== undefined && { separator }) }),
      options,
      glance
    )
    const present = begin.startsWith("[")
      ? Effect.succeed(true)
      : Effect.fail(unexpected(received, "not a list of names"))
    return yield* indexed(received, yield* found(received, false, present, () => begin.trim() === "[]"))
  })

  /**
   * Reads what no path can name. A transaction takes every key, but answers without an index: what it finds is no older
   * than the index that was asked for before, and than anything in it.
   */
  const readByTransaction = Effect.fnUntraced(function* (
    operation: Operation,
    range: KeyRange,
    { index }: Answer<boolean>,
    options: ReadOptions = {}
  ) {
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
    const newest = value.entries.reduce((newest, entry) => Math.max(newest, entry.modifyIndex), index)
    return { ...answer(received, value), index: newest }
  })

  /**
   * A transaction that reads says of each key that is not there that it does not exist, whatever the token may read, and
   * leaves out what that may not (1.8.7). Asks on of those that are there, as one of them can have gone meanwhile.
   */
  const presenceOf = (keys: ReadonlyArray<string>): Effect.Effect<Presence, ConsulError> =>
    Effect.gen(function* () {
      const reader = EntryReader.ofResults(under(""))
      const received = yield* send(
        {
          method: "PUT",
          path: "/v1/txn",
          read: { consistency: "consistent" },
          body: encodeAll(
            keys.map((key) => Operation.Get({ key })),
            send.endpoint
          )
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
    }).pipe(
      Effect.catchIf(isAbsence, (error) => {
        const absent = new Set(Arr.filterMap(error.failures, ({ operation }) => Arr.get(keys, operation)))
        if (absent.size < error.failures.length) return Effect.fail(error)
        const there = keys.filter((key) => !absent.has(key))
        const rest = there.length === 0 ? Effect.succeed(allThere) : presenceOf(there)
        return Effect.map(
          rest,
          (rest): Presence => ({ ...rest, absent: new Set([...absent, ...rest.absent]) })
        )
      })
    )

  const presence = Effect.fn("ConsulHttp.kv.presence")(function* (keys: ReadonlyArray<string>) {
    const parts = Arr.chunksOf(Arr.dedupe(keys), mostOperations)
    const all = yield* Effect.forEach(parts, presenceOf, { concurrency: presencesAtOnce })
    return {
      absent: new Set(all.flatMap(({ absent }) => [...absent])),
      unreadable: new Set(all.flatMap(({ unreadable }) => [...unreadable])),
      created: new Map(all.flatMap(({ created }) => [...created]))
    }
  })

  const readTree = (prefix: string, now: Answer<boolean>, options: ReadOptions | undefined) =>
    readByTransaction(Operation.GetTree({ key: prefix }), under(prefix), now, options)

  const list = Effect.fn("ConsulHttp.kv.list")(function* (prefix: string, options?: ReadOptions) {
    const reader = EntryReader.ofList(under(prefix))
    const received = yield* readPath(prefix, { recurse: "" }, options, () => reader)
    if (received === undefined) {
      return yield* readTree(prefix, yield* readMoved(prefix, options), options)
    }
    return yield* indexed(received, yield* entries(received, reader))
  })

  const newer = Effect.fn("ConsulHttp.kv.newer")(function* (
    prefix: string,
    options: ReadOptions & { readonly index: number }
  ) {
    const reader = EntryReader.ofList(under(prefix))
    const isNewer = (headers: Received["headers"]) => Number(headers["x-consul-index"]) !== options.index
    const received = yield* readPath(prefix, { recurse: "" }, options, (headers) =>
      isNewer(headers) ? reader : glance()
    )
    if (received === undefined) {
      const now = yield* readMoved(prefix, options)
      if (now.index === options.index && now.value) return { ...now, value: Option.none<KeyValues>() }
      const { value, ...answer } = yield* readTree(prefix, now, options)
      return { ...answer, value: Option.some(value) }
    }
    // What a delete from above has emptied keeps its index.
    const isSame = received.status !== 404 && !isNewer(received.headers)
    const nothingNew = yield* indexed(received, Option.none<KeyValues>())
    return isSame ? nothingNew : { ...nothingNew, value: Option.some(yield* entries(received, reader)) }
  })

  const readEntry = Effect.fnUntraced(function* (key: string, options: ReadOptions | undefined) {
    const reader = EntryReader.ofList(only(key))
    const received = key === "" ? undefined : yield* readPath(key, {}, options, () => reader)
    if (received !== undefined) return yield* indexed(received, yield* entries(received, reader))
    const now = yield* readMoved(key, options)
    return yield* readByTransaction(Operation.Get({ key }), only(key), now, options).pipe(
      Effect.catchIf(isAbsence, () => Effect.succeed({ ...now, value: nothing }))
    )
  })

  const entry = Effect.fn("ConsulHttp.kv.entry")(readEntry)

  const get = Effect.fn("ConsulHttp.kv.get")(function* (key: string, options?: ReadOptions) {
    const { value, ...answer } = yield* readEntry(key, options)
    const [malformed] = value.malformed
    if (malformed === undefined) return { ...answer, value: Arr.head(value.entries) }
    return yield* new UnexpectedAnswer({
      request: `the key ${JSON.stringify(key)} at ${place}`,
      reason: malformed.reason
    })
  })

  const keys = Effect.fn("ConsulHttp.kv.keys")(function* (prefix: string, options: KeysOptions = {}) {
    const { before, separator } = options
    // Consul folds at the first separator after what the path names, which for such a prefix comes too early.
    const query = (part: string) => ({
      keys: "",
      ...(separator !== undefined && part === prefix && { separator })
    })
    const { part, received } = yield* byPart(prefix, query, options)
    const decoded = Effect.suspend(() => fromEither(received, decodeNames(received.text, before, part)))
    // The keys of a store without any are the one empty list that Consul answers.
    const all = yield* found(received, [], decoded, () => received.text.trim() === "[]" && part !== "")
    return yield* indexed(
      received,
      fold(part === prefix ? all : all.filter((key) => key.startsWith(prefix)), prefix, separator)
    )
  })

  const moved = Effect.fn("ConsulHttp.kv.moved")(readMoved)

  const commit = transaction(send)

  const put = Effect.fn("ConsulHttp.kv.put")(function* (
    entry: { readonly key: string; readonly value: Value; readonly flags?: bigint | undefined },
    condition?: PutCondition
  ) {
    const { flags = 0n, key, value } = entry
    const body = yield* decodeValue(key, value)
    const query = { flags: String(flags), ...conditionQuery(condition) }
    const received = key === "" ? undefined : yield* byPath(key, { method: "PUT", query, body }, [])
    return received === undefined
      ? yield* succeeds(commit([putOperation({ key, value, flags }, condition)]))
      : yield* decodeSuccess(received)
  })

  const remove = Effect.fn("ConsulHttp.kv.delete")(function* (
    key: string,
    condition?: { readonly cas: number }
  ) {
    const query: Record<string, string> = condition === undefined ? {} : { cas: String(condition.cas) }
    const received = key === "" ? undefined : yield* byPath(key, { method: "DELETE", query }, [])
    if (received !== undefined) return yield* decodeSuccess(received)
    const operation =
      condition === undefined ? Operation.Delete({ key }) : Operation.DeleteCas({ key, index: condition.cas })
    return yield* succeeds(commit([operation]))
  })

  const isNameable = (name: string): boolean => names.carries(name)

  return { list, newer, get, entry, keys, moved, presence, isNameable, put, delete: remove }
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

/** Whether a transaction that only reads failed because some of its keys are not there. */
const isAbsence = (error: ConsulError): error is Conflict =>
  error instanceof Conflict &&
  error.failures.length > 0 &&
  error.failures.every(({ reason }) => Refusals.isAbsence(reason))

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
