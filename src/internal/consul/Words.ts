/**
 * Describes in one line, for a person, why there is no answer of Consul.
 */

import * as Data from "effect/Data"
import type { Endpoint, Setting } from "./Endpoint.js"

/** The most of a text that a person would read, in characters. */
const longest = 200

/** One line of a text. A secret must be removed from the text before: the spaces in it are changed here. */
export const oneLine = (text: string): string => text.replace(/\s+/g, " ").trim().slice(0, longest)

/** The meaning of codes of Node.js, for a person. Node's own message follows in brackets: it has the address. */
const meanings: ReadonlyMap<string, string> = new Map([
  ["ECONNREFUSED", "nothing listens there"],
  ["ENOTFOUND", "there is no host of that name"],
  ["EAI_AGAIN", "the name of the host cannot be resolved now"],
  ["EHOSTUNREACH", "the host cannot be reached"],
  ["ENETUNREACH", "the network cannot be reached"],
  ["ETIMEDOUT", "the host does not answer"],
  ["ECONNRESET", "the other side closed the connection"],
  ["ENOENT", "there is no such socket"],
  ["EACCES", "this user may not use the socket"]
])

const explained = (code: string, message: string): string => {
  const meaning = meanings.get(code)
  return meaning === undefined ? message : `${meaning} (${message})`
}

/** Codes of OpenSSL for an answer that is no TLS. */
const withoutTls: ReadonlySet<string> = new Set([
  "ERR_SSL_WRONG_VERSION_NUMBER",
  "ERR_SSL_PACKET_LENGTH_TOO_LONG"
])

/**
 * Codes of OpenSSL for a server that does not accept the client's certificate. Consul 1.8.7, like every program of the Go of
 * that time, answers `bad certificate` both for a missing and for an untrusted certificate.
 */
const certificateAlert =
  /ALERT_(?:CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_REVOKED|CERTIFICATE_EXPIRED|CERTIFICATE_UNKNOWN|UNKNOWN_CA|HANDSHAKE_FAILURE)$/

/** Undici's text for an HTTP proxy that does not open a tunnel. */
const refusedTunnel = /^Proxy response \((\d+)\) !== 200 when HTTP Tunneling$/

/** Undici's words for a connection that ended. */
const closed = "other side closed"

/** Why a server may have closed a connection. */
const closing =
  "as a server does that stops, that takes no more connections from this address, or that wants TLS (https://) or a client certificate"

/** A new connection was closed before the first byte of an answer. A client that notices this fails with this cause. */
export class ClosedUnused extends Data.TaggedError("ClosedUnused") {
  override get message() {
    return `a new connection was closed before anything came over it, ${closing}`
  }
}

/** Undici's codes of a client that was closed or destroyed. */
const closedClient: ReadonlySet<string> = new Set(["UND_ERR_CLOSED", "UND_ERR_DESTROYED"])

/** Codes for the certificate of a server that no authority which is trusted here has signed. */
const unknownAuthority: ReadonlySet<string> = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "CERT_SIGNATURE_FAILURE",
  "INVALID_CA",
  "INVALID_PURPOSE"
])

const outOfDate: ReadonlySet<string> = new Set(["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID"])

/** OpenSSL's own text: `803C0F…:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../deps/…:355:`. */
const openSsl = /error:[0-9A-F]+:SSL routines:[^:]*:([^:]+):/

/** Why a request has no answer. */
export interface TransportFailure {
  /** `ClientClosed`: our own client was closed, and no request will ever succeed. */
  readonly kind: "NoTls" | "NoHttp" | "Untrusted" | "ClosedUnused" | "ClientClosed" | "Other"
  /** The reason, for a person. */
  readonly words: string
  /** The setting that has to be changed; none if that is not certain. */
  readonly setting?: Setting | undefined
}

/** The problem of a certificate of the server or of this client; none if the code is about something else. */
const certificateProblem = (
  code: string,
  message: string,
  settings: Endpoint["settings"]
): Pick<TransportFailure, "words" | "setting"> | undefined => {
  if (unknownAuthority.has(code)) {
    const { ca = "NODE_EXTRA_CA_CERTS" } = settings ?? {}
    return {
      setting: "ca",
      words: `its certificate is not trusted; name a file with its authority by ${ca} (${message})`
    }
  }
  if (outOfDate.has(code)) {
    const problem = code === "CERT_HAS_EXPIRED" ? "has expired" : "is not valid yet"
    return {
      setting: "address",
      words: `its certificate ${problem}: renew it, or set the clock of this machine; ${settings?.address ?? "the address"} names that agent`
    }
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return {
      setting: "serverName",
      words: `its certificate is for another name; give the name that it is for by ${settings?.serverName ?? "the address"} (${message})`
    }
  }
  return certificateAlert.test(code)
    ? {
        setting: "certificate",
        words: `the server wants a client certificate that it trusts; see ${settings?.certificate ?? "the certificate of the HTTP client"}`
      }
    : undefined
}

/**
 * Why a request has no answer, by the innermost cause: undici wraps Node's error (`connect ECONNREFUSED 127.0.0.1:8500`). The
 * words may have several lines, and may quote a header that was not sent. `settings` are the names of settings for a person.
 */
export const ofTransport = (cause: unknown, settings?: Endpoint["settings"]): TransportFailure => {
  if (!(cause instanceof Error)) return { kind: "Other", words: "the connection failed" }
  if (cause instanceof ClosedUnused) return { kind: "ClosedUnused", words: cause.message }
  if (cause.cause instanceof Error) return ofTransport(cause.cause, settings)
  const [first] = cause instanceof AggregateError ? cause.errors : []
  if (first instanceof Error) return ofTransport(first, settings)
  const code = "code" in cause ? String(cause.code) : ""
  const message = cause.message === "" ? cause.name : cause.message
  if (closedClient.has(code)) return { kind: "ClientClosed", words: message }
  const problem = certificateProblem(code, message, settings)
  if (problem !== undefined) return { kind: "Untrusted", ...problem }
  const see = settings?.address === undefined ? "" : `, see ${settings.address}`
  if (cause.name === "HTTPParserError") {
    return {
      kind: "NoHttp",
      setting: "address",
      words: `what answers there speaks no HTTP; if it speaks TLS, use an https:// address${see}`
    }
  }
  if (withoutTls.has(code)) {
    return {
      kind: "NoTls",
      setting: "address",
      words: `what answers there speaks no TLS; use an http:// address${see}`
    }
  }
  const [, proxied] = refusedTunnel.exec(message) ?? []
  const words =
    message === closed
      ? `the other side closed the connection, ${closing}`
      : proxied === undefined
        ? (openSsl.exec(message)?.[1] ?? explained(code, message))
        : `the HTTP proxy that the environment names answered ${proxied} and no tunnel`
  return { kind: "Other", words }
}

/** Whether an answer is that of an HTTPS server written in Go to a request without TLS. */
export const isTlsExpected = (status: number, text: string): boolean =>
  status === 400 && /^Client sent an HTTP request to an HTTPS server/i.test(text)

/** The text of an answer in one line. If it is a page of another server: its title. */
export const ofAnswer = (text: string): string => {
  if (!/^\s*<(?:!doctype|html|head|body)/i.test(text)) return oneLine(text)
  const [, title = ""] = /<title[^>]*>([^<]*)/i.exec(text) ?? []
  return oneLine(title) === "" ? "an HTML page" : `an HTML page, ${JSON.stringify(oneLine(title))}`
}
