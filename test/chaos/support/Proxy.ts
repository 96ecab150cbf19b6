/**
 * An HTTP proxy before an agent. Tests disturb real requests on it, as they disturb requests in memory on a `Network`.
 */
import * as Http from "node:http"
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpServer from "@effect/platform/HttpServer"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { ClientResponse } from "../../../src/internal/effect/ClientResponse.js"
import * as Network from "../../../src/testing/Network.js"

export interface Proxy {
  /** The address of the proxy, which a program uses as its agent's. */
  readonly address: string
  readonly network: Network.Network
}

/** Headers that the proxy does not pass on: those of a connection, and those that the next server or client sets itself. */
const ofConnection = ["connection", "keep-alive", "transfer-encoding", "content-length", "host", "date"]

const forwarded = (headers: Headers.Headers): Headers.Headers =>
  ofConnection.reduce((left, name) => Headers.remove(left, name), headers)

/** Reads each answer at once and to its end, so that faults can look at it. */
const whole = HttpClient.transformResponse(
  Effect.flatMap((response) =>
    Effect.map(response.arrayBuffer, (body) =>
      ClientResponse.whole(response.request, {
        status: response.status,
        headers: Object.entries(forwarded(response.headers)),
        body: new Uint8Array(body)
      })
    )
  )
)

/** Listens until the scope closes. An exchange that fails breaks the connection of its client. */
export const make = Effect.fnUntraced(
  function* (upstream: string) {
    // The connections to the agent live as long as the proxy.
    const clients = yield* Layer.build(NodeHttpClient.layerUndici)
    const network = Network.make(whole(Context.get(clients, HttpClient.HttpClient)))

    const app = Effect.gen(function* () {
      const asked = yield* HttpServerRequest.HttpServerRequest
      const method = asked.method
      const body = method === "GET" ? undefined : new Uint8Array(yield* asked.arrayBuffer)
      const request = HttpClientRequest.make(method)(`http://${upstream}${asked.url}`, {
        headers: forwarded(asked.headers)
      }).pipe((request) => (body === undefined ? request : HttpClientRequest.bodyUint8Array(request, body)))
      const answer = yield* network.client.execute(request)
      return HttpServerResponse.uint8Array(new Uint8Array(yield* answer.arrayBuffer), {
        status: answer.status,
        headers: forwarded(answer.headers)
      })
    }).pipe(
      Effect.catchAll(() =>
        Effect.flatMap(HttpServerRequest.HttpServerRequest, (asked) => {
          NodeHttpServerRequest.toIncomingMessage(asked).socket.destroy()
          return Effect.never
        })
      ),
      // A client that disconnects ends its blocking query.
      Effect.interruptible
    )

    const node = Http.createServer()
    const server = yield* NodeHttpServer.make(() => node, { host: "127.0.0.1", port: 0 })
    yield* Effect.addFinalizer(() => Effect.sync(() => node.closeAllConnections()))
    yield* Effect.provideService(HttpServer.serveEffect(app), HttpServer.HttpServer, server)
    const port = server.address._tag === "TcpAddress" ? server.address.port : 0
    return { address: `127.0.0.1:${port}`, network } satisfies Proxy
  },
  Effect.provide(NodeHttpClient.layerUndici),
  Effect.orDie
)

/**
 * A fault that holds the first request and lets the others pass. Once released, the request reaches the agent late, also if its
 * client does not wait for the answer any more.
 */
export interface Hold {
  readonly fault: Network.Fault
  /** Waits until a request is held. */
  readonly held: Effect.Effect<void>
  /** The answer of the agent. */
  readonly release: Effect.Effect<{ readonly status: number; readonly text: string }>
}

export const hold: Effect.Effect<Hold> = Effect.gen(function* () {
  const held = yield* Deferred.make<void>()
  const released = yield* Deferred.make<void>()
  const answered = yield* Deferred.make<{ readonly status: number; readonly text: string }>()
  const late: Network.Fault = (_, pass) =>
    Deferred.succeed(held, undefined).pipe(
      Effect.zipRight(Deferred.await(released)),
      Effect.zipRight(pass),
      Effect.tap((answer) =>
        Effect.flatMap(answer.text, (text) => Deferred.succeed(answered, { status: answer.status, text }))
      ),
      Effect.forkDaemon,
      Effect.flatMap(Fiber.join)
    )
  return {
    fault: Network.once(late),
    held: Deferred.await(held),
    release: Effect.zipRight(Deferred.succeed(released, undefined), Deferred.await(answered))
  }
})
