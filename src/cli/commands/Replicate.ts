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
import * as ConsulHttp from "../../ConsulHttp.js"
import * as DeleteLimit from "../../DeleteLimit.js"
import type { InvalidOptions } from "../../InvalidOptions.js"
import { raceFirst } from "../../internal/effect/RaceFirst.js"
import { count } from "../../internal/report/Counts.js"
import { observing } from "../../internal/report/EventSink.js"
import { OptionName } from "../../internal/report/OptionName.js"
import * as LeaderLock from "../../LeaderLock.js"
import * as Replication from "../../Replication.js"
import * as Replicator from "../../Replicator.js"
import type { SourceAgent } from "../../SourceAgent.js"
import { version } from "../../Version.js"
import * as AgentConnections from "../node/AgentConnections.js"
import * as IdleGc from "../node/IdleGc.js"
import * as PidFile from "../node/PidFile.js"
import * as ProgressLine from "../node/ProgressLine.js"
import * as StopSignals from "../node/StopSignals.js"
import * as FlagOf from "../settings/FlagOf.js"
import { programName } from "../settings/Help.js"
import * as NotYet from "../settings/NotYet.js"
import { onceTimeout } from "../settings/options/Instances.js"
import * as Parsers from "../settings/Parsers.js"
import * as PrefixOption from "../settings/PrefixOption.js"
import * as Settings from "../settings/Settings.js"
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

/** All of them: what is wrong with one is refused before another is begun. */
export const makeReplications = (settings: Settings.Settings, sourceAgent: SourceAgent = {}) =>
  Effect.forEach(
    settings.replications,
    ({ datacenter, destinationPrefix, excludes, origins, prefix, status }) => {
      const { deletes, lock, maxDeletes, reconcile, watchShards } = settings
      return Replication.make({
        source: datacenter,
        sourceAgent,
        prefix,
        destinationPrefix,
        exclude: excludes,
        status,
        deletes,
        maxDeletes,
        reconcile,
        watchShards
      }).pipe(
        Effect.tap((replication) => Replication.validateUnder(replication, lock)),
        Effect.mapError(FlagOf.wrongUse(new Map([...settings.origins, ...origins])))
      )
    }
  )

/** What is probably meant otherwise. */
const warn = (replication: Replication.Replication, exclude: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { destinationPrefix, prefix } = replication
    yield* PrefixOption.warn("prefix", prefix)
    if (destinationPrefix !== prefix) {
      yield* PrefixOption.warn("dst-prefix", destinationPrefix)
      yield* PrefixOption.warnOfSlashes(prefix, destinationPrefix)
    }
    yield* Effect.forEach(exclude, PrefixOption.warnOfExclude(prefix), { discard: true })
  })

/** At the first signal that stops the program, `killSignal` among them. A second one finds no listener, and ends the program. */
const stopSignal = (killSignal: NodeJS.Signals | undefined) =>
  Effect.gen(function* () {
    const usual = yield* StopSignals.StopSignal
    if (killSignal === undefined || StopSignals.always.has(killSignal)) return yield* usual
    const next = yield* StopSignals.each(killSignal)
    return yield* Effect.raceFirst(usual, Effect.as(next, killSignal))
  }).pipe(Effect.scoped)

const replicating = Effect.fnUntraced(
  function* (settings: Settings.Settings) {
    const { agentless, lock, once, pidFile, service, sessionTtl } = settings
    const [first] = settings.replications
    const agents = yield* Agents.make({
      destination: settings.destination,
      source: first?.source ?? settings.source
    })
    const { address } = agents.destination
    const replications = yield* makeReplications(settings, agents.source)
    const named = <A, R>(effect: Effect.Effect<A, InvalidOptions, R>) =>
      Effect.mapError(effect, FlagOf.wrongUse(settings.origins))
    const lockOptions = yield* named(LeaderLock.options({ lock, service, agentless, sessionTtl }))
    yield* NotYet.validate(settings)
    const [replication] = replications
    if (replication === undefined) return
    if (pidFile !== undefined) yield* PidFile.write(pidFile)
    const source = replication.sourceAgent.address
    yield* Effect.logInfo(
      `consul-replicate ${version}, agent ${address}${source === undefined ? "" : `, source ${source}`}`
    )
    yield* Effect.forEach([...settings.warnings, ...NotYet.warnings(settings)], (text) =>
      Effect.logWarning(text)
    )
    yield* warn(replication, replication.exclude)
    const services = Layer.mergeAll(Replicator.services, LeaderLock.layer(lockOptions), IdleGc.layer).pipe(
      // Refused above, where it cannot be used.
      Layer.provideMerge(Layer.orDie(ConsulHttp.layer(agents.destination))),
      Layer.provideMerge(AgentConnections.layer(replication.watchShards, agents.connections))
    )
    const impossible = once
      ? Effect.zipRight(FirstContact.all(agents.destination, replication), Effect.never)
      : Effect.never
    const replicating = Effect.gen(function* () {
      if (!once) return yield* named(Replicator.run(replication))
      const left = yield* named(Replicator.runOnce(replication))
      const { held, refused } = { held: left.held.size, refused: left.refused.size }
      if (held + refused > 0) return yield* new NotEqual({ held, refused, limit: replication.maxDeletes })
    })
    const stopped = Effect.gen(function* () {
      const signal = yield* stopSignal(settings.killSignal)
      if (once) return yield* new Unfinished({ signal })
      yield* Effect.logInfo(`stopping: ${signal}`)
      return yield* Effect.interrupt
    })
    const { reloadSignal } = settings
    const reloads =
      reloadSignal === undefined
        ? Effect.never
        : Effect.flatMap(StopSignals.each(reloadSignal), (next) =>
            next.pipe(
              Effect.zipRight(
                Effect.logInfo(`${reloadSignal}: there is nothing to reload; replication goes on`)
              ),
              Effect.forever
            )
          )
    const { option, timeout } = settings.patience ?? {
      timeout: once ? onceTimeout : Duration.zero,
      option: "-timeout"
    }
    const { consumer, denied, exhausted } = yield* Patience.make({
      timeout,
      option,
      // An instance that stands by behind a leader is where it should be, unless it was to copy once.
      kinds: new Set<Patience.Kind>(once ? ["Trouble", "Turn"] : ["Trouble"]),
      first: `no answer from the agent at ${address}`
    })
    return yield* raceFirst(replicating, impossible).pipe(
      observing(consumer),
      ProgressLine.drawn,
      Effect.provide(services),
      Effect.provideService(OptionName, FlagOf.flagOf),
      Effect.raceFirst(Duration.isZero(timeout) ? Effect.never : exhausted),
      Effect.raceFirst(once ? denied : Effect.never),
      Effect.raceFirst(Effect.raceFirst(stopped, reloads))
    )
  },
  Effect.scoped,
  withLogLevel
)

/** `occurrences` are the options that are on the command line. */
export const replicate = (occurrences: ReadonlyArray<Parsers.Occurrence>) =>
  Command.make(
    programName,
    Parsers.parsers(occurrences),
    Effect.fn("consul-replicate")(function* (typed) {
      return yield* replicating(yield* Settings.load(Parsers.given(occurrences, typed)))
    })
  )
