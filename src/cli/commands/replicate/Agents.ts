/**
 * The agents of a program: the destination's agent, and the agents of its sources. One agent can be both.
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Endpoint } from "../../../internal/consul/Endpoint.js"
import type { SourceAgent } from "../../../internal/source/SourceAgent.js"
import type { AgentConnection } from "../../node/AgentConnections.js"
import type { ProxyVariables } from "../../node/HttpProxy.js"
import * as AgentSettings from "../../settings/AgentSettings.js"
import * as Environment from "../../settings/Environment.js"
import * as Connections from "../../settings/options/Connections.js"
import type { Setting } from "../../settings/Setting.js"
import { subject, WrongUse } from "../../settings/WrongUse.js"

type Given = AgentSettings.AgentSettings

export interface Agents {
  readonly destination: Endpoint
  /** The sources, in the order in which their settings were given. */
  readonly sources: ReadonlyArray<SourceAgent>
  /** The connection of each address. */
  readonly connections: ReadonlyArray<AgentConnection>
  /** The TLS settings of each address of a source, as text, for comparison. */
  readonly ways: ReadonlyMap<string, string>
}

/** The texts for all agents. */
export interface AgentsGiven {
  readonly destination: Given & { readonly address: AgentSettings.Given }
  /** The texts for the source of each replication. */
  readonly sources: ReadonlyArray<Given>
}

export type Resolve = (
  given: AgentsGiven
) => Effect.Effect<Agents, WrongUse | ConfigError, FileSystem.FileSystem | Scope.Scope>

const flagsOf = (
  options: Readonly<Record<keyof typeof Connections.source, Setting<unknown>>>
): AgentSettings.Flags => ({
  address: `-${options.addr.name}`,
  caFile: `-${options.caCert.name}`,
  certificateFile: `-${options.cert.name}`,
  serverName: `-${options.serverName.name}`
})

/** The TLS settings of an agent as text. Two agents of one address share their connections, so theirs must be equal. */
const wayOf = ({ caFile, caPath, certificateFile, keyFile, serverName, sslVerify }: Given): string =>
  JSON.stringify(
    [caFile, caPath, certificateFile, keyFile, serverName, sslVerify].map((given) => given?.text)
  )

/** A source, with its connection if it has an address of its own. */
const sourceOf = Effect.fnUntraced(function* (
  given: Given,
  destination: AgentSettings.Agent,
  proxies: ProxyVariables
) {
  const flags = flagsOf(Connections.source)
  const ofToken = given.tokenFile?.name ?? given.token?.name ?? `-${Connections.source.tokenFile.name}`
  const { address } = given
  if (address === undefined) {
    const same = yield* AgentSettings.resolveSame(given, flags, ofToken)
    // The connection is the destination's.
    const settings = { ...destination.endpoint.settings, ...same.settings }
    const agent: SourceAgent = { ...same, ...(same.settings !== undefined && { settings }) }
    return { agent, connection: undefined }
  }
  const source = yield* AgentSettings.resolve({ ...given, address }, flags, proxies, ofToken)
  if (source.endpoint.address === destination.endpoint.address) {
    return yield* new WrongUse({
      subject: subject(address.name, address.text),
      problem: "is the agent that is replicated into; leave it out, and name a datacenter by -src"
    })
  }
  const agent: SourceAgent = source.endpoint
  return { agent, connection: source.connection }
})

/** The texts of an agent, without the places at which they were given. */
const keyOf = (given: Given): string =>
  JSON.stringify(given, (key, value: unknown) => (key === "name" ? undefined : value))

/** Returns the value that was made for a key, or makes it. Callers run one after another, so no value is made twice. */
const memoized = <A, E, R>(
  made: Map<string, A>,
  key: string,
  make: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const before = made.get(key)
    return before === undefined
      ? Effect.tap(make, (one) => Effect.sync(() => made.set(key, one)))
      : Effect.succeed(before)
  })

/**
 * Makes a function that checks the texts of agents. For equal texts it returns the same agents: a reload disturbs no replication
 * whose settings have not changed, and follows no token file twice.
 */
export const resolver: Effect.Effect<Resolve> = Effect.sync(() => {
  const destinations = new Map<string, AgentSettings.Agent>()
  const sources = new Map<string, Effect.Effect.Success<ReturnType<typeof sourceOf>>>()
  return (given) =>
    Effect.gen(function* () {
      const proxies = yield* Environment.proxies
      const destination = yield* memoized(
        destinations,
        keyOf(given.destination),
        AgentSettings.resolve(given.destination, flagsOf(Connections.destination), proxies, undefined)
      )
      const connections = [destination.connection]
      const ways = new Map<string, string>()
      const agents: Array<SourceAgent> = []
      for (const settings of given.sources) {
        const { agent, connection } = yield* memoized(
          sources,
          keyOf(settings),
          sourceOf(settings, destination, proxies)
        )
        agents.push(agent)
        if (connection === undefined) continue
        const way = ways.get(connection.address)
        if (way === undefined) connections.push(connection)
        else if (way !== wayOf(settings)) {
          return yield* new WrongUse({
            subject: subject(settings.address?.name ?? "-src-addr", settings.address?.text ?? ""),
            problem: "is given twice with different TLS settings; give the same for both"
          })
        }
        ways.set(connection.address, wayOf(settings))
      }
      return {
        destination: destination.endpoint,
        sources: agents,
        connections,
        ways
      }
    })
})
