/**
 * Parses the path and the query of a request's raw target, as Go's `net/url` and `ServeMux` do.
 *
 * The target must not be decoded or normalised before, as a URL object or a router would: Consul has its own treatment of `//`,
 * `..`, `%2F` and bytes that are not UTF-8.
 */
import * as Option from "effect/Option"
import { type ByteString, fromString } from "../go/ByteString.js"

export interface RequestTarget {
  /** The path, decoded. */
  readonly path: ByteString
  /** The query with its question mark, not decoded. Empty without a query. */
  readonly search: ByteString
  /** The parameters of the query, decoded. */
  readonly query: Query
}

/** Parses a target. `none` if Go rejects the target. */
export const parse = (target: string): Option.Option<RequestTarget> => {
  // A proxy's request has the whole URL for its target.
  const raw = fromString(target).replace(/^https?:\/\/[^/?]*/, "")
  const mark = raw.indexOf("?")
  const rawPath = mark < 0 ? raw : raw.slice(0, mark)
  const search = mark < 0 ? "" : raw.slice(mark)
  if (!rawPath.startsWith("/")) return Option.none()
  return Option.map(unescape(rawPath, false), (path) => ({
    path,
    search,
    query: parseQuery(search.slice(1))
  }))
}

/** Decodes a path. `none` if an escape in the path is malformed. */
export const decodePath = (path: ByteString): Option.Option<ByteString> => unescape(path, false)

const unescape = (text: ByteString, plusIsSpace: boolean): Option.Option<ByteString> => {
  if (/%(?![0-9a-fA-F]{2})/.test(text)) return Option.none()
  const spaced = plusIsSpace ? text.replaceAll("+", " ") : text
  return Option.some(
    spaced.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  )
}

const escape = (text: ByteString, safe: RegExp): ByteString =>
  text.replace(/[\x00-\xff]/g, (c) =>
    safe.test(c) ? c : `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`
  )

// -----------------------------------------------------------------------------
// Paths
// -----------------------------------------------------------------------------

/** Resolves `.`, `..` and repeated slashes. Keeps a slash at the end. */
export const clean = (path: ByteString): ByteString => {
  const parts: Array<ByteString> = []
  for (const part of path.split("/")) {
    if (part === "..") parts.pop()
    else if (part !== "" && part !== ".") parts.push(part)
  }
  const cleaned = `/${parts.join("/")}`
  return path.endsWith("/") && cleaned !== "/" ? `${cleaned}/` : cleaned
}

const pathSafe = /[A-Za-z0-9\-_.~$&+,/:;=@]/

/** The `Location` of a redirect to a path. It keeps the query of the request. */
export const location = (path: ByteString, target: RequestTarget): ByteString =>
  escape(path, pathSafe) + escape(target.search, /[\x00-\x7f]/)

// -----------------------------------------------------------------------------
// Queries
// -----------------------------------------------------------------------------

/** The parameters of a request. */
export interface Query {
  /** The values of each name, decoded, in the order of the query. A name without `=` has the empty value. */
  readonly values: ReadonlyMap<ByteString, ReadonlyArray<ByteString>>
  /** Whether an escape in the query is malformed. Consul refuses such a request. */
  readonly broken: boolean
}

const parseQuery = (text: ByteString): Query => {
  const values = new Map<ByteString, Array<ByteString>>()
  let broken = false
  for (const part of text.split(/[&;]/)) {
    if (part === "") continue
    const equals = part.indexOf("=")
    const name = unescape(equals < 0 ? part : part.slice(0, equals), true)
    const value = unescape(equals < 0 ? "" : part.slice(equals + 1), true)
    if (Option.isNone(name) || Option.isNone(value)) broken = true
    else values.set(name.value, [...(values.get(name.value) ?? []), value.value])
  }
  return { values, broken }
}

export const has = (self: Query, name: ByteString): boolean => self.values.has(name)

/** The first value of a name. Empty if the query lacks the name. */
export const get = (self: Query, name: ByteString): ByteString => self.values.get(name)?.[0] ?? ""

const querySafe = /[A-Za-z0-9\-_.~]/

/** Encodes the query, sorted by name, as Consul's errors repeat it. */
export const encodeQuery = (self: Query): ByteString =>
  Array.from(self.values)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, values]) => values.map((value) => `${escapeQuery(name)}=${escapeQuery(value)}`))
    .join("&")

const escapeQuery = (text: ByteString) => escape(text, querySafe).replaceAll("%20", "+")
