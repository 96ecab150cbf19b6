/**
 * `consul-replicate`: replicates until stopped, or once.
 */
import * as Command from "@effect/cli/Command"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as ConsulHttp from "../../ConsulHttp.js"
import * as DeleteLimit from "../../DeleteLimit.js"
import { raceFirst } from "../../internal/effect/RaceFirst.js"
import { count } from "../../internal/report/Counts.js"
import { observing } from "../../internal/report/EventSink.js"
import { OptionName } from "../../internal/report/OptionName.js"
import * as LeaderLock from "../../LeaderLock.js"
import * as Replication from "../../Replication.js"
import * as Replicator from "../../Replicator.js"
import { version } from "../../Version.js"
import * as AgentConnections from "../node/AgentConnections.js"
import * as IdleGc from "../node/IdleGc.js"
import * as ProgressLine from "../node/ProgressLine.js"
import * as StopSignals from "../node/StopSignals.js"
import * as FlagOf from "../settings/FlagOf.js"
import { parsers, type Values } from "../settings/OptionSpec.js"
import { destinationAgent, onceTimeout, options, sourceAgent } from "../settings/Options.js"
import * as PrefixOption from "../settings/PrefixOption.js"
import * as Agents from "./replicate/Agents.js"
import * as FirstContact from "./replicate/FirstContact.js"
import * as Patience from "./replicate/Patience.js"

/** With `-once`: everything is replicated but the deletes that the limit holds back, and what is refused. */
export class NotEqual extends Data.TaggedError("NotEqual")<{
  readonly held: number
  readonly refused: number
  readonly limit: DeleteLimit.DeleteLimit
}> {
  override get message() {
    const { held, limit, refused } = this
    const left = [
      held > 0 &&
        `the deletion of ${count(held, "key")} is held back by -max-deletes=${DeleteLimit.format(limit)}`,
      refused > 0 && `${count(refused, "key")} did not land`
    ]
    return [...left.filter((text) => text !== false), "all else is replicated"].join("; ")
  }
}

/** With `-once`: whatever waits for it must not take it for done. */
export class Unfinished extends Data.TaggedError("Unfinished")<{ readonly signal: NodeJS.Signals }> {
  override get message() {
    return `stopped by ${this.signal} before it was done`
  }
}

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
    const lockOptions = yield* LeaderLock.options({ agentless, lock, service, sessionTtl })
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
    const services = Layer.mergeAll(Replicator.services, LeaderLock.layer(lockOptions), IdleGc.layer).pipe(
      // Refused above, where it cannot be used.
      Layer.provideMerge(Layer.orDie(ConsulHttp.layer(agents.destination))),
      Layer.provideMerge(AgentConnections.layer(replication.watchShards, agents.connections))
    )
    const impossible = once
      ? Effect.zipRight(FirstContact.all(agents.destination, replication), Effect.never)
      : Effect.never
    const replicating = Effect.gen(function* () {
      if (!once) return yield* Replicator.run(replication)
      const left = yield* Replicator.runOnce(replication)
      const { held, refused } = { held: left.held.size, refused: left.refused.size }
      if (held + refused > 0) return yield* new NotEqual({ held, refused, limit: replication.maxDeletes })
    })
    const stopped = Effect.gen(function* () {
      const signal = yield* yield* StopSignals.StopSignal
      if (once) return yield* new Unfinished({ signal })
      yield* Effect.logInfo(`stopping: ${signal}`)
      return yield* Effect.interrupt
    })
    const hangUps = Effect.flatten(StopSignals.HangUp).pipe(
      Effect.zipRight(Effect.logInfo("SIGHUP: there is nothing to reload; replication goes on")),
      Effect.forever
    )
    const limit = Option.getOrElse(timeout, () => (once ? onceTimeout : Duration.zero))
    const { consumer, denied, exhausted } = yield* Patience.make({
      timeout: limit,
      // An instance that stands by behind a leader is where it should be, unless it was to copy once.
      kinds: new Set<Patience.Kind>(once ? ["Trouble", "Turn"] : ["Trouble"]),
      first: `no answer from the agent at ${address}`
    })
    return yield* raceFirst(replicating, impossible).pipe(
      observing(consumer),
      ProgressLine.drawn,
      Effect.provide(services),
      Effect.provideService(OptionName, FlagOf.flagOf),
      Effect.raceFirst(Duration.isZero(limit) ? Effect.never : exhausted),
      Effect.raceFirst(once ? denied : Effect.never),
      Effect.raceFirst(Effect.raceFirst(stopped, hangUps))
    )
  },
  Effect.catchTag("InvalidOptions", FlagOf.wrongUse),
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
