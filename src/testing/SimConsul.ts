/**
 * A Consul in memory: what a real one (1.8.7) answers, without servers, sockets or waiting.
 *
 * Time is that of Effect's `Clock`, so that `TestClock` drives it. Chance is that of Effect's `Random`, so that a seed repeats
 * a history. Both are those of the place where the SimConsul was made, not of the fiber that sends a request. It answers
 * Consul's HTTP interface, in process or served by any HTTP server, and lets tests look inside and disturb it.
 *
 * It serves keys, transactions, sessions, the agent's services and TTL checks, and the catalog, health and status
 * reads that go with them, blocking queries included. A suite sends the same requests to a real Consul and compares
 * status, headers, bodies, indexes (by how they relate) and times. These differences are kept:
 *
 * | what | here | Consul 1.8.7 | why |
 * | --- | --- | --- | --- |
 * | other endpoints (ACLs, Connect, events, snapshots, …) | 404 | served | nobody asked for them yet |
 * | checks other than TTL; nodes, services and checks in a transaction | 500, `SimConsul: only …` | served | likewise |
 * | `near`, `node-meta`, `filter`, `cached`, tokens | ignored | obeyed | likewise |
 * | `agent/self`, `agent/members` | abridged | all settings | clients read a few fields |
 * | servers of a datacenter | one store, `LastContact` 0 | followers lag behind | a stale read is no other read here |
 * | nodes | never fail or leave | `serfHealth` turns critical | not needed so far |
 * | log entries of its own (coordinates, …) | none | some | only the order of indexes has a meaning |
 * | `catalog/datacenters` | its own first, then as given | nearest first | there are no distances |
 * | an operation `null` in a transaction | ignored | the connection breaks off | that is a crash |
 * | a wait for a session that doesn't exist | ends with any session's change | or goes on, by the ids around | invisible but for its moment |
 * | news of a check for servers without a leader | told later | told at once; meanwhile, for 7 to 14 s, the agent takes no other | not needed so far |
 * | a check's new output with its old status | told after 300 s | after 150 to 450 s | the middle, without chance |
 * | the whole catalog compared | in the minute after a restore | every one to two minutes | nothing else makes them differ |
 * | times | whole milliseconds, rounded up | nanoseconds | the clock's grain |
 * | a refused connection's text | names the datacenter | names an IP address | there is none |
 * | ports of the servers | 8300, 8301 | configured | likewise |
 * | binary in an error's text | `text/plain` | sniffed | no client asks |
 * | names of keys, a path decoded twice, limits of requests | settings | of newer Consul | not measured |
 * | compression | never | of longer answers if asked | costs time, says nothing |
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
  /** Default: `nyc1` alone. All of them are joined. */
  readonly datacenters?: readonly [Specify.DatacenterOptions, ...ReadonlyArray<Specify.DatacenterOptions>]
}

/**
 * A datacenter's state at some moment, to be restored later.
 *
 * @since 0.1.0
 * @category models
 */
export interface Snapshot {
  readonly datacenter: string
  readonly state: State
}

/**
 * The simulated datacenters. What names a datacenter or an agent that there isn't dies with a message.
 *
 * @since 0.1.0
 * @category models
 */
export interface SimConsul {
  readonly datacenters: ReadonlyArray<string>
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
  /** One agent's HTTP interface, for any server. It wants the request's path as it was sent. */
  readonly httpApp: (agent: string) => HttpApp.Default
  /** Sends a request to an agent as it is, without a client between that would tidy up its path. */
  readonly request: (agent: string, request: Request) => Effect.Effect<Response>

  /** All that the servers of a datacenter hold. */
  readonly state: (datacenter: string) => Effect.Effect<State>
  /** The entries under a prefix, in order. */
  readonly entries: (datacenter: string, prefix: string) => Effect.Effect<ReadonlyArray<Entry>>
  /** Calls back inside of every commit, in order: after the state has changed, before anyone can hear of it. */
  readonly observe: (observer: (commit: Commit) => void) => Effect.Effect<void, never, Scope.Scope>

  /** Writes a key past all agents and checks. */
  readonly put: (
    datacenter: string,
    key: string,
    value: string | Uint8Array,
    flags?: bigint
  ) => Effect.Effect<void>
  /** Deletes a key past all agents and checks. */
  readonly remove: (datacenter: string, key: string) => Effect.Effect<void>
  /** Ends a session, as an operator or the leader would. */
  readonly destroySession: (datacenter: string, id: string) => Effect.Effect<void>
  readonly sessions: (datacenter: string) => Effect.Effect<ReadonlyArray<Session>>

  readonly snapshot: (datacenter: string) => Effect.Effect<Snapshot>
  /**
   * Puts a state back, as `consul snapshot restore` does: what it holds has the indexes it had, so that those of
   * prefixes go backwards; blocked queries return at once with what they read before; new writes continue the log's
   * numbering. With `rebuilt` they continue the snapshot's instead, as in a cluster set up anew from it: then a write
   * may come with an index that clients have seen before.
   */
  readonly restore: (snapshot: Snapshot, options?: { readonly rebuilt?: boolean }) => Effect.Effect<void>
  /**
   * Takes the datacenter's leader away or gives it back. Without one, requests wait for 7 s and then fail with
   * `No cluster leader`, but for `?stale` reads; no TTL of a session runs out, and all start anew with the leader.
   */
  readonly setLeader: (datacenter: string, present: boolean) => Effect.Effect<void>
  /** Breaks the link between two datacenters, also for requests under way. */
  readonly partition: (one: string, other: string, outage?: Outage) => Effect.Effect<void>
  readonly heal: (one: string, other: string) => Effect.Effect<void>
  /**
   * How many seconds pass for a datacenter's servers (TTLs of sessions, lock delays, `wait`) or for an agent (TTLs of
   * checks) in one second of the clock. 0 stops them.
   */
  readonly setClockRate: (datacenterOrAgent: string, rate: number) => Effect.Effect<void>
  /** Changes settings of a datacenter's agents and servers, as an upgrade does. Those not given stay as they are. */
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
 * The bytes of a key that isn't ASCII, as they are in a `State`.
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
