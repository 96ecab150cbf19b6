/** A request to Consul, and its answer. */
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import type { HttpMethod } from "@effect/platform/HttpMethod"
import type { ReadOptions } from "./Consul.js"
import type * as Refusals from "./Refusals.js"

/** A request to Consul. */
export interface Request {
  readonly method: HttpMethod
  /** Percent-encoded, from `/v1` on. */
  readonly path: string
  /** Without the parameters of `read`, and without the datacenter. */
  readonly query?: Readonly<Record<string, string>> | undefined
  /** The consistency, the wait and the size of a read. */
  readonly read?: ReadOptions | undefined
  /** JSON, if it is a text. */
  readonly body?: string | Uint8Array | undefined
  /** The key or prefix that the path carries. */
  readonly name?: string | undefined
  /** The line of a policy that gives the right to the request, if `Rights.ofRequest` cannot derive it. */
  readonly right?: string | undefined
}

/** An answer with a status that the caller expects. */
export interface Received {
  /** The request in words. */
  readonly describe: () => string
  readonly status: number
  readonly headers: HttpClientResponse["headers"]
  /** All of the body, unless it was read in pieces. */
  readonly text: string
  /** Why the path was refused for the name that it carries; none if it was not. */
  readonly nameRefusal: Refusals.NameRefusal | undefined
}
