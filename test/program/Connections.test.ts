import type * as Http from "node:http"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as AgentConnections from "../../src/cli/node/AgentConnections.js"
import * as HttpServer from "./HttpServer.js"

describe("The connections", () => {
  it.scopedLive(
    "are so many at most, and a heartbeat waits behind nothing, however slow the cluster is",
    () =>
      Effect.gen(function* () {
        const sockets = new Set<unknown>()
        const waiting: Array<Http.ServerResponse> = []
        const url = yield* HttpServer.serve((request, response) => {
          sockets.add(request.socket)
          if (request.url?.startsWith("/v1/agent/")) response.end("passing")
          else waiting.push(response)
        })
        const queries = 4
        yield* Effect.gen(function* () {
          const client = yield* HttpClient.HttpClient
          const transaction = client.execute(
            HttpClientRequest.put(`${url}/v1/txn`).pipe(HttpClientRequest.bodyText("[]"))
          )
          // The name of a key says nothing.
          for (const key of ["v1/agent/a", "v1/session/a", "v1/agent/b"]) {
            yield* Effect.fork(client.get(`${url}/v1/kv/global/${key}`))
          }
          for (let i = 0; i < 100; i++) yield* Effect.fork(transaction)
          while (waiting.length < queries + 14) yield* Effect.sleep("5 millis")
          for (let beat = 0; beat < 3; beat++) {
            const { text } = yield* client.execute(HttpClientRequest.put(`${url}/v1/agent/check/update/a`))
            expect(yield* text).toBe("passing")
          }
          expect(waiting.length).toBe(queries + 14)
          expect(sockets.size).toBeLessThanOrEqual(queries + 16)
        }).pipe(Effect.provide(AgentConnections.layer(queries)))
      })
  )
})
