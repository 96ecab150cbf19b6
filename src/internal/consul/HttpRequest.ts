/** A request to Consul: as a request of HTTP, and in words. */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import * as Address from "../../Address.js"
import { version } from "../../Version.js"
import type { ReadOptions } from "./Consul.js"
import type { Endpoint, Token } from "./Endpoint.js"
import type { Request } from "./Exchange.js"

/** How long Consul lets a query block that names no `wait`. */
export const defaultWait = Duration.minutes(5)

/** Every request names the program and its version. A client that sets a header of its own replaces this one. */
export const userAgent = `consul-replicate/${version}`

/** A duration as Consul reads it. */
export const goDuration = (duration: Duration.DurationInput): string => `${Duration.toMillis(duration)}ms`

const readQuery = ({ consistency, index, wait }: ReadOptions): Record<string, string> => ({
  ...(consistency === "consistent" && { consistent: "" }),
  ...(consistency === "stale" && { stale: "" }),
  ...(index !== undefined && { index: String(index), wait: goDuration(wait ?? defaultWait) })
})

/** A request in words, for messages. It has the names of the query, not their values. */
export const describe = (request: Request, endpoint: Endpoint): string => {
  const names = Object.keys(request.query ?? {}).join("&")
  const query = names === "" ? "" : `?${names}`
  const datacenter = endpoint.datacenter === undefined ? "" : ` in ${endpoint.datacenter}`
  const namespace = endpoint.namespace === undefined ? "" : ` in namespace ${endpoint.namespace}`
  const partition = endpoint.partition === undefined ? "" : ` in partition ${endpoint.partition}`
  return `${request.method} ${request.path}${query}${datacenter}${namespace}${partition}`
}

/**
 * Adds the credentials of a request. The token goes into `Authorization` and not into `X-Consul-Token`, because Effect
 * redacts `Authorization` wherever it shows a request. Basic authentication has no other header, so that beside a password the
 * token goes into `X-Consul-Token`.
 */
export const authorize = (
  request: HttpClientRequest.HttpClientRequest,
  auth: Redacted.Redacted | undefined,
  token: Redacted.Redacted | undefined
): HttpClientRequest.HttpClientRequest => {
  if (auth === undefined) {
    return token === undefined ? request : HttpClientRequest.bearerToken(request, token)
  }
  const encoded = Encoding.encodeBase64(Redacted.value(auth))
  const withPassword = HttpClientRequest.setHeader(request, "authorization", `Basic ${encoded}`)
  return token === undefined
    ? withPassword
    : HttpClientRequest.setHeader(withPassword, "x-consul-token", Redacted.value(token))
}

/** Whether the token stays the same. */
export const isFixed = (token: Token | undefined): token is Redacted.Redacted | undefined =>
  token === undefined || Redacted.isRedacted(token)

/** The current token. */
export const present = (token: Token | undefined): Effect.Effect<Redacted.Redacted | undefined> =>
  isFixed(token) ? Effect.succeed(token) : token

/** Shapes a request. `token` is the current token of the endpoint. */
export const shape = (
  endpoint: Endpoint,
  { body, method, path, query, read }: Request,
  token: Redacted.Redacted | undefined
): HttpClientRequest.HttpClientRequest => {
  let request = HttpClientRequest.make(method)(`${Address.baseUrl(endpoint.address)}${path}`, {
    headers: { "user-agent": userAgent }
  })
  if (query !== undefined) request = HttpClientRequest.appendUrlParams(request, query)
  if (read !== undefined) request = HttpClientRequest.appendUrlParams(request, readQuery(read))
  if (endpoint.datacenter !== undefined) {
    request = HttpClientRequest.appendUrlParam(request, "dc", endpoint.datacenter)
  }
  // Each operation of a transaction names the namespace and the partition.
  if (path !== "/v1/txn") {
    if (endpoint.namespace !== undefined) {
      request = HttpClientRequest.appendUrlParam(request, "ns", endpoint.namespace)
    }
    if (endpoint.partition !== undefined) {
      request = HttpClientRequest.appendUrlParam(request, "partition", endpoint.partition)
    }
  }
  request = authorize(request, endpoint.auth, token)
  if (typeof body === "string") request = HttpClientRequest.bodyText(request, body, "application/json")
  else if (body !== undefined) request = HttpClientRequest.bodyUint8Array(request, body)
  return request
}
