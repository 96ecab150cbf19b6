/**
 * The agents that a replication asks: the one that is replicated into, and the one of the source, which can be the same.
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Endpoint } from "../../../Endpoint.js"
import type { SourceAgent } from "../../../SourceAgent.js"
import type { AgentConnection } from "../../node/AgentConnections.js"
import * as AgentSettings from "../../settings/AgentSettings.js"
import * as Environment from "../../settings/Environment.js"
import * as Connections from "../../settings/options/Connections.js"
import type { Setting } from "../../settings/Setting.js"
import { subject, WrongUse } from "../../settings/WrongUse.js"

export interface Agents {
  readonly destination: Endpoint
  readonly source: SourceAgent
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

/** What was given for both agents, resolved. */
export const make = (given: {
  readonly destination: AgentSettings.AgentSettings & { readonly address: AgentSettings.Given }
  readonly source: AgentSettings.AgentSettings
}): Effect.Effect<Agents, WrongUse | ConfigError, FileSystem.FileSystem | Scope.Scope> =>
  Effect.gen(function* () {
    const proxies = yield* Environment.proxies
    const destination = yield* AgentSettings.resolve(
      given.destination,
      flagsOf(Connections.destination),
      proxies,
      undefined
    )
    const here = given.source
    const flags = flagsOf(Connections.source)
    const ofToken = here.tokenFile?.name ?? here.token?.name ?? `-${Connections.source.tokenFile.name}`
    const { address } = here
    if (address === undefined) {
      const source = yield* AgentSettings.resolveSame(here, flags, ofToken)
      return { destination: destination.endpoint, source, connections: [destination.connection] }
    }
    const source = yield* AgentSettings.resolve({ ...here, address }, flags, proxies, ofToken)
    if (source.endpoint.address === destination.endpoint.address) {
      return yield* new WrongUse({
        subject: subject(address.name, address.text),
        problem: "is the agent that is replicated into; leave it out, and name a datacenter by -src"
      })
    }
    return {
      destination: destination.endpoint,
      source: source.endpoint,
      connections: [destination.connection, source.connection]
    }
  })
