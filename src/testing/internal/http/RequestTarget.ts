/**
 * What a request asks for: its path and query, read from the raw target as Go's `net/url` and `ServeMux` do.
 *
 * The path must come as it was sent. A URL object or a router that decodes or normalises it hides what Consul makes of
 * `//`, `..`, `%2F` and bytes that aren't UTF-8.
 */
import * as Option from "effect/Option"
import { type ByteString, fromString } from "../go/ByteString.js"

export interface RequestTarget {
  /** Decoded. */
  readonly path: ByteString
  /** With its question mark if there is one, not decoded. */
  readonly search: ByteString
  readonly query: Query
}

/** `none` for a target that Go refuses to read. */
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

/** A path once decoded; `none` where an escape in it is wrong. */
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

/** Resolves `.`, `..` and repeated slashes, keeping a slash at the end. */
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

/** Where a redirect to a path points, with the request's query as it was. */
export const location = (path: ByteString, target: RequestTarget): ByteString =>
  escape(path, pathSafe) + escape(target.search, /[\x00-\x7f]/)

// -----------------------------------------------------------------------------
// Queries
// -----------------------------------------------------------------------------

/** Names with their values in the order given, decoded; a name alone has the empty value. */
export interface Query {
  readonly values: ReadonlyMap<ByteString, ReadonlyArray<ByteString>>
  /** Whether an escape in it was wrong, so that Consul refuses the request. */
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

/** The first value of a name; empty without one. */
export const get = (self: Query, name: ByteString): ByteString => self.values.get(name)?.[0] ?? ""

const querySafe = /[A-Za-z0-9\-_.~]/

/** The query again, sorted by name, as Consul repeats it in an error. */
export const encodeQuery = (self: Query): ByteString =>
  Array.from(self.values)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, values]) => values.map((value) => `${escapeQuery(name)}=${escapeQuery(value)}`))
    .join("&")

const escapeQuery = (text: ByteString) => escape(text, querySafe).replaceAll("%20", "+")
