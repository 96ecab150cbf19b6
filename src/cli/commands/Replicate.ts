/**
 * `consul-replicate`: replicates until stopped, or once.
 */
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import type * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as LeaderLock from "../../LeaderLock.js"
import * as Replication from "../../Replication.js"
import { version } from "../../Version.js"
import * as FlagOf from "../settings/FlagOf.js"
import { parsers, type Values } from "../settings/OptionSpec.js"
import { destinationAgent, options, sourceAgent } from "../settings/Options.js"
import * as PrefixOption from "../settings/PrefixOption.js"
import { WrongUse } from "../settings/WrongUse.js"
import * as Agents from "./replicate/Agents.js"
import * as Run from "./replicate/Run.js"

const withLogLevel = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  { logLevel }: { readonly logLevel: LogLevel.LogLevel }
): Effect.Effect<A, E, R> =>
  effect.pipe(
    Effect.tapErrorCause((cause) => Effect.logTrace("stopped by this failure", cause)),
    Logger.withMinimumLogLevel(logLevel)
  )

interface Settings extends Values<typeof options> {
  readonly destinationAgent: Values<typeof destinationAgent>
  readonly sourceAgent: Values<typeof sourceAgent>
}

const replicating = Effect.fnUntraced(
  function* ({
    addr,
    agentless,
    destinationAgent,
    lock,
    logLevel: _,
    noDelete,
    once,
    service,
    sessionTtl,
    sourceAddr,
    sourceAgent,
    src,
    timeout,
    ...given
  }: Settings) {
    yield* PrefixOption.validate(given.prefix)
    const agents = yield* Agents.make({
      addr,
      sourceAddr,
      destination: destinationAgent,
      source: sourceAgent
    })
    const replication = yield* Replication.make({
      ...given,
      source: src,
      sourceAgent: agents.source,
      deletes: !noDelete
    })
    yield* LeaderLock.options({ agentless, lock, service, sessionTtl })
    yield* Replication.validateUnder(replication, lock)
    const { address } = agents.destination
    const source = replication.sourceAgent.address
    yield* Effect.logInfo(
      `consul-replicate ${version}, agent ${address}${source === undefined ? "" : `, source ${source}`}`
    )
    yield* PrefixOption.warn("prefix", replication.prefix)
    if (replication.destinationPrefix !== replication.prefix) {
      yield* PrefixOption.warn("dst-prefix", replication.destinationPrefix)
      yield* PrefixOption.warnOfSlashes(replication.prefix, replication.destinationPrefix)
    }
    yield* Effect.forEach(replication.exclude, PrefixOption.warnOfExclude(replication.prefix), {
      discard: true
    })
    return yield* Run.run({
      replications: [replication],
      lock: { agentless, lock, service, sessionTtl },
      agent: agents.destination,
      connections: agents.connections,
      queries: replication.watchShards,
      once,
      timeout,
      reload: Option.none()
    })
  },
  Effect.catchTags({
    InvalidOptions: FlagOf.wrongUse,
    ReplicationConflict: ({ message }) => new WrongUse({ problem: message })
  }),
  Effect.scoped,
  withLogLevel
)

export const replicate = Command.make(
  "consul-replicate",
  {
    ...parsers(options),
    destinationAgent: parsers(destinationAgent),
    sourceAgent: parsers(sourceAgent)
  },
  Effect.fn("consul-replicate")(function* ({ destinationAgent, sourceAgent, ...settings }) {
    return yield* replicating({
      ...(yield* Effect.all(settings)),
      destinationAgent: yield* Effect.all(destinationAgent),
      sourceAgent: yield* Effect.all(sourceAgent)
    })
  })
)
