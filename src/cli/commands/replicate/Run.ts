/**
 * Replicates by the settings, once or until a signal comes.
 */
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as ConsulHttp from "../../../ConsulHttp.js"
import type { InvalidOptions } from "../../../InvalidOptions.js"
import type { Endpoint } from "../../../internal/consul/Endpoint.js"
import type { ReplicationConflict } from "../../../internal/plan/ReplicationConflict.js"
import { observing } from "../../../internal/report/EventSink.js"
import type { LogThreshold } from "../../../internal/report/LogThreshold.js"
import { OptionName } from "../../../internal/report/OptionName.js"
import * as LeaderLock from "../../../LeaderLock.js"
import * as Replication from "../../../Replication.js"
import * as Replications from "../../../Replications.js"
import * as Replicator from "../../../Replicator.js"
import * as AgentConnections from "../../node/AgentConnections.js"
import * as IdleGc from "../../node/IdleGc.js"
import * as ProgressLine from "../../node/ProgressLine.js"
import * as StopSignals from "../../node/StopSignals.js"
import * as FlagOf from "../../settings/FlagOf.js"
import { onceTimeout } from "../../settings/options/Instances.js"
import type * as Retry from "../../settings/Retry.js"
import type { WrongUse } from "../../settings/WrongUse.js"
import * as Once from "./Once.js"
import * as Patience from "./Patience.js"
import * as Reload from "./Reload.js"

/** A signal ended `-once` before the copy was complete: the exit code must not be 0. */
export class Unfinished extends Data.TaggedError("Unfinished")<{ readonly signal: NodeJS.Signals }> {
  override get message() {
    return `stopped by ${this.signal} before it was done`
  }
}

/** The settings that a reload can change while replications go on. */
export interface Reloadable {
  readonly replications: ReadonlyArray<Replication.Replication>
  /** The lowest level that is logged. */
  readonly logLevel: LogLevel.LogLevel
  /** Logs warnings of settings that have no effect or are probably mistakes. */
  readonly warn: Effect.Effect<void>
  /** Makes the error of the command from an error of the library, with the place of the setting. */
  readonly wrongUse: (error: InvalidOptions | ReplicationConflict) => WrongUse
}

/** The settings of a reload. */
export interface Reloaded extends Reloadable {
  /** The places of changed settings with which no replication can go on, such as the lock; empty if replications go on. */
  readonly reasonsToBeginAnew: ReadonlyArray<string>
}

export interface RunSettings extends Reloadable {
  readonly lock: Omit<LeaderLock.LockOptions, "purpose">
  /** The agent that is replicated into. */
  readonly agent: Endpoint
  /** The connections to the agents of both sides. */
  readonly connections: ReadonlyArray<AgentConnections.AgentConnection>
  /** The most blocking queries of all replications at one agent. */
  readonly queries: number
  /** Whether to copy once and end. */
  readonly once: boolean
  /** How long to wait for one thing; undefined for the default. */
  readonly patience: Retry.Patience | undefined
  /** A signal that stops the program, beside the ones that always do. */
  readonly killSignal: NodeJS.Signals | undefined
  /** The signal at which settings are read again. */
  readonly reloadSignal: NodeJS.Signals | undefined
}

/** Waits for the first signal that stops the program, such as `killSignal`. A second one has no listener, and ends the process. */
const stopSignal = (killSignal: NodeJS.Signals | undefined) =>
  Effect.gen(function* () {
    const usual = yield* StopSignals.StopSignal
    if (killSignal === undefined || StopSignals.always.has(killSignal)) return yield* usual
    const next = yield* StopSignals.each(killSignal)
    return yield* Effect.raceFirst(usual, Effect.as(next, killSignal))
  }).pipe(Effect.scoped)

/**
 * Reloads once, after `signal`. A refused reload changes nothing. Completes `beginsAnew` if all replications must begin anew.
 */
const reloading = <E extends { readonly message: string }, R>(
  signal: NodeJS.Signals,
  read: Effect.Effect<Reloaded, E, R>,
  running: {
    readonly started: Deferred.Deferred<Replications.Replications>
    readonly beginsAnew: Deferred.Deferred<void>
  },
  threshold: LogThreshold
): Effect.Effect<void, never, R> => {
  const { beginsAnew, started } = running
  /** Reads the settings. Returns none if all replications begin anew by them. */
  const readAgain = Effect.gen(function* () {
    const next = yield* read
    const { reasonsToBeginAnew } = next
    if (reasonsToBeginAnew.length === 0) return Option.some(next)
    yield* threshold.change(next.logLevel)
    yield* Effect.logInfo(`${signal}: reloaded; all begins anew, with ${reasonsToBeginAnew.join(", ")}`)
    yield* Deferred.succeed(beginsAnew, undefined)
    return Option.none()
  })
  return Effect.gen(function* () {
    let read = yield* readAgain
    if (Option.isNone(read)) return
    if (!(yield* Deferred.isDone(started))) {
      yield* Effect.logInfo(`${signal}: settings are read again when the agent has answered`)
      yield* Deferred.await(started)
      read = yield* readAgain
      if (Option.isNone(read)) return
    }
    const replications = yield* Deferred.await(started)
    const next = read.value
    const changes = yield* Effect.mapError(replications.reload(next.replications), next.wrongUse)
    yield* threshold.change(next.logLevel)
    yield* Effect.logInfo(`${signal}: reloaded; replications: ${Reload.summary(changes)}`)
    yield* next.warn
  }).pipe(
    Effect.catchAll(({ message }) =>
      Effect.logError(`${signal}: refused, and the replications go on as before: ${message}`)
    )
  )
}

const purposeOf = ([only, ...others]: ReadonlyArray<Replication.Replication>): string | undefined =>
  only === undefined || others.length > 0 ? undefined : Replication.route(only)

/**
 * Replicates. `reload` reads the settings again, and a reload sets `threshold` to their log level. Returns true, with the lock
 * given back, if all replications must begin anew by the settings of a reload.
 */
export const run = Effect.fnUntraced(function* <E extends { readonly message: string }, R>({
  reload,
  threshold,
  ...settings
}: RunSettings & { readonly reload: Effect.Effect<Reloaded, E, R>; readonly threshold: LogThreshold }) {
  const { agent, connections, lock, once, queries, reloadSignal, replications } = settings
  const lockOptions = yield* LeaderLock.options({ ...lock, purpose: purposeOf(replications) })
  const services = Layer.mergeAll(
    Replicator.servicesWith({ queries }),
    LeaderLock.shared(lockOptions),
    IdleGc.layer
  ).pipe(
    // The address was checked with the settings.
    Layer.provideMerge(Layer.orDie(ConsulHttp.layer(agent))),
    Layer.provideMerge(AgentConnections.layer(queries, connections))
  )
  const stopped = Effect.gen(function* () {
    const signal = yield* stopSignal(settings.killSignal)
    if (once) return yield* new Unfinished({ signal })
    yield* Effect.logInfo(`stopping: ${signal}`)
    return yield* Effect.interrupt
  })
  const { option, timeout } = settings.patience ?? {
    timeout: once ? onceTimeout : Duration.zero,
    option: "-timeout"
  }
  const { consumer, denied, exhausted } = yield* Patience.make({
    timeout,
    option,
    // An instance may stand by for ever, except with `-once`.
    kinds: new Set<Patience.Kind>(once ? ["Trouble", "Turn"] : ["Trouble"]),
    first: `no answer from the agent at ${agent.address}`
  })
  const started = yield* Deferred.make<Replications.Replications>()
  const beginsAnew = yield* Deferred.make<void>()
  const reloads =
    reloadSignal === undefined
      ? Effect.never
      : Effect.flatMap(StopSignals.each(reloadSignal), (next) =>
          next.pipe(
            Effect.zipRight(
              once
                ? Effect.logInfo(`${reloadSignal}: nothing is reloaded with -once`)
                : reloading(reloadSignal, reload, { started, beginsAnew }, threshold)
            ),
            Effect.forever
          )
        )
  const replicating = Replications.make(replications).pipe(
    Effect.tap((running) => Deferred.succeed(started, running)),
    Effect.flatMap(({ failure }) => failure),
    Effect.scoped
  )
  const doing = once ? Once.run(replications, { agent, timeout, option }) : replicating
  // With `-once`, each of several replications has its own patience.
  const isWaitedFor = once && replications.length > 1 ? Once.isOfAll : () => true
  return yield* doing.pipe(
    Effect.as(false),
    observing({ consume: (event) => (isWaitedFor(event) ? consumer.consume(event) : Effect.void) }),
    ProgressLine.drawn,
    Effect.provide(services),
    Effect.provideService(OptionName, FlagOf.flagOf),
    Effect.raceFirst(Duration.isZero(timeout) ? Effect.never : exhausted),
    Effect.raceFirst(once ? denied : Effect.never),
    Effect.raceFirst(Effect.raceFirst(stopped, reloads)),
    Effect.raceFirst(Effect.as(Deferred.await(beginsAnew), true))
  )
})
