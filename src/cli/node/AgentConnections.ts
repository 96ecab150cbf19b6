/**
 * The connections to each agent. Their number is well below Consul's limit for one address. Further requests wait for a free
 * connection; blocking queries leave enough of them free. Requests that keep the lock have connections of their own: behind
 * transactions that a slow cluster delays they could come too late.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Undici from "@effect/platform-node/Undici"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Address from "../../Address.js"
import { NewConnection } from "../../internal/consul/NewConnection.js"
import type * as Tls from "./Tls.js"
import * as UndiciClient from "./UndiciClient.js"

/**
 * Connections beside those of `queries`: for the lock's blocking query, for the former queries of a watch that has just been
 * divided in another way, and for requests that are answered at once.
 */
const besideQueries = 14

/** One connection for heartbeats, and one for creating, renewing and ending the session. */
const forTheLock = 2

/** The age in ms below which a closed connection counts as refused: an agent at its limit closes a new connection at once. */
const young = 1_000

/** The connection to an agent. */
export interface AgentConnection {
  readonly address: Address.Address
  /** Undefined for an address without TLS. */
  readonly tls?: Tls.Tls | undefined
  /** The URL of an HTTP proxy on the way. It may hold a password. */
  readonly proxy?: string | undefined
}

/**
 * Paths of the requests that keep the lock. `status` asks whether servers are alive, also while reads use all other connections.
 */
const lockPath = /^\/v1\/(?:agent|session|status)\//

/** Whether an error is one of TLS. Others may be the end of a connection. */
const isOfTls = (error: Error): boolean => "code" in error && /^(?:ERR_SSL|ERR_TLS)/.test(String(error.code))

/** Connects as undici does, and remembers the failures of young connections that were closed before a byte arrived. */
const connecting = (agent: AgentConnection | undefined) => {
  const socketPath = agent === undefined ? undefined : Address.socket(agent.address)
  const tls = agent?.tls
  const build = () =>
    Undici.buildConnector({ ...(socketPath !== undefined && { socketPath }), ...tls?.options() })
  let connect = build()
  const unused = new WeakSet<Error>()
  const connector: Undici.buildConnector.connector = (options, callback) => {
    // A new connector has no sessions that were begun with the former certificate.
    if (tls?.refresh() === true) connect = build()
    connect(options, (...connected) => {
      const [error, socket] = connected
      if (error === null) {
        const madeAt = performance.now()
        const isUnused = () => socket.bytesRead === 0 && performance.now() - madeAt < young
        /** The alert of a server that refuses the client's certificate. Node goes on to the end of the connection after it. */
        let alert: Error | undefined
        // These listeners run before undici's own, which destroy the socket with an error that only undici sees.
        socket.on("end", () => {
          if (alert !== undefined || isUnused()) socket.destroy(alert ?? new Error("closed"))
        })
        socket.on("error", (error) => {
          if (isOfTls(error)) alert = error
          else if (isUnused()) unused.add(error)
        })
      }
      callback(...connected)
    })
  }
  return { connector, isUnused: (error: unknown) => error instanceof Error && unused.has(error) }
}

/**
 * Connections through a proxy: tunnels for TLS, and plain requests otherwise, as proxies allow tunnels to few ports. Renewed
 * certificates are not used there, and refused connections are not recognised.
 */
const proxied = (proxy: string, tls: Tls.Tls | undefined, connections: number): UndiciClient.Connected => ({
  dispatcher: new Undici.ProxyAgent({
    uri: proxy,
    connections,
    proxyTunnel: false,
    ...(tls !== undefined && { requestTls: tls.options() })
  })
})

const direct = (agent: AgentConnection | undefined, connections: number): UndiciClient.Connected => {
  const { connector, isUnused } = connecting(agent)
  return { dispatcher: new Undici.Agent({ connections, connect: connector }), isUnused }
}

const client = (agent: AgentConnection | undefined, connections: number) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() =>
        agent?.proxy === undefined ? direct(agent, connections) : proxied(agent.proxy, agent.tls, connections)
      ),
      ({ dispatcher }) => Effect.promise(() => dispatcher.destroy())
    ),
    UndiciClient.make
  )

/** Whether a request goes over a connection that is closed after its answer. */
class IsAlone extends Context.Reference<IsAlone>()("consul-replicate/cli/IsAlone", {
  defaultValue: () => false
}) {}

type Execute = HttpClient.HttpClient["execute"]

/** Sends requests to one agent, or to any address if no agent is given. */
const executor = (agent: AgentConnection | undefined, queries: number) =>
  Effect.gen(function* () {
    const lock = yield* client(agent, forTheLock)
    const others = yield* client(agent, queries + besideQueries)
    const alone = yield* client(agent, 1)
    const base = agent === undefined ? undefined : Address.baseUrl(agent.address)
    const keepsTheLock = (url: string): boolean =>
      lockPath.test(base === undefined ? url.replace(/^[a-z]+:\/\/[^/]*/, "") : url.slice(base.length))
    const execute: Execute = (request) =>
      Effect.flatMap(IsAlone, (isAlone) =>
        isAlone
          ? alone(HttpClientRequest.setHeader(request, "connection", "close"))
          : (keepsTheLock(request.url) ? lock : others)(request)
      )
    return { isFor: (url: string) => base === undefined || url.startsWith(`${base}/`), execute }
  })

/**
 * Clients for `agents`, each with its own settings, and for any other address without settings. 107 connections to each at most,
 * if all replications share 90 blocking `queries`. Consul (1.8.7) refuses more than 200 from one address.
 */
export const layer = (
  queries: number,
  agents: ReadonlyArray<AgentConnection> = []
): Layer.Layer<HttpClient.HttpClient | NewConnection> =>
  Layer.merge(
    Layer.scoped(
      HttpClient.HttpClient,
      Effect.gen(function* () {
        const executors = yield* Effect.forEach(agents, (agent) => executor(agent, queries))
        const any = yield* executor(undefined, queries)
        return HttpClient.makeWith<never, never, HttpClientError, never>(
          Effect.flatMap((request) =>
            (executors.find(({ isFor }) => isFor(request.url)) ?? any).execute(request)
          ),
          Effect.succeed
        )
      })
    ),
    Layer.succeed(NewConnection, { over: Effect.provideService(IsAlone, true) })
  )
