/**
 * A Consul in memory. It answers as Consul 1.8.7 does, without servers, sockets or real waits.
 *
 * Time comes from Effect's `Clock`, so that `TestClock` drives it. Random numbers come from Effect's `Random`, so that a seed
 * repeats a history. Both are taken from the fiber that makes the SimConsul, not from the fiber that sends a request. A SimConsul
 * has Consul's HTTP interface, in process or served by any HTTP server. Tests can look at its state and disturb it.
 *
 * It serves keys, transactions, sessions, the agent's services and TTL checks, and the reads of catalog, health and status that
 * belong to them, with blocking queries. A test suite sends the same requests to a real Consul and compares status, headers,
 * bodies, the order of indexes, and times. These differences are intended:
 *
 * | what | here | Consul 1.8.7 | why |
 * | --- | --- | --- | --- |
 * | other endpoints (ACLs, Connect, events, snapshots, …) | 404 | served | not needed so far |
 * | checks other than TTL; nodes, services and checks in a transaction | 500, `SimConsul: only …` | served | likewise |
 * | `near`, `node-meta`, `filter`, `cached`, tokens | ignored | obeyed | likewise |
 * | `agent/self`, `agent/members` | abridged | all settings | clients read a few fields |
 * | servers of a datacenter | one store, `LastContact` 0 | followers lag behind | a stale read is no other read here |
 * | nodes | never fail or leave | `serfHealth` turns critical | not needed so far |
 * | log entries of the servers (coordinates, …) | none | some | only the order of indexes has a meaning |
 * | `catalog/datacenters` | the agent's own first, then as given | nearest first | there are no distances |
 * | an operation `null` in a transaction | ignored | the connection breaks | Consul crashes |
 * | a blocking query on a session that does not exist | ends with the change of any session | or continues, depending on the ids of other sessions | only the time of the answer differs |
 * | an update of a check while the servers have no leader | sent later | sent at once; for 7 to 14 s the agent accepts no other update | not needed so far |
 * | a check's new output with its old status | sent after 300 s | after 150 to 450 s | the middle, not random |
 * | comparison of the whole catalog | in the minute after a restore | every one to two minutes | only a restore makes a difference |
 * | times | whole milliseconds, rounded up | nanoseconds | the clock's grain |
 * | a refused connection's text | names the datacenter | names an IP address | there is none |
 * | ports of the servers | 8300, 8301 | configured | likewise |
 * | binary in an error's text | `text/plain` | sniffed | no client asks |
 * | names of keys, a path decoded twice, limits of requests | settings | of newer Consul | not measured |
 * | compression | never | of longer answers, if requested | it costs time and changes no content |
 * | header names over a socket | lower case | `X-Consul-Index` | as `@effect/platform` sends them |
 *
 * @since 0.1.0
 */
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Commit, Datacenter } from "./internal/cluster/Datacenter.js"
import type { Outage } from "./internal/cluster/Rpc.js"
import type { Settings } from "./internal/cluster/Settings.js"
import type { Entry, Session, State } from "./internal/cluster/Store.js"
import * as World from "./internal/cluster/World.js"
import { type ByteString, fromString } from "./internal/go/ByteString.js"
import * as OrderedMap from "./internal/go/OrderedMap.js"
import type { Request, Response } from "./internal/http/Http.js"
import type { RequestLimit } from "./internal/http/RateLimit.js"
import * as Serve from "./internal/http/Serve.js"
import * as Specify from "./internal/routes/Specify.js"

export type {
  /**
   * @since 0.1.0
   * @category models
   */
  Command,
  /**
   * @since 0.1.0
   * @category models
   */
  KeyChange,
  /**
   * @since 0.1.0
   * @category models
   */
  Reply
} from "./internal/cluster/Command.js"
export type {
  /**
   * @since 0.1.0
   * @category models
   */
  Commit
} from "./internal/cluster/Datacenter.js"
export type {
  /**
   * @since 0.1.0
   * @category models
   */
  Outage
} from "./internal/cluster/Rpc.js"
export type {
  /**
   * @since 0.5.0
   * @category models
   */
  KeyNames,
  /**
   * @since 0.5.0
   * @category models
   */
  Settings
} from "./internal/cluster/Settings.js"
export type {
  /**
   * @since 0.1.0
   * @category models
   */
  Check,
  /**
   * @since 0.1.0
   * @category models
   */
  Entry,
  /**
   * @since 0.1.0
   * @category models
   */
  Service,
  /**
   * @since 0.1.0
   * @category models
   */
  Session,
  /**
   * @since 0.1.0
   * @category models
   */
  State
} from "./internal/cluster/Store.js"
export type {
  /**
   * A key as Consul holds it: its bytes, one code unit for each. ASCII is itself; for anything else see `key`.
   *
   * @since 0.1.0
   * @category models
   */
  ByteString
} from "./internal/go/ByteString.js"
export type {
  /**
   * @since 0.1.0
   * @category models
   */
  Request,
  /**
   * @since 0.1.0
   * @category models
   */
  Response
} from "./internal/http/Http.js"
export type {
  /**
   * @since 0.5.0
   * @category models
   */
  RequestLimit
} from "./internal/http/RateLimit.js"
export type {
  /**
   * @since 0.1.0
   * @category models
   */
  AgentOptions,
  /**
   * @since 0.1.0
   * @category models
   */
  DatacenterOptions
} from "./internal/routes/Specify.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The datacenters, which are all joined. Default: `nyc1` alone. */
  readonly datacenters?: readonly [Specify.DatacenterOptions, ...ReadonlyArray<Specify.DatacenterOptions>]
}

/**
 * A saved state of a datacenter, which can be restored.
 *
 * @since 0.1.0
 * @category models
 */
export interface Snapshot {
  readonly datacenter: string
  readonly state: State
}

/**
 * The simulated datacenters. A call with the name of an unknown datacenter or agent dies with a message.
 *
 * @since 0.1.0
 * @category models
 */
export interface SimConsul {
  /** The names of the datacenters. */
  readonly datacenters: ReadonlyArray<string>
  /** The agents of all datacenters. `address` is host and port. */
  readonly agents: ReadonlyArray<{
    readonly name: string
    readonly address: string
    readonly datacenter: string
  }>

  /**
   * Sends requests to the agent that listens on the URL's host and port. If no agent does, the request fails with a transport
   * error.
   */
  readonly httpClient: HttpClient.HttpClient
  /** One agent's HTTP interface, for any server. The server must not change the path of a request. */
  readonly httpApp: (agent: string) => HttpApp.Default
  /** Sends a request to an agent unchanged. An HTTP client would normalise its path. */
  readonly request: (agent: string, request: Request) => Effect.Effect<Response>

  /** The state of a datacenter's servers. */
  readonly state: (datacenter: string) => Effect.Effect<State>
  /** The entries under a prefix, in order. */
  readonly entries: (datacenter: string, prefix: string) => Effect.Effect<ReadonlyArray<Entry>>
  /** Calls an observer within every commit, in order: after the change of the state, and before any answer. */
  readonly observe: (observer: (commit: Commit) => void) => Effect.Effect<void, never, Scope.Scope>

  /** Writes a key at the servers, without an agent and without checks of the request. */
  readonly put: (
    datacenter: string,
    key: string,
    value: string | Uint8Array,
    flags?: bigint
  ) => Effect.Effect<void>
  /** Deletes a key at the servers, without an agent and without checks of the request. */
  readonly remove: (datacenter: string, key: string) => Effect.Effect<void>
  /** Ends a session, as an operator or the leader would. */
  readonly destroySession: (datacenter: string, id: string) => Effect.Effect<void>
  /** The sessions of a datacenter. */
  readonly sessions: (datacenter: string) => Effect.Effect<ReadonlyArray<Session>>

  /** Saves the state of a datacenter. */
  readonly snapshot: (datacenter: string) => Effect.Effect<Snapshot>
  /**
   * Restores a state, as `consul snapshot restore` does. Keys have their indexes of then, so the index of a prefix can go back.
   * Blocked queries return at once with their earlier content. Later writes continue the numbering of the log. With `rebuilt`
   * they continue the numbering of the snapshot, as in a new cluster that was made from the snapshot: then a write may have an
   * index that clients have already seen.
   */
  readonly restore: (snapshot: Snapshot, options?: { readonly rebuilt?: boolean }) => Effect.Effect<void>
  /**
   * Takes the datacenter's leader away, or elects one. Without a leader, requests wait for 7 s and then fail with
   * `No cluster leader`, except `?stale` reads. No session expires without a leader. All TTLs restart with the next leader.
   */
  readonly setLeader: (datacenter: string, present: boolean) => Effect.Effect<void>
  /** Breaks the link between two datacenters, also for requests in flight. */
  readonly partition: (one: string, other: string, outage?: Outage) => Effect.Effect<void>
  /** Restores the link between two datacenters. */
  readonly heal: (one: string, other: string) => Effect.Effect<void>
  /**
   * Sets how many seconds pass in one second of the `Clock`, for a datacenter's servers (TTLs of sessions, lock delays, `wait`)
   * or for an agent (TTLs of checks). 0 stops their clock.
   */
  readonly setClockRate: (datacenterOrAgent: string, rate: number) => Effect.Effect<void>
  /** Changes settings of a datacenter's agents and servers, as an upgrade does. Other settings stay unchanged. */
  readonly configure: (datacenter: string, settings: Partial<Settings>) => Effect.Effect<void>
  /** Limits an agent's requests, or ends the limit. */
  readonly limitRequests: (agent: string, limit: RequestLimit | undefined) => Effect.Effect<void>
}

/**
 * @since 0.1.0
 * @category tags
 */
export const SimConsul = Context.GenericTag<SimConsul>("consul-replicate/testing/SimConsul")

/**
 * The bytes of a key, as in a `State`. They differ from the text if the key is not ASCII.
 *
 * @since 0.1.0
 * @category utils
 */
export const key: (text: string) => ByteString = fromString

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (options?: Options): Effect.Effect<SimConsul, never, Scope.Scope> =>
  Effect.map(World.make(Specify.specify(options?.datacenters ?? ["nyc1"])), fromWorld)

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<SimConsul> => Layer.scoped(SimConsul, make(options))

/**
 * The simulated datacenters, and the client that reaches their agents without a socket.
 *
 * @example
 * ```ts
 * import * as assert from "node:assert"
 * import * as HttpClient from "@effect/platform/HttpClient"
 * import { SimConsul } from "consul-replicate/testing"
 * import { Effect } from "effect"
 *
 * export const program = Effect.gen(function* () {
 *   const sim = yield* SimConsul.SimConsul
 *   yield* sim.put("nyc1", "global/motd", "hello")
 *   const response = yield* HttpClient.get("http://127.0.0.1:8500/v1/kv/global/motd?raw")
 *   assert.strictEqual(yield* response.text, "hello")
 * }).pipe(Effect.provide(SimConsul.layerHttpClient({ datacenters: ["nyc1", "sfo1"] })))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerHttpClient = (options?: Options): Layer.Layer<SimConsul | HttpClient.HttpClient> =>
  Layer.provideMerge(
    Layer.effect(
      HttpClient.HttpClient,
      Effect.map(SimConsul, (sim) => sim.httpClient)
    ),
    layer(options)
  )

// -----------------------------------------------------------------------------
// Making one
// -----------------------------------------------------------------------------

const fromWorld = (world: World.World): SimConsul => {
  const datacenter = (name: string) =>
    Effect.flatMap(
      Effect.sync(() => world.datacenters.get(name)),
      (datacenter) =>
        datacenter === undefined
          ? Effect.dieMessage(`SimConsul has no datacenter ${name}`)
          : Effect.succeed(datacenter)
    )

  const agent = (name: string) => {
    const agent = world.agents.find((listening) => listening.agent.name === name)
    return agent === undefined ? Effect.dieMessage(`SimConsul has no agent ${name}`) : Effect.succeed(agent)
  }

  const inDatacenter = <A>(name: string, f: (datacenter: Datacenter) => A): Effect.Effect<A> =>
    Effect.map(datacenter(name), f)

  const request = (name: string, given: Request) => Effect.flatMap(agent(name), ({ handle }) => handle(given))

  return {
    datacenters: Array.from(world.datacenters.keys()),
    agents: world.agents.map(({ address, agent, datacenter }) => ({
      name: agent.name,
      address,
      datacenter: datacenter.name
    })),
    httpClient: Serve.httpClient(world),
    httpApp: (name) => Serve.httpApp((given) => request(name, given)),
    request,
    state: (name) => inDatacenter(name, ({ state }) => state()),
    entries: (name, prefix) =>
      inDatacenter(name, ({ state }) => OrderedMap.withPrefix(state().kv, fromString(prefix))),
    observe: (observer) =>
      Effect.acquireRelease(
        Effect.sync(() => Array.from(world.datacenters.values(), ({ observe }) => observe(observer))),
        (stops) =>
          Effect.sync(() => {
            for (const stop of stops) stop()
          })
      ),
    put: (name, key, value, flags = 0n) =>
      inDatacenter(name, ({ commit }) => {
        const bytes = typeof value === "string" ? encoder.encode(value) : value
        commit({ _tag: "Set", write: { key: fromString(key), value: bytes, flags } }, undefined)
      }),
    remove: (name, key) =>
      inDatacenter(name, ({ commit }) => {
        commit({ _tag: "Delete", key: fromString(key) }, undefined)
      }),
    destroySession: (name, id) =>
      inDatacenter(name, ({ commit }) => {
        commit({ _tag: "SessionDestroy", id }, undefined)
      }),
    sessions: (name) => inDatacenter(name, ({ state }) => OrderedMap.values(state().sessions)),
    snapshot: (name) => inDatacenter(name, ({ state }) => ({ datacenter: name, state: state() })),
    restore: (snapshot, options) =>
      inDatacenter(snapshot.datacenter, ({ restore, state }) => {
        const index = options?.rebuilt === true ? snapshot.state.index : state().index
        restore(snapshot.state, index + 1)
      }),
    setLeader: (name, present) => inDatacenter(name, ({ setLeader }) => setLeader(present)),
    partition: (one, other, outage = "refused") => Effect.sync(() => world.sever(one, other, outage)),
    heal: (one, other) => Effect.sync(() => world.sever(one, other, undefined)),
    setClockRate: (name, rate) =>
      world.datacenters.has(name)
        ? inDatacenter(name, ({ timers }) => timers.setRate(rate))
        : Effect.map(agent(name), ({ agent }) => agent.timers.setRate(rate)),
    configure: (name, settings) => inDatacenter(name, ({ configure }) => configure(settings)),
    limitRequests: (name, limit) => Effect.map(agent(name), ({ rateLimit }) => rateLimit.set(limit))
  }
}

const encoder = new TextEncoder()
