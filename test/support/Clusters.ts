/**
 * Two clusters in memory that are not joined, and a client that reaches both. As with sockets, only the address distinguishes the
 * clusters.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { SimConsul } from "../../src/testing/index.js"

export interface Clusters {
  readonly source: SimConsul.SimConsul
  readonly destination: SimConsul.SimConsul
  /** Sends each request to the cluster at the host and port of the request. */
  readonly client: HttpClient.HttpClient
}

/** Both have one datacenter of this name. The destination's agent is at 127.0.0.1:8500, the source's at 10.0.0.1:8500. */
export const make = (name: string): Effect.Effect<Clusters, never, Scope.Scope> =>
  Effect.gen(function* () {
    const at = (address: string, node: string) =>
      SimConsul.make({ datacenters: [{ name, agents: [{ name: node, address }] }] })
    const destination = yield* at("127.0.0.1:8500", "dst-1")
    const source = yield* at("10.0.0.1:8500", "src-1")
    const client = HttpClient.make((request, url) =>
      (url.host === "10.0.0.1:8500" ? source : destination).httpClient.execute(request)
    )
    return { source, destination, client }
  })
