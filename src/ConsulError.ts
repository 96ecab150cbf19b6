/**
 * The errors of requests to Consul: one tagged error for each case that a caller handles in its own way, and one function that
 * returns whether a retry can succeed.
 *
 * Messages are for a person: the request, Consul's text, and what to do. They never contain the value of a key or a token.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import type { Setting } from "./internal/consul/Endpoint.js"
import * as Refusals from "./internal/consul/Refusals.js"

/** The fields of every error. */
interface Context {
  /** The request that failed, for example `GET /v1/kv/global/?recurse in nyc1`. */
  readonly request: string
}

/**
 * No answer: refused, reset, or none within the time-out. A write that ended so may have landed or may land yet.
 *
 * @since 0.1.0
 * @category errors
 */
export class Unreachable extends Data.TaggedError("Unreachable")<
  Context & {
    readonly address: string
    readonly reason: string
    /**
     * The setting of the endpoint that has to be changed: `ca` for a certificate that is not trusted. None if that is not
     * certain.
     */
    readonly setting?: Setting | undefined
  }
> {
  override get message() {
    return `no answer from the Consul agent at ${this.address}: ${this.reason} (${this.request})`
  }
}

/**
 * The agent accepts no more connections from this address, while it answers requests on the open ones (Consul:
 * `limits.http_max_conns_per_client`, 200 unless set). Measured with 1.8.7: it closes a new connection before it reads from it.
 * Later versions answer 429: then `isAnswered` is true, and nothing was changed. Without an answer a write may have landed,
 * because something else may have closed the connection.
 *
 * @since 0.5.0
 * @category errors
 */
export class TooManyConnections extends Data.TaggedError("TooManyConnections")<
  Context & { readonly address: string; readonly isAnswered: boolean }
> {
  override get message() {
    return (
      `the Consul agent at ${this.address} takes no more connections from this address: it closes new ones and answers ` +
      `others; give each process here fewer watchShards, or raise the agent's limits.http_max_conns_per_client, which is ` +
      `200 unless set (${this.request})`
    )
  }
}

/**
 * The datacenter has no leader at the moment (500 `No cluster leader`): an election, or a lost quorum.
 *
 * @since 0.1.0
 * @category errors
 */
export class NoLeader extends Data.TaggedError("NoLeader")<Context> {
  override get message() {
    return `the Consul servers have no leader at the moment (${this.request})`
  }
}

/**
 * The agent knows no way to that datacenter (500 `No path to datacenter`): the name is misspelt, or the datacenter is not
 * WAN-joined, or down.
 *
 * @since 0.1.0
 * @category errors
 */
export class NoPathToDatacenter extends Data.TaggedError("NoPathToDatacenter")<
  Context & {
    readonly datacenter: string
    /** The datacenters that the agent has named after this failure; none if it has not answered. */
    readonly datacenters?: ReadonlyArray<string> | undefined
  }
> {
  override get message() {
    const { datacenter, datacenters } = this
    const advice =
      datacenters === undefined
        ? "check its name and that the clusters are WAN-joined"
        : datacenters.includes(datacenter)
          ? "the agent knows it, and reaches none of its servers"
          : `the agent knows ${datacenters.join(", ")}; check the name and that the clusters are WAN-joined`
    return `no path to datacenter ${JSON.stringify(datacenter)}: ${advice} (${this.request})`
  }
}

/**
 * The token may not do this (403).
 *
 * @since 0.1.0
 * @category errors
 */
export class Denied extends Data.TaggedError("Denied")<
  Context & {
    /** Consul's text. */
    readonly reason: string
    /** Whether the request had no token: then Consul applies the rights of its anonymous token. */
    readonly isAnonymous?: boolean | undefined
    /** The line of a policy that gives the right that the request needs; none if the request does not show it. */
    readonly right?: string | undefined
    /** The datacenter that the request named; none if it named none. */
    readonly datacenter?: string | undefined
    /** The name of the setting that has the token; none if the endpoint has no name for it. */
    readonly tokenSetting?: string | undefined
  }
> {
  override get message() {
    const place = this.datacenter === undefined ? "" : ` in ${this.datacenter}`
    const right = this.right === undefined ? "another right" : this.right
    const { tokenSetting = "CONSUL_HTTP_TOKEN or CONSUL_HTTP_TOKEN_FILE" } = this
    const token = this.tokenSetting === undefined ? "the token" : `the token of ${this.tokenSetting}`
    const advice =
      this.isAnonymous === true
        ? `no token was given, and without one this needs ${right}${place}; give a token by ${tokenSetting}`
        : Refusals.isUnknownToken(this.reason)
          ? `${token} is not known${place}: it was deleted, or is one of another cluster`
          : `${token} needs ${right}${place}`
    return `Consul denied access: ${this.reason}; ${advice} (${this.request})`
  }
}

/**
 * Whether Consul's text, of an answer or of one operation of a transaction, means that the token lacks a right.
 *
 * @since 0.5.0
 * @category predicates
 */
export const isDenial: (reason: string) => boolean = Refusals.isDenial

/**
 * Consul asks for fewer requests (429, or 503 `rate limit exceeded`). Nothing was changed. `retryAfter` is its `Retry-After`,
 * if it has one.
 *
 * @since 0.1.0
 * @category errors
 */
export class RateLimited extends Data.TaggedError("RateLimited")<
  Context & { readonly retryAfter?: Duration.Duration | undefined }
> {
  override get message() {
    const pause = this.retryAfter === undefined ? "" : ` for ${Duration.format(this.retryAfter)}`
    return `Consul limits the rate of requests${pause} (${this.request})`
  }
}

/**
 * The request is larger than Consul accepts (413). Nothing was changed. `limit` is the limit that it exceeds: operations of a
 * transaction, bytes of the request, or bytes of one value.
 *
 * @since 0.1.0
 * @category errors
 */
export class TooLarge extends Data.TaggedError("TooLarge")<
  Context & { readonly reason: string; readonly limit: "operations" | "bytes" | "value" }
> {
  override get message() {
    return `the request is too large for Consul: ${this.reason} (${this.request})`
  }
}

/**
 * An answer was cut off because it is larger than the reader allowed (`maxBytes`). The same read would be cut off again:
 * read a smaller range.
 *
 * @since 0.5.0
 * @category errors
 */
export class AnswerTooLarge extends Data.TaggedError("AnswerTooLarge")<
  Context & { readonly maxBytes: number }
> {
  override get message() {
    return `the answer is larger than ${this.maxBytes} bytes, and was cut off (${this.request})`
  }
}

/**
 * An operation of a transaction that failed.
 *
 * @since 0.5.0
 * @category models
 */
export interface OperationFailure {
  /** Its position in the transaction, from 0. */
  readonly operation: number
  /** Its key; none if the error was made without the operations. */
  readonly key?: string | undefined
  /** Consul's text. */
  readonly reason: string
}

/** The most failures that a message names. */
const mostNamed = 3

/**
 * A transaction was rolled back (409). `failures` are all of its operations that failed.
 *
 * @since 0.1.0
 * @category errors
 */
export class Conflict extends Data.TaggedError("Conflict")<
  Context & { readonly failures: ReadonlyArray<OperationFailure> }
> {
  override get message() {
    const named = this.failures
      .slice(0, mostNamed)
      .map(
        ({ key, operation, reason }) =>
          `${key === undefined ? `operation ${operation}` : JSON.stringify(key)}: ${reason}`
      )
    const more = this.failures.length > mostNamed ? "; …" : ""
    return `Consul rolled the transaction back: ${named.join("; ")}${more} (${this.request})`
  }
}

/**
 * Consul refused the request with another status. `reason` is its text. A write that ended with 5xx may have landed.
 *
 * @since 0.1.0
 * @category errors
 */
export class Rejected extends Data.TaggedError("Rejected")<
  Context & { readonly status: number; readonly reason: string }
> {
  override get message() {
    return `Consul answered ${this.status}: ${this.reason} (${this.request})`
  }
}

/**
 * A successful answer that is not one of Consul's: it has no index, its document is incomplete, or another program has answered.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnexpectedAnswer extends Data.TaggedError("UnexpectedAnswer")<
  Context & { readonly reason: string }
> {
  override get message() {
    return `the answer is not one of Consul's: ${this.reason} (${this.request})`
  }
}

/**
 * @since 0.1.0
 * @category models
 */
export type ConsulError =
  | Unreachable
  | TooManyConnections
  | NoLeader
  | NoPathToDatacenter
  | Denied
  | RateLimited
  | TooLarge
  | AnswerTooLarge
  | Conflict
  | Rejected
  | UnexpectedAnswer

/**
 * Whether the same request can succeed later. A denied request can: tokens and policies are mended while this process waits. A
 * conflict, a request that is too large and a malformed request cannot.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isRetryable = (error: ConsulError): boolean => {
  switch (error._tag) {
    case "Unreachable":
    case "TooManyConnections":
    case "NoLeader":
    case "NoPathToDatacenter":
    case "Denied":
    case "RateLimited":
    case "UnexpectedAnswer":
      return true
    case "Rejected":
      return error.status !== 400
    case "TooLarge":
    case "AnswerTooLarge":
    case "Conflict":
      return false
  }
}
