import type * as Http from "node:http"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Undici from "@effect/platform-node/Undici"
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as UndiciClient from "../../src/cli/node/UndiciClient.js"
import * as HttpServer from "./HttpServer.js"

/** A server on this machine that answers so, and a client. */
const serving = (answer: Http.RequestListener) =>
  Effect.gen(function* () {
    const url = yield* HttpServer.serve(answer)
    const dispatcher = yield* Effect.acquireRelease(
      Effect.sync(() => new Undici.Agent({ connections: 2 })),
      (agent) => Effect.promise(() => agent.destroy())
    )
    return { client: UndiciClient.make({ dispatcher }), url }
  })

describe("The client over undici", () => {
  it.scopedLive("sends what it is given, and answers with what comes", () =>
    Effect.gen(function* () {
      const { client, url } = yield* serving((request, response) => {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk: Buffer) => chunks.push(chunk))
        request.on("end", () => {
          response.writeHead(207, { "X-Consul-Index": "12", "Content-Type": "application/json" })
          const { authorization, "content-type": type } = request.headers
          const body = Buffer.concat(chunks).toString()
          response.end(
            JSON.stringify({ method: request.method, url: request.url, authorization, type, body })
          )
        })
      })
      const request = HttpClientRequest.put(`${url}/v1/kv/a%2Fb%20c`).pipe(
        HttpClientRequest.setUrlParams({ dc: "nyc1", consistent: "", flags: "ü&=" }),
        HttpClientRequest.bearerToken("secret"),
        HttpClientRequest.bodyText("ä {}", "application/json")
      )
      const response = yield* client(request)
      expect(response.status).toBe(207)
      expect(response.headers["x-consul-index"]).toBe("12")
      expect(yield* response.json).toEqual({
        method: "PUT",
        url: "/v1/kv/a%2Fb%20c?dc=nyc1&consistent=&flags=%C3%BC%26%3D",
        authorization: "Bearer secret",
        type: "application/json",
        body: "ä {}"
      })
      const other = yield* client(HttpClientRequest.get(`${url}/v1/kv/other`))
      expect(yield* other.json).toMatchObject({ method: "GET", url: "/v1/kv/other", body: "" })
    })
  )

  it.scopedLive("answers when the headers are there, and waits for a body that takes longer", () =>
    Effect.gen(function* () {
      let more = () => {}
      const { client, url } = yield* serving((_, response) => {
        response.writeHead(200)
        // A character in two halves.
        response.write(Buffer.from([0xc3]))
        more = () => response.end(Buffer.concat([Buffer.from([0xa9]), Buffer.alloc(3_000_000, "x")]))
      })
      const response = yield* client(HttpClientRequest.get(url))
      expect(response.status).toBe(200)
      // A second reader gets the same text.
      const reading = yield* Effect.fork(Effect.all([response.text, response.text], { concurrency: 2 }))
      yield* Effect.sleep("20 millis")
      more()
      const [text, again] = yield* Fiber.join(reading)
      expect(again).toBe(text)
      expect([text.length, text.slice(0, 3)]).toEqual([3_000_001, "éxx"])
      expect(new Uint8Array(yield* response.arrayBuffer).slice(0, 3)).toEqual(
        new Uint8Array([0xc3, 0xa9, 120])
      )
    })
  )

  it.scopedLive("fails if no server listens, if the answer breaks off, and if the URL has no host", () =>
    Effect.gen(function* () {
      const { client, url } = yield* serving((request, response) => {
        if (request.url === "/none") {
          request.socket.destroy()
          return
        }
        response.writeHead(200, { "content-length": "10" })
        response.write("half", () => request.socket.destroy())
      })
      const none = yield* Effect.flip(client(HttpClientRequest.get(`${url}/none`)))
      expect(none).toMatchObject({ _tag: "RequestError", reason: "Transport" })
      const half = yield* Effect.flatMap(client(HttpClientRequest.get(`${url}/half`)), ({ text }) =>
        Effect.flip(text)
      )
      expect(half).toMatchObject({ _tag: "ResponseError", reason: "Decode" })
      const refused = yield* Effect.flip(client(HttpClientRequest.get("http://127.0.0.1:1/")))
      expect(refused).toMatchObject({ reason: "Transport", cause: { code: "ECONNREFUSED" } })
      const nowhere = yield* Effect.flip(client(HttpClientRequest.get("nowhere")))
      expect(nowhere).toMatchObject({ _tag: "RequestError", reason: "InvalidUrl" })
    })
  )

  it.scopedLive("aborts a request that is interrupted, before the answer or while it arrives", () =>
    Effect.gen(function* () {
      for (const isBegun of [false, true]) {
        const asked = yield* Deferred.make<void>()
        const gone = yield* Deferred.make<void>()
        const { client, url } = yield* serving((_, response) => {
          response.on("close", () => Deferred.unsafeDone(gone, Effect.void))
          if (isBegun) response.writeHead(200).write("half")
          Deferred.unsafeDone(asked, Effect.void)
        })
        const fiber = yield* Effect.fork(
          Effect.flatMap(client(HttpClientRequest.get(url)), ({ text }) => text)
        )
        yield* Deferred.await(asked)
        yield* Fiber.interrupt(fiber)
        yield* Deferred.await(gone)
      }
    })
  )
})
