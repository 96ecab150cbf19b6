/**
 * Requests for keys whose path carries a name, and the answers to them.
 */
import * as Effect from "effect/Effect"
import type { ConsulError, UnexpectedAnswer } from "../../ConsulError.js"
import type { KeyValues } from "../../KeyValue.js"
import * as Monotonic from "../effect/Monotonic.js"
import { emit } from "../report/EventSink.js"
import type { ReadOptions } from "./Consul.js"
import type * as EntryReader from "./EntryReader.js"
import { encodePath } from "./KeyPath.js"
import { fromEither, type Received, type Request, type Send, unexpected } from "./Request.js"

/** Returns a reader for the body of an answer, by the headers of the answer. */
type ReaderOf = Parameters<Send>[2]

export const nothing: KeyValues = { entries: [], invalidUtf8Keys: [], malformed: [] }

const isNone = ({ entries, malformed, invalidUtf8Keys }: KeyValues): boolean =>
  entries.length + malformed.length + invalidUtf8Keys.length === 0

/**
 * Consul answers a read of nothing with 404, an index and no text. A 404 with a text is the answer of another program, and Consul
 * never answers an empty list. If either were taken for an empty prefix, the destination would lose its keys.
 */
export const orAbsent = <A>(
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

/** The entries of an answer that `reader` has read. */
export const entriesOf = (
  received: Received,
  reader: EntryReader.TextReader<KeyValues>
): Effect.Effect<KeyValues, UnexpectedAnswer> =>
  orAbsent(
    received,
    nothing,
    Effect.suspend(() => fromEither(received, reader.end())),
    isNone
  )

/** A reader that keeps only the beginning of an answer. */
export const beginReader = () => {
  let begin = ""
  return {
    write: (text: string): boolean => {
      if (begin.length < 16) begin += text.slice(0, 16)
      return true
    },
    begin: () => begin
  }
}

/** Sends a request whose path carries the name. Returns none if no path carries the name. */
export const byPath = Effect.fnUntraced(function* (
  send: Send,
  name: string,
  request: Omit<Request, "path" | "name">,
  also: ReadonlyArray<number>,
  reader?: ReaderOf
): Effect.fn.Return<Received | undefined, ConsulError> {
  const { endpoint, names } = send
  if (names.size > 0) names.forget(yield* Monotonic.now)
  if (!names.carries(name)) return undefined
  const path = `/v1/kv/${encodePath(name)}`
  const received = yield* send({ ...request, path, name }, also, reader)
  const { nameRefusal } = received
  if (nameRefusal === undefined) return received
  if (names.refuse(name, nameRefusal, yield* Monotonic.now)) {
    const { address, datacenter } = endpoint
    yield* emit({ _tag: "NameNotCarried", address, datacenter, key: name })
  }
  return undefined
})

/** Reads by a path that carries the name. */
export const readPath = (
  send: Send,
  name: string,
  query: Record<string, string>,
  read: ReadOptions | undefined,
  reader?: ReaderOf
): Effect.Effect<Received | undefined, ConsulError> =>
  byPath(send, name, { method: "GET", query, read }, [404], reader)

/** An answer about a prefix. */
export interface PartAnswer {
  /** The longest leading part of the prefix that a path carries. */
  readonly part: string
  readonly received: Received
  /** The beginning of the body, if it was read by {@link beginReader}. */
  readonly begin: string
}

/** Reads by the longest leading part of the name that a path carries. Every Consul accepts the empty name. */
export const byPart = Effect.fnUntraced(function* (
  send: Send,
  name: string,
  query: (part: string) => Record<string, string>,
  options: ReadOptions,
  reader?: () => ReturnType<typeof beginReader>
): Effect.fn.Return<PartAnswer, ConsulError> {
  for (;;) {
    const part = send.names.leadingPart(name)
    const made = reader?.()
    const received = yield* readPath(send, part, query(part), options, made && (() => made))
    if (received !== undefined) return { part, received, begin: made?.begin() ?? "" }
  }
})
