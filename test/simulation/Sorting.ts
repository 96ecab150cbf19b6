/**
 * Sorts requests by their kind, for the faults of the network.
 */
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { KeyRange } from "../../src/KeyRange.js"
import type { Fate } from "./Plan.js"
import type { Route } from "./Route.js"

export interface Sorted {
  readonly isRead: boolean
  /** The replications whose source the request reads, with values. */
  readonly sourceOf: ReadonlyArray<Route>
  /** The replications of whose source the request lists all names. */
  readonly namesOf: ReadonlyArray<Route>
  /** The replications whose destination the request reads. */
  readonly destinationOf: ReadonlyArray<Route>
  /** Whether the answer is a list of entries, of either side. */
  readonly readsList: boolean
  readonly isBlocking: boolean
  /** The keys that the request reads, as bytes. */
  readonly ranges: ReadonlyArray<KeyRange>
  readonly isConsistent: boolean
  readonly isElsewhere: boolean
  readonly isKeys: boolean
  readonly isHeartbeat: boolean
  readonly isTransaction: boolean
  /** Whether the request writes a value that is too large for a transaction. */
  readonly isLargeWrite: boolean
}

/** A value with more bytes is written alone. */
const largeFrom = 100_000

/** The subject of a read: its target without index and wait. */
export const subject = (url: URL): string => {
  const parameters = Array.from(url.searchParams.keys()).filter((name) => name !== "index" && name !== "wait")
  return `${url.pathname}?${parameters.sort().join("&")}&dc=${url.searchParams.get("dc")}`
}

/** A key as the servers store it: a character for each byte. */
const bytesOf = (key: string): string => Buffer.from(key).toString("latin1")

/** The wait of a blocking query, in ms. */
export const waitOf = (url: URL): number => Number.parseInt(url.searchParams.get("wait") ?? "0", 10)

const Reading = Schema.parseJson(
  Schema.NonEmptyArray(
    Schema.Struct({ KV: Schema.Struct({ Verb: Schema.Literal("get", "get-tree"), Key: Schema.String }) })
  )
)

export const textOf = ({ body }: HttpClientRequest): string =>
  body._tag === "Uint8Array" ? new TextDecoder().decode(body.body) : ""

export const keysPath = "/v1/kv/"

/** The key in a path. Undefined for other paths. */
export const keyOf = (url: URL): string | undefined => {
  const path = decodeURIComponent(url.pathname)
  return path.startsWith(keysPath) ? path.slice(keysPath.length) : undefined
}

interface Read {
  readonly key: string
  readonly exact: boolean
}

/** The keys that a request reads: none for a read of something else. Undefined for a request that is no read. */
const readsOf = (request: HttpClientRequest, url: URL): ReadonlyArray<Read> | undefined => {
  if (request.method === "GET") {
    const key = keyOf(url)
    return key === undefined ? [] : [{ key, exact: !url.searchParams.has("recurse") }]
  }
  if (url.pathname !== "/v1/txn") return undefined
  return Option.match(Schema.decodeUnknownOption(Reading)(textOf(request)), {
    onNone: () => undefined,
    onSome: (operations) => operations.map(({ KV: { Key, Verb } }) => ({ key: Key, exact: Verb === "get" }))
  })
}

const none: ReadonlyArray<Route> = []

export const sort = (routes: ReadonlyArray<Route>, request: HttpClientRequest, url: URL): Sorted => {
  const reads = readsOf(request, url)
  const isTransaction = url.pathname === "/v1/txn"
  const [read] = reads ?? []
  // A transaction of several reads asks which keys exist. It is treated as a write, which is never stale.
  const isRead = reads !== undefined && (!isTransaction || reads.length === 1)
  const dc = url.searchParams.get("dc")
  const isNames = url.searchParams.has("keys")
  // A prefix that no path can carry is read with a shorter one.
  const isIn = (prefix: string) => (one: Read) =>
    one.key.startsWith(prefix) || (!one.exact && prefix.startsWith(one.key))
  const sources =
    dc === null ? none : routes.filter(({ prefix, source }) => dc === source && reads?.some(isIn(prefix)))
  return {
    isRead,
    sourceOf: isNames ? none : sources,
    namesOf: isNames
      ? sources.filter(({ prefix }) => read !== undefined && prefix.startsWith(read.key))
      : none,
    destinationOf:
      dc === null && !isNames
        ? routes.filter(({ destinationPrefix }) =>
            reads?.some((one) => !one.exact && isIn(destinationPrefix)(one))
          )
        : none,
    readsList: isRead && url.searchParams.has("recurse"),
    isBlocking: sources.length > 0 && url.searchParams.has("index"),
    ranges: (reads ?? []).map(({ exact, key }) => ({ prefix: bytesOf(key), exact })),
    isConsistent: url.searchParams.has("consistent"),
    isElsewhere: dc !== null,
    isKeys: url.pathname.startsWith(keysPath) || read !== undefined,
    isHeartbeat: url.pathname.startsWith("/v1/agent/check/update/"),
    isTransaction,
    isLargeWrite:
      request.method === "PUT" &&
      url.pathname.startsWith(keysPath) &&
      request.body._tag === "Uint8Array" &&
      request.body.contentLength > largeFrom
  }
}

/** The id of the service that a request registers. */
export const serviceOf = ({ body, url }: HttpClientRequest): string | undefined =>
  url.endsWith("/v1/agent/service/register") && body._tag === "Uint8Array"
    ? (JSON.parse(new TextDecoder().decode(body.body)) as { readonly ID: string }).ID
    : undefined

/** Whether a request of this sort can have this fate. */
export const applies = (
  fate: Fate,
  { isBlocking, isConsistent, isKeys, isLargeWrite, isRead, isTransaction, readsList, sourceOf }: Sorted
): boolean => {
  const readsSource = sourceOf.length > 0
  switch (fate) {
    case "unwoken":
      return isBlocking
    case "stale":
      return isRead && isKeys && !isConsistent
    case "truncated":
    case "malformed":
    case "foreign":
      return isRead
    case "without index":
    case "empty body":
      return isRead && isKeys
    case "emptied":
      return readsSource && !isConsistent
    case "late":
    case "twice":
      return !isRead
    case "entry outside":
    case "duplicate":
    case "bad value":
    case "bad index":
    case "bad flags":
    case "lone surrogate":
      return readsList
    case "names missing":
      return readsList && readsSource
    case "delayed":
      return isLargeWrite
    case "rejected":
      return readsSource
    case "limited":
      return isTransaction
    default:
      return true
  }
}
