/**
 * What can go wrong between this process and Consul: one tagged error for each thing that a caller does
 * differently, and one function that says which of them are worth another try.
 *
 * Messages are for a person: what was tried, on what, what Consul said and what to do. They never contain the
 * value of a key or a token.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import type { Setting } from "./Endpoint.js"
import * as Refusals from "./internal/consul/Refusals.js"

/** What every error tells of the request that failed, for example `GET /v1/kv/global/?recurse in nyc1`. */
interface Context {
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
    /** The setting of the endpoint that has to be changed, if one is known: `ca` for a certificate that is not trusted. */
    readonly setting?: Setting | undefined
  }
> {
  override get message() {
    return `no answer from the Consul agent at ${this.address}: ${this.reason} (${this.request})`
  }
}

/**
 * The agent takes no more connections from this address, while it answers the requests on others (Consul:
 * `limits.http_max_conns_per_client`, 200 unless set). Measured with 1.8.7: it closes a new connection before it reads
 * anything; later versions answer 429. `isAnswered` then, and nothing was changed. Without an answer a write may have landed,
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
 * The agent knows no way to that datacenter (500 `No path to datacenter`): misspelt, not WAN-joined, or down. `known` are
 * the datacenters that the agent named when it was asked for them afterwards, if it did.
 *
 * @since 0.1.0
 * @category errors
 */
export class NoPathToDatacenter extends Data.TaggedError("NoPathToDatacenter")<
  Context & { readonly datacenter: string; readonly known?: ReadonlyArray<string> | undefined }
> {
  override get message() {
    const { datacenter, known } = this
    const advice =
      known === undefined
        ? "check its name and that the clusters are WAN-joined"
        : known.includes(datacenter)
          ? "the agent knows it, and reaches none of its servers"
          : `the agent knows ${known.join(", ")}; check the name and that the clusters are WAN-joined`
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
    readonly reason: string
    /** Whether the request had no token: Consul then judges by the rights of its anonymous token. */
    readonly isAnonymous?: boolean | undefined
    /** The line of a policy that gives the right that the request needs. None where that is not known. */
    readonly right?: string | undefined
    /** In which the right is needed, if the request named one. */
    readonly datacenter?: string | undefined
    /** What the setting of the token is called where it was given, if the endpoint has a name for it. */
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
 * Whether Consul's words say that the token may not do this, be it for one operation of many.
 *
 * @since 0.5.0
 * @category predicates
 */
export const isDenial: (reason: string) => boolean = Refusals.isDenial

/**
 * Consul asks for fewer requests (429, or 503 `rate limit exceeded`); nothing was changed. `retryAfter` is how long it asks
 * to wait (`Retry-After`), if it does.
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
 * More than Consul takes in one request (413); nothing was changed. `limit` is what there was too much of: operations of a
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
 * An operation of a transaction, counted from 0, that failed; none of its keys where the operations are not known.
 *
 * @since 0.5.0
 * @category models
 */
export interface OperationFailure {
  readonly operation: number
  readonly key?: string | undefined
  readonly reason: string
}

/** As many as a person would read. */
const mostNamed = 3

/**
 * A transaction was rolled back (409): `failures` name all of its operations that failed.
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
 * Any other status that Consul refuses with; `reason` is its text. A write that ended with 5xx may have landed.
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
 * A successful status with an answer that Consul would not give: no index, half a document, another program.
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
 * Whether the same request can succeed later without anybody changing it. Refused access is among these: tokens
 * and policies are mended while this process waits. A conflict, a size and a malformed request are not.
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
