/**
 * The network between one client and Consul: what went over it, and what a test lets happen on it.
 */
import type { Headers } from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import { ClientResponse } from "../../src/internal/effect/ClientResponse.js"
import * as Rights from "./Rights.js"

export interface Sent {
  readonly request: HttpClientRequest
  readonly method: string
  /** Path and query, as they were sent. */
  readonly target: string
  readonly headers: Headers
  readonly body: string
}

type Exchange = Effect.Effect<HttpClientResponse, HttpClientError.HttpClientError>

/** What becomes of a request; `pass` lets it through. */
export type Fault = (sent: Sent, pass: Exchange) => Exchange

export interface Network {
  readonly client: HttpClient.HttpClient
  /** Every request, in the order in which they were sent. */
  readonly sent: ReadonlyArray<Sent>
  /** Takes the place of the fault before. */
  readonly disturb: (fault: Fault) => Effect.Effect<void>
  readonly heal: Effect.Effect<void>
  /** Nothing gets through any more in either direction, be it on its way already. */
  readonly cut: Effect.Effect<void>
}

const decoder = new TextDecoder()
const encoder = new TextEncoder()

const undisturbed: Fault = (_, pass) => pass

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

/** An answer of somebody's own. */
export const answer =
  (status: number, text: string, headers: Readonly<Record<string, string>> = {}): Fault =>
  ({ request }) =>
    Effect.sync(() =>
      ClientResponse.whole(request, { status, headers: Object.entries(headers), body: encoder.encode(text) })
    )

/** The token may not change these keys here; of another datacenter it is not asked. */
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

/** Nobody listens there. */
export const refused: Fault = ({ request }) => refuse(request)

/** Nothing comes back, and nothing gets there. */
export const silent: Fault = () => Effect.never

/** It gets there, and the answer is lost: the connection breaks. */
export const answerLost: Fault = (sent, pass) => Effect.zipRight(pass, refused(sent, pass))

/** Only what matches is disturbed: `PUT /v1/txn` is a method and the beginning of a target. */
export const on =
  (matching: string | RegExp, fault: Fault): Fault =>
  (sent, pass) => {
    const line = `${sent.method} ${sent.target}`
    const matches = typeof matching === "string" ? line.startsWith(matching) : matching.test(line)
    return matches ? fault(sent, pass) : pass
  }

/** Disturbed once, then let through. */
export const once = (fault: Fault): Fault => {
  let left = true
  return (sent, pass) => {
    if (!left) return pass
    left = false
    return fault(sent, pass)
  }
}

/** A network with nobody at its other end but a script. */
export const scripted = (script: Fault): Network => make(HttpClient.make(refuse), script)
