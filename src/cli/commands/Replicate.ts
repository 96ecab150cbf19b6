/**
 * `consul-replicate`: replicates until stopped, or once.
 */
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as HashSet from "effect/HashSet"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Scope from "effect/Scope"
import type { InvalidOptions } from "../../InvalidOptions.js"
import type { ReplicationConflict } from "../../internal/plan/ReplicationConflict.js"
import * as LogThreshold from "../../internal/report/LogThreshold.js"
import type { SourceAgent } from "../../internal/source/SourceAgent.js"
import * as LeaderLock from "../../LeaderLock.js"
import * as Replication from "../../Replication.js"
import * as Replications from "../../Replications.js"
import { version } from "../../Version.js"
import * as PidFile from "../node/PidFile.js"
import * as Syslog from "../node/Syslog.js"
import * as FlagOf from "../settings/FlagOf.js"
import { programName } from "../settings/Help.js"
import { Origin, shown } from "../settings/Origin.js"
import * as Parsers from "../settings/Parsers.js"
import * as PrefixOption from "../settings/PrefixOption.js"
import * as Settings from "../settings/Settings.js"
import { WrongUse } from "../settings/WrongUse.js"
import * as Agents from "./replicate/Agents.js"
import * as Reload from "./replicate/Reload.js"
import * as Run from "./replicate/Run.js"

/** Makes all replications, and refuses a wrong one before any begins. `sources` are their agents, in the same order. */
export const makeReplications = (settings: Settings.Settings, sources: ReadonlyArray<SourceAgent> = []) =>
  Effect.forEach(
    settings.replications,
    ({ datacenter, destinationPrefix, excludes, origins, prefix, status }, i) => {
      const { deletes, lock, maxDeletes, reconcile, wait, watchShards } = settings
      return Replication.make({
        source: datacenter,
        sourceAgent: sources[i] ?? {},
        prefix,
        destinationPrefix,
        exclude: excludes,
        status,
        deletes,
        maxDeletes,
        reconcile,
        wait,
        watchShards
      }).pipe(
        Effect.tap((replication) => Replication.validateUnder(replication, lock)),
        Effect.mapError(FlagOf.wrongUse(new Map([...settings.origins, ...origins])))
      )
    }
  )

/** Warns of prefixes that are probably mistakes, at the places where they were given. */
const warnOf = ({ destinationPrefix, origins, prefix }: Settings.Settings["replications"][number]) => {
  const where = (option: string): string => shown(origins.get(option) ?? Origin.Default(), option)
  return Effect.gen(function* () {
    yield* PrefixOption.warn(where("prefix"), prefix)
    if (destinationPrefix !== prefix) {
      yield* PrefixOption.warn(where("dst-prefix"), destinationPrefix)
      yield* PrefixOption.warnOfSlashes(where("dst-prefix"), prefix, destinationPrefix)
    }
  })
}

const warn = (settings: Settings.Settings, replications: ReadonlyArray<Replication.Replication>) =>
  Effect.gen(function* () {
    yield* Effect.forEach(settings.warnings, (text) => Effect.logWarning(text), { discard: true })
    yield* Effect.forEach(settings.replications, warnOf, { discard: true })
    yield* PrefixOption.warnOfExcludes(replications)
  })

/** The places of the settings, for an error of the library. If it is about a datacenter, the first replication with it counts. */
const originsOf = ({ origins, replications }: Settings.Settings, { field, given }: InvalidOptions) => {
  const refused =
    field === "source" ? replications.find(({ datacenter }) => datacenter.toLowerCase() === given) : undefined
  return new Map([...origins, ...(refused?.origins ?? [])])
}

const wrongUse =
  (settings: Settings.Settings) =>
  (error: InvalidOptions | ReplicationConflict): WrongUse =>
    error._tag === "ReplicationConflict"
      ? new WrongUse({ problem: error.message })
      : FlagOf.wrongUse(originsOf(settings, error))(error)

/** Checks all settings for which no request is needed. */
const resolveWith = (resolveAgents: Agents.Resolve) =>
  Effect.fnUntraced(function* (settings: Settings.Settings) {
    const { agentless, lock, once, service, sessionTtl } = settings
    const agents = yield* resolveAgents({
      destination: settings.destination,
      sources: settings.replications.map(({ source }) => source ?? settings.source)
    })
    const replications = yield* makeReplications(settings, agents.sources)
    const lockFields = { agentless, lock, service, sessionTtl }
    yield* Effect.mapError(LeaderLock.options(lockFields), FlagOf.wrongUse(settings.origins))
    const [, second] = settings.replications
    yield* Effect.mapError(
      Replications.validateTogether(replications, lock),
      ({ message }) =>
        new WrongUse({
          subject: shown(second?.origins.get("prefix") ?? Origin.Default(), "prefix"),
          problem: message
        })
    )
    return {
      replications,
      lock: lockFields,
      agent: agents.destination,
      connections: agents.connections,
      queries: settings.watchShards,
      logLevel: settings.logLevel,
      warn: warn(settings, replications),
      wrongUse: wrongUse(settings),
      once,
      patience: settings.patience,
      killSignal: settings.killSignal,
      reloadSignal: settings.reloadSignal,
      ways: agents.ways
    }
  })

/** Makes a function that sends the log of an effect to syslog too, if the settings ask for syslog. */
const syslogOf = ({ origins, syslog: facility }: Settings.Settings, threshold: LogThreshold.LogThreshold) => {
  if (facility === undefined) return Effect.succeed(<A, E, R>(effect: Effect.Effect<A, E, R>) => effect)
  const origin = origins.get("syslog") ?? origins.get("syslog-facility") ?? Origin.Default()
  return Effect.map(
    Syslog.make(facility, shown(origin, "syslog")),
    (logger) =>
      <A, E extends { readonly message: string }, R>(effect: Effect.Effect<A, E, R>) =>
        effect.pipe(
          Effect.provide(Logger.add(LogThreshold.at(threshold)(logger))),
          // The failure that ends the program is printed to stderr after the log.
          Effect.tapError(({ message }) =>
            Effect.locally(Effect.logError(message), FiberRef.currentLoggers, HashSet.make(logger))
          )
        )
  )
}

/**
 * Replicates by `settings`. Returns the settings of a reload if all replications must begin anew by them. `begin` runs after the
 * settings were checked. `read` reads the settings of a reload.
 */
const replicatingBy = <E extends { readonly message: string }, R, E2, R2>(
  settings: Settings.Settings,
  read: Effect.Effect<Settings.Settings, E, R>,
  threshold: LogThreshold.LogThreshold,
  begin: Effect.Effect<void, E2, R2>
) =>
  Effect.gen(function* () {
    const resolve = resolveWith(yield* Agents.resolver)
    const { ways, ...resolved } = yield* resolve(settings)
    const latest = yield* Ref.make(settings)
    const reload = Effect.gen(function* () {
      const next = yield* read
      yield* Reload.problemOf(settings, next) ?? Effect.void
      const { ways: waysAfter, ...after } = yield* resolve(next)
      yield* Ref.set(latest, next)
      const areOther = [...waysAfter].some(([address, way]) => ways.get(address) !== way)
      const places = Reload.reasonsToBeginAnew(settings, next)
      const reasonsToBeginAnew = areOther && places.length === 0 ? ["another way to a source"] : places
      return { ...after, reasonsToBeginAnew }
    })
    yield* begin
    const { agent, replications } = resolved
    const sources = new Set(replications.flatMap(({ sourceAgent }) => sourceAgent.address ?? []))
    const from = sources.size === 0 ? "" : `, source ${[...sources].join(", ")}`
    yield* Effect.logInfo(`consul-replicate ${version}, agent ${agent.address}${from}`)
    yield* resolved.warn
    const beginsAnew = yield* Effect.mapError(Run.run({ ...resolved, threshold, reload }), (error) =>
      error._tag === "InvalidOptions" || error._tag === "ReplicationConflict"
        ? resolved.wrongUse(error)
        : error
    )
    return beginsAnew ? Option.some(yield* Ref.get(latest)) : Option.none()
  }).pipe(Effect.scoped)

/** Replicates by `settings`, and then by the settings of reloads, which `read` reads. */
const replicating = <E extends { readonly message: string }, R>(
  settings: Settings.Settings,
  read: Effect.Effect<Settings.Settings, E, R>
) =>
  Effect.flatMap(LogThreshold.make(settings.logLevel), (threshold) =>
    Effect.gen(function* () {
      const { pidFile } = settings
      const syslog = yield* syslogOf(settings, threshold)
      const scope = yield* Effect.scope
      const first = pidFile === undefined ? Effect.void : Scope.extend(PidFile.write(pidFile), scope)
      return yield* syslog(
        Effect.gen(function* () {
          let next = yield* replicatingBy(settings, read, threshold, first)
          while (Option.isSome(next)) next = yield* replicatingBy(next.value, read, threshold, Effect.void)
        })
      )
    }).pipe(
      Effect.scoped,
      Effect.tapErrorCause((cause) => Effect.logTrace("stopped by this failure", cause)),
      LogThreshold.under(threshold)
    )
  )

/** `occurrences` are the options that are on the command line. */
export const replicate = (occurrences: ReadonlyArray<Parsers.Occurrence>) =>
  Command.make(
    programName,
    Parsers.parsers(occurrences),
    Effect.fn("consul-replicate")(function* (typed) {
      const read = Settings.load(Parsers.given(occurrences, typed))
      return yield* replicating(yield* read, read)
    })
  )
