/**
 * A balancer before several servers, in memory or as an HTTP proxy. Each request goes to another server.
 */
import * as Http from "node:http"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** Returns the hosts in turn. */
const turns = (hosts: ReadonlyArray<string>): (() => string) => {
  let turn = 0
  return () => hosts[turn++ % hosts.length] ?? ""
}

/** A client that sends successive requests to different hosts. */
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

/** Passes a request to the next host. If nothing listens there, passes it to the host after that, as balancers do. */
const relay = (
  next: () => string,
  tries: number,
  asked: Http.IncomingMessage,
  body: Buffer,
  answer: Http.ServerResponse
): void => {
  const { headers, method, url } = asked
  const request = Http.request(`http://${next()}${url}`, { method, headers }, (response) => {
    answer.writeHead(response.statusCode ?? 502, response.headers)
    response.pipe(answer)
    response.on("error", () => answer.destroy())
  })
  request.on("error", (error) => {
    const isRefused = "code" in error && error.code === "ECONNREFUSED"
    if (answer.headersSent || answer.destroyed) answer.destroy()
    else if (isRefused && tries > 1) relay(next, tries - 1, asked, body, answer)
    else answer.writeHead(502).end()
  })
  answer.on("close", () => request.destroy())
  request.end(body)
}

/** Serves until the scope closes. Returns the address. */
export const serve = (hosts: ReadonlyArray<string>): Effect.Effect<string, never, Scope.Scope> =>
  Effect.gen(function* () {
    const next = turns(hosts)
    const server = Http.createServer((asked, answer) => {
      const body: Array<Buffer> = []
      asked.on("data", (piece: Buffer) => body.push(piece))
      asked.on("end", () => relay(next, hosts.length, asked, Buffer.concat(body), answer))
    })
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
