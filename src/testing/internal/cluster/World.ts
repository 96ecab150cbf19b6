/**
 * The simulated world: datacenters with their agents, and the links between datacenters.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { fromString } from "../go/ByteString.js"
import * as Uuid from "../go/Uuid.js"
import type * as Http from "../http/Http.js"
import * as RateLimit from "../http/RateLimit.js"
import type { Refusal } from "../http/Refusal.js"
import type { Context } from "../http/Route.js"
import * as Routes from "../http/Routes.js"
import * as Agent from "./Agent.js"
import * as Datacenter from "./Datacenter.js"
import * as Rpc from "./Rpc.js"
import type { Settings } from "./Settings.js"

export interface AgentSpec {
  /** The node name. */
  readonly name: string
  /** Host and port of the HTTP API. */
  readonly address: string
  /** Whether the agent is a server. */
  readonly server: boolean
}

export interface DatacenterSpec {
  readonly name: string
  readonly settings: Partial<Settings>
  readonly agents: ReadonlyArray<AgentSpec>
}

/** An agent that answers requests. */
export interface Listening {
  readonly agent: Agent.Agent
  /** Host and port of the HTTP API. */
  readonly address: string
  /** The datacenter of the agent. */
  readonly datacenter: Datacenter.Datacenter
  /** The limit on the agent's requests. */
  readonly rateLimit: RateLimit.RateLimit
  /** Answers a request. */
  readonly handle: (request: Http.Request) => Effect.Effect<Http.Response>
}

export interface World {
  /** The datacenters by name. */
  readonly datacenters: ReadonlyMap<string, Datacenter.Datacenter>
  /** The agents of all datacenters. */
  readonly agents: ReadonlyArray<Listening>
  /** Severs the link between two datacenters, or restores it if `outage` is absent. */
  readonly sever: (one: string, other: string, outage: Rpc.Outage | undefined) => void
}

/** The state of the link between two datacenters. */
interface Link {
  /** Absent if the link is up. */
  outage: Rpc.Outage | undefined
  /** Fails when the link breaks. */
  broken: Deferred.Deferred<never, Refusal>
}

export const make = (specs: ReadonlyArray<DatacenterSpec>): Effect.Effect<World, never, Scope.Scope> =>
  Effect.gen(function* () {
    const random = yield* Effect.random
    const fiberId = yield* Effect.fiberId
    const datacenters = new Map<string, Datacenter.Datacenter>()
    const agents: Array<Listening> = []
    const links = new Map<string, Link>()

    const link = (one: string, other: string): Link => {
      const name = one < other ? `${one}\0${other}` : `${other}\0${one}`
      const existing = links.get(name)
      if (existing !== undefined) return existing
      const made: Link = { outage: undefined, broken: Deferred.unsafeMake(fiberId) }
      links.set(name, made)
      return made
    }

    const wan: Rpc.Links = {
      find: (name) => datacenters.get(name),
      outage: (from, to) => link(from, to).outage,
      broken: (from, to) => Effect.suspend(() => Deferred.await(link(from, to).broken))
    }

    const join = (spec: AgentSpec, datacenter: Datacenter.Datacenter, leads: boolean) =>
      Effect.gen(function* () {
        const name = fromString(spec.name)
        const host = spec.address.replace(/:\d+$/, "")
        const id = yield* Uuid.make(random)
        enter(datacenter, { name, id, host, server: spec.server })
        const agent = yield* Agent.make({ name, id, host, server: spec.server, datacenter, random })
        const peers = () =>
          agents.filter((other) => other.datacenter === datacenter).map(({ agent }) => agent)
        const context: Context = {
          agent,
          datacenter: datacenter.name,
          rpc: Rpc.make({ agent: spec.name, leads, home: datacenter, links: wan }),
          settings: datacenter.settings,
          makeId: Uuid.make(random),
          members: peers,
          datacenters: () => [
            datacenter.name,
            ...Array.from(datacenters.keys()).filter((other) => other !== datacenter.name)
          ],
          servers: (name) =>
            agents
              .filter((other) => other.datacenter.name === name && other.agent.server)
              .map(({ agent }) => agent)
        }
        const rateLimit = RateLimit.make(agent.timers)
        const handle = (request: Http.Request) =>
          Effect.suspend(() => {
            const refused = rateLimit.refusal(request.target)
            return refused === undefined ? Routes.handle(request, context) : Effect.succeed(refused)
          })
        agents.push({ agent, address: spec.address, datacenter, rateLimit, handle })
      })

    for (const spec of specs) {
      const datacenter = yield* Datacenter.make(spec.name, spec.settings)
      datacenters.set(spec.name, datacenter)
      for (const [i, agent] of spec.agents.entries()) yield* join(agent, datacenter, i === 0 && agent.server)
    }

    return {
      datacenters,
      agents,
      sever: (one, other, outage) => {
        const between = link(one, other)
        between.outage = outage
        if (outage === undefined) return
        const { broken } = between
        between.broken = Deferred.unsafeMake(fiberId)
        Deferred.unsafeDone(broken, Effect.fail(Rpc.interrupted))
      }
    }
  })

/**
 * Registers a node that joins. The leader registers its name and its address first. Then the agent registers its metadata and its
 * tagged addresses.
 */
const enter = (
  datacenter: Datacenter.Datacenter,
  node: { readonly name: string; readonly id: string; readonly host: string; readonly server: boolean }
): void => {
  const { host, id, name, server } = node
  const info = {
    id,
    name,
    address: host,
    meta: new Map<string, string>(),
    taggedAddresses: new Map<string, string>()
  }
  const service = {
    node: name,
    id: "consul",
    name: "consul",
    tags: [],
    address: "",
    port: 8300,
    meta: new Map([
      ["non_voter", "false"],
      ["raft_version", "3"],
      ["serf_protocol_current", "2"],
      ["serf_protocol_max", "5"],
      ["serf_protocol_min", "1"],
      ["version", "1.8.7"]
    ]),
    weights: { passing: 1, warning: 1 },
    enableTagOverride: false
  }
  const alive = {
    node: name,
    id: "serfHealth",
    name: "Serf Health Status",
    status: "passing",
    notes: "",
    output: "Agent alive and reachable",
    serviceId: "",
    type: ""
  } as const
  const withMeta = {
    ...info,
    meta: new Map([["consul-network-segment", ""]]),
    taggedAddresses: new Map(["lan", "lan_ipv4", "wan", "wan_ipv4"].map((kind) => [kind, host]))
  }
  datacenter.commit(
    {
      _tag: "Register",
      registration: { node: name, info, service: server ? service : undefined, checks: [alive] }
    },
    undefined
  )
  datacenter.commit({ _tag: "Register", registration: { node: name, info: withMeta, checks: [] } }, undefined)
}
