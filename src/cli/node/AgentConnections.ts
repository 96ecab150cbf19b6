/**
 * The connections to the agent: never more than Consul's own limit for one address leaves room for, several times over.
 * Requests beyond that wait for their turn; what blocks for long is far less than there may be. What keeps the lock has
 * connections of its own: behind the transactions that a slow cluster keeps waiting it could come too late.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Undici from "@effect/platform-node/Undici"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { NewConnection } from "../../internal/consul/NewConnection.js"
import * as UndiciClient from "./UndiciClient.js"

/** For the lock's own blocking query, those of a watch that has just changed its way, and whatever is answered at once. */
const besideQueries = 14

/** Heartbeats come one after another; a session is made, renewed and ended beside them. */
const forTheLock = 2

/** An agent that takes no more connections closes a new one as soon as it has accepted it (ms). */
const young = 1_000

/** By the path alone: a key may be called what it likes. Whether servers are alive is asked here while reads take all else. */
const lockPath = /^[a-z]+:\/\/[^/]*\/v1\/(?:agent|session|status)\//

const keepsTheLock = ({ url }: HttpClientRequest.HttpClientRequest): boolean => lockPath.test(url)

/** Connects as undici does, and remembers the failures of connections that were closed young, with nothing received. */
const connecting = () => {
  const connect = Undici.buildConnector({})
  const unused = new WeakSet<Error>()
  const connector: Undici.buildConnector.connector = (options, callback) =>
    connect(options, (...connected) => {
      const [error, socket] = connected
      if (error === null) {
        const madeAt = performance.now()
        const isUnused = () => socket.bytesRead === 0 && performance.now() - madeAt < young
        // Before the listeners of undici, which destroys the socket with an error that is known to nobody else.
        socket.on("end", () => {
          if (isUnused()) socket.destroy(new Error("closed"))
        })
        socket.on("error", (error) => {
          if (isUnused()) unused.add(error)
        })
      }
      callback(...connected)
    })
  return { connector, isUnused: (error: unknown) => error instanceof Error && unused.has(error) }
}

const client = (connections: number) =>
  Effect.gen(function* () {
    const { connector, isUnused } = connecting()
    const dispatcher = yield* Effect.acquireRelease(
      Effect.sync(() => new Undici.Agent({ connections, connect: connector })),
      (agent) => Effect.promise(() => agent.destroy())
    )
    return UndiciClient.make({ dispatcher, isUnused })
  })

/** Whether a request goes over a connection that is closed after its answer. */
class IsAlone extends Context.Reference<IsAlone>()("consul-replicate/cli/IsAlone", {
  defaultValue: () => false
}) {}

/**
 * 107 connections at most if all replications of the process share 90 blocking `queries`. Consul (1.8.7) refuses more than 200
 * from one address.
 */
export const layer = (queries: number): Layer.Layer<HttpClient.HttpClient | NewConnection> =>
  Layer.merge(
    Layer.scoped(
      HttpClient.HttpClient,
      Effect.gen(function* () {
        const lock = yield* client(forTheLock)
        const others = yield* client(queries + besideQueries)
        const alone = yield* client(1)
        return HttpClient.makeWith<never, never, HttpClientError, never>(
          Effect.flatMap((request) =>
            Effect.flatMap(IsAlone, (isAlone) =>
              isAlone
                ? alone.execute(HttpClientRequest.setHeader(request, "connection", "close"))
                : (keepsTheLock(request) ? lock : others).execute(request)
            )
          ),
          Effect.succeed
        )
      })
    ),
    Layer.succeed(NewConnection, { over: Effect.provideService(IsAlone, true) })
  )
