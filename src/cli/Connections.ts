/**
 * The connections to the agent: never more than Consul's own limit for one address leaves room for, several times over.
 * Requests beyond that wait for their turn; what blocks for long is far less than there may be. What keeps the lock has
 * connections of its own: behind the transactions that a slow cluster keeps waiting it could come too late.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import * as Undici from "@effect/platform-node/Undici"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as UndiciClient from "./UndiciClient.js"

/** For two other blocking queries, and for whatever is answered at once. */
const besideShards = 6

/** Heartbeats come one after another; a session is made, renewed and ended beside them. */
const forTheLock = 2

/** By the path alone: a key may be called what it likes. Whether servers are alive is asked here while reads take all else. */
const lockPath = /^[a-z]+:\/\/[^/]*\/v1\/(?:agent|session|status)\//

const keepsTheLock = ({ url }: HttpClientRequest): boolean => lockPath.test(url)

const client = (connections: number) =>
  Effect.acquireRelease(
    Effect.sync(() => new Undici.Agent({ connections })),
    (agent) => Effect.promise(() => agent.destroy())
  ).pipe(Effect.map(UndiciClient.make))

/** 64 with the default of `-watch-shards`. Consul (1.8.7) refuses more than 200 from one address. */
export const layer = (shards: number): Layer.Layer<HttpClient.HttpClient> =>
  Layer.scoped(
    HttpClient.HttpClient,
    Effect.gen(function* () {
      const lock = yield* client(forTheLock)
      const others = yield* client(shards + besideShards)
      return HttpClient.makeWith<never, never, HttpClientError, never>(
        Effect.flatMap((request) => (keepsTheLock(request) ? lock : others).execute(request)),
        Effect.succeed
      )
    })
  )
