/**
 * An embedded server accepts requests whose host is its own, with bodies of a size that Consul accepts. It refuses other requests
 * without reading their bodies to the end.
 */
import type * as Http from "node:http"
import { hostname } from "node:os"
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Hosts from "./Hosts.js"

/** Consul's limit for the body of a value and of a transaction, in bytes. */
const longestBody = 524_288

/** The bytes of a body, or none as soon as there are too many of them. A request that breaks off is not answered. */
const bodyOf = (request: Http.IncomingMessage): Effect.Effect<Option.Option<Uint8Array>> =>
  Effect.async((resume) => {
    const chunks: Array<Uint8Array> = []
    let bytes = 0
    const end = (result: Effect.Effect<Option.Option<Uint8Array>>) => {
      request.off("data", more).pause()
      resume(result)
    }
    const more = (chunk: Uint8Array) => {
      bytes += chunk.length
      chunks.push(chunk)
      if (bytes > longestBody) end(Effect.succeedNone)
    }
    request.on("data", more)
    request.once("end", () => end(Effect.succeedSome(Buffer.concat(chunks))))
    request.once("error", () => end(Effect.interrupt))
  })

/** A refusal. The connection ends with it, so the rest of the body is not read. */
const refuse = (status: number, problem: string) =>
  HttpServerResponse.text(problem, { status, headers: { connection: "close" } })

const tooLarge = (bytes: string) =>
  refuse(413, `Request body(${bytes} bytes) too large, max size: ${longestBody} bytes.`)

/** The same request with a body that has been read. */
const withBody = (
  request: HttpServerRequest.HttpServerRequest,
  body: Uint8Array
): HttpServerRequest.HttpServerRequest =>
  Object.create(request, { arrayBuffer: { value: Effect.succeed(body) } })

/** Passes accepted requests to an app. `names` are the names of this server beside its addresses. */
export const admit = <E, R>(
  app: HttpApp.Default<E, R>,
  names: ReadonlyArray<string>
): HttpApp.Default<E, R> =>
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const incoming = NodeHttpServerRequest.toIncomingMessage(request)
    const { host, "content-length": length = "", "transfer-encoding": encoding } = incoming.headers
    const own = [...names, hostname(), incoming.socket.localAddress ?? ""]
    // Only an HTTP/1.0 client, which no browser is, names no host.
    if (host !== undefined && !Hosts.isOwn(host, own)) {
      return refuse(
        403,
        `${JSON.stringify(host)} is not a host of this server; -host=NAME of consul-replicate dev adds one`
      )
    }
    if (Number(length) > longestBody) return tooLarge(length)
    if (encoding === undefined && Number(length) === 0) return yield* app
    const body = yield* Effect.interruptible(bodyOf(incoming))
    return Option.isNone(body)
      ? tooLarge(`more than ${longestBody}`)
      : yield* Effect.provideService(app, HttpServerRequest.HttpServerRequest, withBody(request, body.value))
  })
