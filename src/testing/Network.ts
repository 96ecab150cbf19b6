/**
 * The network between one client and Consul: the requests that were sent over it, and faults for them.
 *
 * @since 0.5.0
 */
import type { Headers } from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import { ClientResponse } from "../internal/effect/ClientResponse.js"
import * as Rights from "./internal/http/Rights.js"

/**
 * A request as it was sent.
 *
 * @since 0.5.0
 * @category models
 */
export interface Sent {
  readonly request: HttpClientRequest
  readonly method: string
  /** Path and query, as they were sent. */
  readonly target: string
  readonly headers: Headers
  /** The body as text. Empty for a request without a body. */
  readonly body: string
}

type Exchange = Effect.Effect<HttpClientResponse, HttpClientError.HttpClientError>

/**
 * Answers a request, or fails it. `pass` sends it to the agents, and returns their answer.
 *
 * @since 0.5.0
 * @category faults
 */
export type Fault = (sent: Sent, pass: Exchange) => Exchange

/**
 * @since 0.5.0
 * @category models
 */
export interface Network {
  /** Sends its requests over this network. */
  readonly client: HttpClient.HttpClient
  /** Every request, in the order in which they were sent. */
  readonly sent: ReadonlyArray<Sent>
  /** Lets a fault happen to each request from now on, in place of the fault before. */
  readonly disturb: (fault: Fault) => Effect.Effect<void>
  /** Ends the fault. */
  readonly heal: Effect.Effect<void>
  /** From now on no request arrives and no answer comes back, also of requests that were sent before. */
  readonly cut: Effect.Effect<void>
}

const decoder = new TextDecoder()
const encoder = new TextEncoder()

const undisturbed: Fault = (_, pass) => pass

/**
 * A network before a client, without a fault unless `first` is given.
 *
 * @since 0.5.0
 * @category constructors
 * @example
 * ```ts
 * import * as assert from "node:assert"
 * import { HttpClient } from "@effect/platform"
 * import { ConsulHttp } from "consul-replicate"
 * import { Network, SimConsul } from "consul-replicate/testing"
 * import { Effect, Layer } from "effect"
 *
 * export const program = Effect.gen(function* () {
 *   const sim = yield* SimConsul.make()
 *   const network = Network.make(sim.httpClient)
 *   const Consul = ConsulHttp.layer({ address: "127.0.0.1:8500" }).pipe(
 *     Layer.provide(Layer.succeed(HttpClient.HttpClient, network.client))
 *   )
 *   const keys = ConsulHttp.kv.keys("app/").pipe(Effect.provide(Consul))
 *   yield* network.disturb(Network.on("GET /v1/kv/app/", Network.answer(403, "Permission denied")))
 *   assert.strictEqual((yield* Effect.flip(keys))._tag, "Denied")
 *   yield* network.heal
 *   assert.deepStrictEqual((yield* keys).value, [])
 *   assert.strictEqual(network.sent.length, 2)
 * }).pipe(Effect.scoped)
 * ```
 */
export const make = (client: HttpClient.HttpClient, first: Fault = undisturbed): Network => {
  const sent: Array<Sent> = []
  let fault = first
  let isCut = false
  const arrives = Effect.suspend(() => (isCut ? Effect.never : Effect.void))
  const disturb = (next: Fault) =>
    Effect.sync(() => {
      fault = next
    })
  return {
    client: HttpClient.make((request, url) => {
      const { body, headers, method } = request
      const text = body._tag === "Uint8Array" ? decoder.decode(body.body) : ""
      const one: Sent = { request, method, target: url.pathname + url.search, headers, body: text }
      sent.push(one)
      return fault(one, Effect.zipLeft(Effect.zipRight(arrives, client.execute(request)), arrives))
    }),
    sent,
    disturb,
    heal: disturb(undisturbed),
    cut: Effect.sync(() => {
      isCut = true
    })
  }
}

/**
 * A fault that answers in Consul's place.
 *
 * @since 0.5.0
 * @category faults
 */
export const answer =
  (status: number, text: string, headers: Readonly<Record<string, string>> = {}): Fault =>
  ({ request }) =>
    Effect.sync(() =>
      ClientResponse.whole(request, { status, headers: Object.entries(headers), body: encoder.encode(text) })
    )

/**
 * The token may not write or delete these keys in the agent's datacenter. Requests for another datacenter pass.
 *
 * @since 0.5.0
 * @category faults
 */
export const denying =
  (isDenied: (key: string) => boolean): Fault =>
  (sent, pass) => {
    const url = new URL(sent.target, "http://agent")
    const refusal = url.searchParams.has("dc")
      ? undefined
      : Rights.refusal({ ...sent, path: decodeURIComponent(url.pathname) }, isDenied)
    return refusal === undefined ? pass : answer(refusal.status, refusal.text)(sent, pass)
  }

const refuse = (request: HttpClientRequest) =>
  Effect.fail(
    new HttpClientError.RequestError({
      request,
      reason: "Transport",
      cause: new Error("connect ECONNREFUSED 127.0.0.1:8500")
    })
  )

/**
 * The connection is refused, because no process listens on the port.
 *
 * @since 0.5.0
 * @category faults
 */
export const refused: Fault = ({ request }) => refuse(request)

/**
 * No request arrives, and no answer comes.
 *
 * @since 0.5.0
 * @category faults
 */
export const silent: Fault = () => Effect.never

/**
 * The request arrives, and the connection breaks before the answer comes.
 *
 * @since 0.5.0
 * @category faults
 */
export const answerLost: Fault = (sent, pass) => Effect.zipRight(pass, refused(sent, pass))

/**
 * A fault for requests whose `METHOD target` begins with a text, such as `PUT /v1/txn`, or matches a pattern.
 *
 * @since 0.5.0
 * @category faults
 */
export const on =
  (matching: string | RegExp, fault: Fault): Fault =>
  (sent, pass) => {
    const line = `${sent.method} ${sent.target}`
    const matches = typeof matching === "string" ? line.startsWith(matching) : matching.test(line)
    return matches ? fault(sent, pass) : pass
  }

/**
 * A fault for the first request. Others pass.
 *
 * @since 0.5.0
 * @category faults
 */
export const once = (fault: Fault): Fault => {
  let left = true
  return (sent, pass) => {
    if (!left) return pass
    left = false
    return fault(sent, pass)
  }
}

/**
 * A network with no Consul at its other end: a fault answers each request.
 *
 * @since 0.5.0
 * @category constructors
 */
export const scripted = (script: Fault): Network => make(HttpClient.make(refuse), script)
