/**
 * Replicates what the settings say, until a signal stops it, or once.
 */
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as ConsulHttp from "../../../ConsulHttp.js"
import type { Endpoint } from "../../../Endpoint.js"
import { observing } from "../../../internal/report/EventSink.js"
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
import { onceTimeout } from "../../settings/Options.js"
import * as Once from "./Once.js"
import * as Patience from "./Patience.js"

/** With `-once`: whatever waits for it must not take it for done. */
export class Unfinished extends Data.TaggedError("Unfinished")<{ readonly signal: NodeJS.Signals }> {
  override get message() {
    return `stopped by ${this.signal} before it was done`
  }
}

export interface RunSettings {
  readonly replications: ReadonlyArray<Replication.Replication>
  /** Its purpose is that of the replication, if there is one replication. */
  readonly lock: Omit<LeaderLock.LockOptions, "purpose">
  /** The agent that is replicated into. */
  readonly agent: Endpoint
  /** How the agents of both sides are connected to. */
  readonly connections: ReadonlyArray<AgentConnections.AgentConnection>
  /** How many blocking queries all replications may have at one agent. */
  readonly queries: number
  readonly once: boolean
  /** How long to wait for one thing; zero for ever. */
  readonly timeout: Option.Option<Duration.Duration>
  /** Reads at a hang-up what is to be replicated from then on. None if there is nothing to read. */
  readonly reload: Option.Option<
    Effect.Effect<ReadonlyArray<Replication.Replication>, { readonly message: string }>
  >
}

/** What is done at a hang-up. What is refused then leaves all as it is. */
const reloading = (
  { once, reload }: RunSettings,
  started: Effect.Effect<Replications.Replications>
): Effect.Effect<void> => {
  if (once || Option.isNone(reload)) {
    return Effect.logInfo("SIGHUP: there is nothing to reload; replication goes on")
  }
  return Effect.gen(function* () {
    const replications = yield* started
    const { ended, kept, started: fresh } = yield* Effect.flatMap(reload.value, replications.reload)
    yield* Effect.logInfo(
      `SIGHUP: reloaded; replications: ${fresh.length} started, ${ended.length} ended, ${kept.length} go on as before`
    )
  }).pipe(
    Effect.catchAll(({ message }) =>
      Effect.logError(`SIGHUP: refused, and the replications go on as before: ${message}`)
    )
  )
}

const purposeOf = ([only, ...others]: ReadonlyArray<Replication.Replication>): string | undefined =>
  only === undefined || others.length > 0 ? undefined : Replication.route(only)

export const run = Effect.fnUntraced(function* (settings: RunSettings) {
  const { agent, connections, lock, once, queries, replications, timeout } = settings
  const lockOptions = yield* LeaderLock.options({ ...lock, purpose: purposeOf(replications) })
  const services = Layer.mergeAll(
    Replicator.servicesWith({ queries }),
    LeaderLock.shared(lockOptions),
    IdleGc.layer
  ).pipe(
    // Refused above, where it cannot be used.
    Layer.provideMerge(Layer.orDie(ConsulHttp.layer(agent))),
    Layer.provideMerge(AgentConnections.layer(queries, connections))
  )
  const limit = Option.getOrElse(timeout, () => (once ? onceTimeout : Duration.zero))
  const stopped = Effect.gen(function* () {
    const signal = yield* yield* StopSignals.StopSignal
    if (once) return yield* new Unfinished({ signal })
    yield* Effect.logInfo(`stopping: ${signal}`)
    return yield* Effect.interrupt
  })
  const { consumer, denied, exhausted } = yield* Patience.make({
    timeout: limit,
    // An instance that stands by behind a leader is where it should be, unless it was to copy once.
    kinds: new Set<Patience.Kind>(once ? ["Trouble", "Turn"] : ["Trouble"]),
    first: `no answer from the agent at ${agent.address}`
  })
  const started = yield* Deferred.make<Replications.Replications>()
  const hangUps = Effect.flatten(StopSignals.HangUp).pipe(
    Effect.zipRight(reloading(settings, Deferred.await(started))),
    Effect.forever
  )
  const replicating = Replications.make(replications).pipe(
    Effect.tap((running) => Deferred.succeed(started, running)),
    Effect.flatMap(({ failure }) => failure),
    Effect.scoped
  )
  const doing = once ? Once.run(replications, { agent, timeout: limit }) : replicating
  // Once, each of several replications has its own patience.
  const isWaitedFor = once && replications.length > 1 ? Once.isOfAll : () => true
  return yield* doing.pipe(
    observing({ consume: (event) => (isWaitedFor(event) ? consumer.consume(event) : Effect.void) }),
    ProgressLine.drawn,
    Effect.provide(services),
    Effect.provideService(OptionName, FlagOf.flagOf),
    Effect.raceFirst(Duration.isZero(limit) ? Effect.never : exhausted),
    Effect.raceFirst(once ? denied : Effect.never),
    Effect.raceFirst(Effect.raceFirst(stopped, hangUps))
  )
})
