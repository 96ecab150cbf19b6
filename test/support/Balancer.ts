/**
 * An address behind which several servers answer, each request another one: in memory, or as an HTTP proxy.
 */
import * as Http from "node:http"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** Takes turns. */
const turns = (hosts: ReadonlyArray<string>): (() => string) => {
  let turn = 0
  return () => hosts[turn++ % hosts.length] ?? ""
}

/** A client that sends each request to another host than the one before. */
export const balancing = (
  client: HttpClient.HttpClient,
  hosts: ReadonlyArray<string>
): HttpClient.HttpClient => {
  const next = turns(hosts)
  return HttpClient.mapRequest(client, (request) =>
    HttpClientRequest.setUrl(
      request,
      request.url.replace(/^http:\/\/[^/]+/, () => `http://${next()}`)
    )
  )
}

const relay = (host: string, asked: Http.IncomingMessage, answer: Http.ServerResponse) => {
  const { headers, method, url } = asked
  const request = Http.request(`http://${host}${url}`, { method, headers }, (response) => {
    answer.writeHead(response.statusCode ?? 502, response.headers)
    response.pipe(answer)
    response.on("error", () => answer.destroy())
  })
  request.on("error", () => (answer.headersSent ? answer.destroy() : answer.writeHead(502).end()))
  answer.on("close", () => request.destroy())
  asked.pipe(request)
}

/** Serves until the scope closes. A host that does not answer is 502, as balancers have it. Returns the address. */
export const serve = (hosts: ReadonlyArray<string>): Effect.Effect<string, never, Scope.Scope> =>
  Effect.gen(function* () {
    const next = turns(hosts)
    const server = Http.createServer((asked, answer) => relay(next(), asked, answer))
    yield* Effect.acquireRelease(
      Effect.async<void>((resume) => {
        server.listen(0, "127.0.0.1", () => resume(Effect.void))
      }),
      () =>
        Effect.sync(() => {
          server.close()
          server.closeAllConnections()
        })
    )
    const address = server.address()
    return `127.0.0.1:${typeof address === "object" ? (address?.port ?? 0) : 0}`
  })
