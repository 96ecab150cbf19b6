/**
 * Gives access to the agents: a client in the same process, and an app for any HTTP server.
 */
import type * as HttpApp from "@effect/platform/HttpApp"
import type * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { ClientResponse } from "../../../internal/effect/ClientResponse.js"
import type { World } from "../cluster/World.js"
import type { Request, Response } from "./Http.js"

/** Sends requests to the agent that listens on the URL's host and port. */
export const httpClient = (world: World): HttpClient.HttpClient =>
  HttpClient.make((request, url) => {
    const listening = world.agents.find(({ address }) => address === url.host)
    if (listening === undefined) {
      return Effect.fail(
        new HttpClientError.RequestError({
          request,
          reason: "Transport",
          description: `connect ECONNREFUSED ${url.host}`
        })
      )
    }
    return bodyOf(request.body).pipe(
      Effect.mapError((cause) => new HttpClientError.RequestError({ request, reason: "Encode", cause })),
      Effect.flatMap((body) =>
        listening.handle({ method: request.method, target: url.pathname + url.search, body })
      ),
      Effect.map((response) => ClientResponse.whole(request, overTheWire(request.method, response)))
    )
  })

/** Adds the header that Go's HTTP server adds. */
const overTheWire = (method: string, response: Response): Response =>
  method === "HEAD"
    ? response
    : {
        ...response,
        headers: [...response.headers, ["Content-Length", String(response.body.length)]]
      }

const bodyOf = (body: HttpBody.HttpBody): Effect.Effect<Uint8Array, unknown> => {
  switch (body._tag) {
    case "Empty":
      return Effect.succeed(new Uint8Array(0))
    case "Uint8Array":
      return Effect.succeed(body.body)
    case "Stream":
      return Effect.map(Stream.runCollect(body.stream), (chunks) => concat(Array.from(chunks)))
    case "Raw":
    case "FormData":
      return Effect.fail(`SimConsul takes no ${body._tag} body`)
  }
}

const concat = (chunks: ReadonlyArray<Uint8Array>): Uint8Array => {
  const out = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.length, 0))
  let at = 0
  for (const chunk of chunks) {
    out.set(chunk, at)
    at += chunk.length
  }
  return out
}

/**
 * Serves what `handle` answers.
 *
 * The app is interruptible, because a client that disconnects must end its blocking query. Servers run apps uninterruptibly.
 */
export const httpApp = (handle: (request: Request) => Effect.Effect<Response>): HttpApp.Default =>
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const body = yield* Effect.orDie(request.arrayBuffer)
    const { method, url } = request
    const response = yield* handle({ method, target: url, body: new Uint8Array(body) })
    return HttpServerResponse.uint8Array(response.body, {
      status: response.status,
      headers: response.headers
    })
  }).pipe(Effect.interruptible)
