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
import type { Values } from "../../settings/OptionSpec.js"
import * as Options from "../../settings/Options.js"
import { subject, WrongUse } from "../../settings/WrongUse.js"

export interface Agents {
  readonly destination: Endpoint
  readonly source: SourceAgent
  readonly connections: ReadonlyArray<AgentConnection>
}

const flagsOf = (address: string, options: typeof Options.destinationAgent): AgentSettings.Flags => ({
  address,
  token: `-${options.token.name}`,
  caFile: `-${options.caFile.name}`,
  certificateFile: `-${options.certificateFile.name}`,
  serverName: `-${options.serverName.name}`
})

type Typed = Values<typeof Options.destinationAgent>

/** The texts of the options with their names. */
const typed = (
  address: { readonly flag: string; readonly text: string },
  texts: Typed,
  options: typeof Options.destinationAgent
): Environment.Typed => {
  const of = (key: keyof Typed) => ({ flag: options[key].name, text: texts[key] })
  return {
    address,
    tokenFile: of("tokenFile"),
    token: of("token"),
    auth: of("auth"),
    ssl: of("ssl"),
    sslVerify: of("sslVerify"),
    caFile: of("caFile"),
    caPath: of("caPath"),
    certificateFile: of("certificateFile"),
    keyFile: of("keyFile"),
    serverName: of("serverName"),
    namespace: of("namespace"),
    partition: of("partition")
  }
}

/** What the options and the environment say of both agents. */
export const make = (given: {
  readonly addr: string
  readonly sourceAddr: string
  readonly destination: Typed
  readonly source: Typed
}): Effect.Effect<Agents, WrongUse | ConfigError, FileSystem.FileSystem | Scope.Scope> =>
  Effect.gen(function* () {
    const proxies = yield* Environment.proxies
    const there = yield* Environment.destinationSettings(
      typed({ flag: "addr", text: given.addr }, given.destination, Options.destinationAgent)
    )
    const fallback = { name: "-addr", text: given.addr, isVariable: true }
    const destination = yield* AgentSettings.resolve(
      { ...there, address: there.address ?? fallback },
      flagsOf("-addr", Options.destinationAgent),
      proxies,
      undefined
    )
    const here = yield* Environment.sourceSettings(
      typed({ flag: "src-addr", text: given.sourceAddr }, given.source, Options.sourceAgent)
    )
    const flags = flagsOf("-src-addr", Options.sourceAgent)
    const ofToken = here.tokenFile?.name ?? here.token?.name ?? "-src-token-file"
    const { address } = here
    if (address === undefined) {
      const same = yield* AgentSettings.resolveSame(here, flags, ofToken)
      // The connection is the destination's.
      const settings = { ...destination.endpoint.settings, ...same.settings }
      const source = { ...same, ...(same.settings !== undefined && { settings }) }
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
