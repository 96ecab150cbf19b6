/**
 * The connections to the agent: never more than Consul's own limit for one address leaves room for, several times over.
 * Requests beyond that wait for their turn; what blocks for long is far less than there may be.
 */
import { HttpClient } from "@effect/platform/HttpClient"
import * as Undici from "@effect/platform-node/Undici"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as UndiciClient from "./UndiciClient.js"

/** For two other blocking queries, and for whatever is answered at once. */
const besideShards = 8

/** 64 with the default of `-watch-shards`. Consul (1.8.7) refuses more than 200 from one address. */
export const layer = (shards: number): Layer.Layer<HttpClient> =>
  Layer.scoped(
    HttpClient,
    Effect.acquireRelease(
      Effect.sync(() => new Undici.Agent({ connections: shards + besideShards })),
      (agent) => Effect.promise(() => agent.destroy())
    ).pipe(Effect.map(UndiciClient.make))
  )
