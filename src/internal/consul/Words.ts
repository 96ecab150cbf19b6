/**
 * What came back in place of an answer of Consul's, in one line for a person.
 */

import * as Data from "effect/Data"

/** As much of a text as a person would read, in characters. */
const longest = 200

/** A secret must be taken out of the text before: this changes the space in it. */
export const oneLine = (text: string): string => text.replace(/\s+/g, " ").trim().slice(0, longest)

/** What codes of Node.js mean, for a person. Node's own message follows in brackets: it has the address. */
const meanings: ReadonlyMap<string, string> = new Map([
  ["ECONNREFUSED", "nothing listens there"],
  ["ENOTFOUND", "there is no host of that name"],
  ["EAI_AGAIN", "the name of the host cannot be resolved now"],
  ["EHOSTUNREACH", "the host cannot be reached"],
  ["ENETUNREACH", "the network cannot be reached"],
  ["ETIMEDOUT", "the host does not answer"],
  ["ECONNRESET", "the other side closed the connection"]
])

const explained = (code: string, message: string): string => {
  const meaning = meanings.get(code)
  return meaning === undefined ? message : `${meaning} (${message})`
}

/** Advice for codes of Node.js and OpenSSL whose messages tell a person nothing. */
const advice: ReadonlyMap<string, string> = new Map([
  ["ERR_SSL_WRONG_VERSION_NUMBER", "what answers there speaks no TLS; use an http:// address"],
  ["ERR_SSL_PACKET_LENGTH_TOO_LONG", "what answers there speaks no TLS; use an http:// address"],
  [
    "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED",
    "the server wants a client certificate, and none can be given yet"
  ],
  ["ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE", "the server wants a client certificate, and none can be given yet"],
  [
    "ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE",
    "the server refuses the TLS handshake; it may want a client certificate"
  ]
])

/** Undici's words for a connection that ended. */
const closed = "other side closed"

/** What a server may have closed a connection for, as far as its end shows. */
const closing =
  "as a server does that stops, that takes no more connections from this address, or that wants TLS (https://) or a client certificate"

/** A new connection was closed before one byte of an answer came over it. A client that can tell fails with this cause. */
export class ClosedUnused extends Data.TaggedError("ClosedUnused") {
  override get message() {
    return `a new connection was closed before anything came over it, ${closing}`
  }
}

/** Undici's codes of a client that was closed or destroyed. */
const closedClient: ReadonlySet<string> = new Set(["UND_ERR_CLOSED", "UND_ERR_DESTROYED"])

const untrusted: ReadonlySet<string> = new Set([
  "CERT_HAS_EXPIRED",
  "CERT_NOT_YET_VALID",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE"
])

/** OpenSSL's own text: `803C0F…:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../deps/…:355:`. */
const openSsl = /error:[0-9A-F]+:SSL routines:[^:]*:([^:]+):/

export interface TransportFailure {
  /** `ClientClosed`: our own client was closed, and no request will ever succeed. */
  readonly kind: "NoTls" | "NoHttp" | "Untrusted" | "ClosedUnused" | "ClientClosed" | "Other"
  readonly words: string
}

/**
 * Why no answer came: by the innermost cause, for undici wraps what Node says (`connect ECONNREFUSED 127.0.0.1:8500`). The
 * words can have several lines, and quote a header that was not sent.
 */
export const ofTransport = (cause: unknown): TransportFailure => {
  if (!(cause instanceof Error)) return { kind: "Other", words: "the connection failed" }
  if (cause instanceof ClosedUnused) return { kind: "ClosedUnused", words: cause.message }
  if (cause.cause instanceof Error) return ofTransport(cause.cause)
  const [first] = cause instanceof AggregateError ? cause.errors : []
  if (first instanceof Error) return ofTransport(first)
  const code = "code" in cause ? String(cause.code) : ""
  const message = cause.message === "" ? cause.name : cause.message
  if (closedClient.has(code)) return { kind: "ClientClosed", words: message }
  if (untrusted.has(code)) {
    return {
      kind: "Untrusted",
      words: `its certificate is not trusted (${message}); name a file with its authority by NODE_EXTRA_CA_CERTS`
    }
  }
  if (cause.name === "HTTPParserError") {
    return {
      kind: "NoHttp",
      words: "what answers there speaks no HTTP; if it speaks TLS, use an https:// address"
    }
  }
  const words =
    message === closed
      ? `the other side closed the connection, ${closing}`
      : (advice.get(code) ?? openSsl.exec(message)?.[1] ?? explained(code, message))
  const isWithoutTls = code === "ERR_SSL_WRONG_VERSION_NUMBER" || code === "ERR_SSL_PACKET_LENGTH_TOO_LONG"
  return { kind: isWithoutTls ? "NoTls" : "Other", words }
}

/** What an answer says: of a page of another server, its title. */
export const ofAnswer = (text: string): string => {
  if (!/^\s*<(?:!doctype|html|head|body)/i.test(text)) return oneLine(text)
  const [, title = ""] = /<title[^>]*>([^<]*)/i.exec(text) ?? []
  return oneLine(title) === "" ? "an HTML page" : `an HTML page, ${JSON.stringify(oneLine(title))}`
}
