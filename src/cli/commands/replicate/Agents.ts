/**
 * The agents that replications ask: the one that is replicated into, and those of their sources, which can be the same.
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Endpoint } from "../../../Endpoint.js"
import type { SourceAgent } from "../../../SourceAgent.js"
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
  /** How each address is reached. */
  readonly connections: ReadonlyArray<AgentConnection>
}

const flagsOf = (
  options: Readonly<Record<keyof typeof Connections.source, Setting<unknown>>>
): AgentSettings.Flags => ({
  address: `-${options.addr.name}`,
  token: `-${options.token.name}`,
  caFile: `-${options.caCert.name}`,
  certificateFile: `-${options.cert.name}`,
  serverName: `-${options.serverName.name}`
})

/** What says how an address is reached. Two agents of one address share their connections. */
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

/** What was given for all agents, resolved. Sources with the same settings object are one agent. */
export const make = (given: {
  readonly destination: Given & { readonly address: AgentSettings.Given }
  readonly sources: ReadonlyArray<Given>
}): Effect.Effect<Agents, WrongUse | ConfigError, FileSystem.FileSystem | Scope.Scope> =>
  Effect.gen(function* () {
    const proxies = yield* Environment.proxies
    const destination = yield* AgentSettings.resolve(
      given.destination,
      flagsOf(Connections.destination),
      proxies,
      undefined
    )
    const connections = [destination.connection]
    const ways = new Map<string, string>()
    const resolved = new Map<Given, SourceAgent>()
    for (const settings of new Set(given.sources)) {
      const { agent, connection } = yield* sourceOf(settings, destination, proxies)
      resolved.set(settings, agent)
      if (connection === undefined) continue
      const way = ways.get(connection.address)
      if (way === undefined) connections.push(connection)
      else if (way !== wayOf(settings)) {
        const name = settings.address?.name ?? "-src-addr"
        return yield* new WrongUse({
          subject: subject(name, settings.address?.text ?? ""),
          problem: "is given twice with different TLS settings; give the same for both"
        })
      }
      ways.set(connection.address, wayOf(settings))
    }
    return {
      destination: destination.endpoint,
      sources: given.sources.map((settings) => resolved.get(settings) ?? {}),
      connections
    }
  })
