/** A request to Consul, and what came back. */
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import type { HttpMethod } from "@effect/platform/HttpMethod"
import type { ReadOptions } from "../../Consul.js"
import type * as Refusals from "./Refusals.js"

export interface Request {
  readonly method: HttpMethod
  /** Percent-encoded, from `/v1` on. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>> | undefined
  readonly read?: ReadOptions | undefined
  readonly body?: string | Uint8Array | undefined
  /** The key or prefix that the path carries. */
  readonly name?: string | undefined
  /** The line of a policy that gives the right to it, where the path does not show which that is. */
  readonly right?: string | undefined
}

/** An answer with a status that the caller asked for; `describe` names what was asked. */
export interface Received {
  readonly describe: () => string
  readonly status: number
  readonly headers: HttpClientResponse["headers"]
  /** All of the body, unless it was read in pieces. */
  readonly text: string
  /** Set where the path was refused for the name that it carries. */
  readonly nameRefusal: Refusals.NameRefusal | undefined
}
