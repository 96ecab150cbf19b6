/**
 * Keeps a prefix of this datacenter equal to a prefix of another, for as long as it runs.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SynchronizedRef from "effect/SynchronizedRef"
import * as Checkpoint from "./Checkpoint.js"
import type { ConsulError } from "./ConsulError.js"
import { type Consul, ConsulHttp } from "./ConsulHttp.js"
import type { InvalidOptions } from "./InvalidOptions.js"
import * as RequestTimes from "./internal/consul/RequestTimes.js"
import type * as FencedWriter from "./internal/destination/FencedWriter.js"
import * as Reconciling from "./internal/destination/Reconciling.js"
import * as Replica from "./internal/destination/Replica.js"
import type { ReplicaState } from "./internal/destination/ReplicaState.js"
import * as StatusOwner from "./internal/destination/StatusOwner.js"
import { raceFirst } from "./internal/effect/RaceFirst.js"
import * as LockTimes from "./internal/lock/LockTimes.js"
import * as CheckReport from "./internal/report/CheckReport.js"
import { emit, observing } from "./internal/report/EventSink.js"
import { routeOf } from "./internal/report/Route.js"
import * as Silence from "./internal/report/Silence.js"
import * as Trouble from "./internal/report/Trouble.js"
import * as Batch from "./internal/source/Batch.js"
import * as Liveness from "./internal/source/Liveness.js"
import * as Quiescence from "./internal/source/Quiescence.js"
import * as SameCluster from "./internal/source/SameCluster.js"
import * as LeaderLock from "./LeaderLock.js"
import * as Replication from "./Replication.js"
import type { ReplicationEvent, Route } from "./ReplicationEvent.js"
import * as ReplicationEvents from "./ReplicationEvent.js"
import * as Watcher from "./Watcher.js"

/**
 * The pauses after a failed pass, before both sides are compared in full again. They are short again after a full comparison, and
 * not while comparisons fail. (`Schedule.resetAfter` would count from the first failure.)
 */
const retryApply = RequestTimes.reconnect

/**
 * Keys that {@link runOnce} left as they were, by their names at the destination.
 *
 * @since 0.5.0
 * @category models
 */
export interface LeftOver {
  /** Keys that the source does not have, and whose deletion the limit holds back. */
  readonly held: ReadonlySet<string>
  /** Keys that the destination refuses to change, or that cannot be read at the source. */
  readonly refused: ReadonlySet<string>
}

type Failure = FencedWriter.WriterError | InvalidOptions

const isInvalid = (error: { readonly _tag: string }): error is InvalidOptions =>
  error._tag === "InvalidOptions"

/** Whether no further attempt of the same leadership can succeed. */
const isFinal = (error: Failure): error is LeaderLock.LockLost | InvalidOptions =>
  error._tag === "LockLost" || isInvalid(error)

/** The services of one replicator, and the state that all of its leaderships share. */
interface Replicating {
  readonly replication: Replication.Replication
  readonly consul: Consul
  readonly leaderLock: LeaderLock.LeaderLock["Type"]
  readonly checkpoint: Checkpoint.Checkpoint["Type"]
  readonly watcher: Watcher.Watcher["Type"]
  readonly replica: Replica.Replica
  /** The field by which an event names the replication. */
  readonly about: { readonly replication: Route }
  /** Failures to reach the agent before this instance can stand for leadership. */
  readonly starting: Trouble.OwnTrouble
  /** Failures to apply changes. */
  readonly applying: Trouble.OwnTrouble
  /** Waits after a failure to apply changes, before both sides are compared again. */
  readonly pace: Schedule.ScheduleDriver<unknown, unknown>
  /** Fails if the source is the destination. */
  readonly refuseItself: Effect.Effect<void, ConsulError | InvalidOptions>
}

/** One leadership, and the state that its attempts to replicate share. */
interface Leading {
  readonly leader: LeaderLock.Leadership
  readonly liveness: Liveness.Liveness
  /** Whether the latest event said that the source is silent. */
  readonly isSilent: Ref.Ref<boolean>
}

/** One attempt to replicate: from reading the destination to the first failure. */
interface Attempt extends Leading {
  /** Opens the writer at the first use. */
  readonly writer: Effect.Effect<FencedWriter.FencedWriter, FencedWriter.WriterError>
  /** Waits for the next events of the source. */
  readonly next: Effect.Effect<Batch.Batch, ConsulError>
}

/** Begins an attempt to replicate. */
const begin = Effect.fnUntraced(function* (
  { replica, replication, watcher }: Replicating,
  leading: Leading
): Effect.fn.Return<Attempt, never, Scope.Scope> {
  const { leader, liveness } = leading
  const writer = yield* Effect.cached(replica.open(leader))
  const next = yield* Batch.pull(watcher.events({ ...Replication.watched(replication), liveness }))
  return { ...leading, writer, next }
})

/** A pass has landed: the failures to apply changes are over. */
const endTrouble = ({ applying, pace }: Replicating) => Effect.zipRight(applying.resolve, pace.reset)

/** Compares both sides in full. Reads the destination as soon as the source has answered. */
const compare = Effect.fnUntraced(function* (
  replicating: Replicating,
  { leader, next, writer }: Attempt
): Effect.fn.Return<ReplicaState, Failure> {
  const { refuseItself, replica } = replicating
  const start = Effect.zipRight(
    refuseItself,
    Effect.flatMap(writer, (writer) => replica.takeOver(leader, writer))
  )
  const compared = yield* replica.compare(start, next)
  // A part of a comparison that has landed does not show that the rest of it will.
  yield* endTrouble(replicating)
  return compared
})

const watchSilence = ({ about }: Replicating, { isSilent, liveness, writer }: Attempt) =>
  Silence.watch({
    ...about,
    liveness,
    isSilent,
    mark: (isSilent) => Effect.flatMap(writer, ({ markSilence }) => markSilence(isSilent))
  })

/** Compares both sides in full, then follows the source from snapshot to snapshot, and reconciles between them. */
const follow = Effect.fnUntraced(function* (replicating: Replicating, leading: Leading) {
  const { replica, replication } = replicating
  const attempt = yield* begin(replicating, leading)
  // One pass at a time.
  const state = yield* Effect.cached(Effect.flatMap(compare(replicating, attempt), SynchronizedRef.make))
  const quiet = Quiescence.gather(replication.wait)(Stream.repeatEffect(attempt.next))
  const following = Effect.flatMap(state, (state) =>
    Stream.runForEach(quiet, (events) =>
      Effect.zipRight(
        SynchronizedRef.updateEffect(state, (before) => replica.applyEvents(before, events)),
        endTrouble(replicating)
      )
    )
  )
  const reconciling = Reconciling.forever(replica, state, replication.reconcile)
  yield* Effect.all([following, reconciling, watchSilence(replicating, attempt)], {
    concurrency: "unbounded",
    discard: true
  })
  return yield* Effect.never
})

/** Compares both sides in full, once. */
const compareOnce = Effect.fnUntraced(function* (replicating: Replicating, leading: Leading) {
  const attempt = yield* begin(replicating, leading)
  const { held, refused } = yield* raceFirst(
    compare(replicating, attempt),
    watchSilence(replicating, attempt)
  )
  return { held, refused: new Set(refused.keys()) } satisfies LeftOver
})

/** The operation that marks the status as that of a stopped leader, if this leader has written the status. */
const markStopped = Effect.fnUntraced(function* (
  { checkpoint, replication: { status: key } }: Replicating,
  { fence }: LeaderLock.Leadership
) {
  const { index, status } = yield* checkpoint.read(key)
  const own = Option.filter(status, ({ Session }) => Session === fence.session)
  const time = yield* DateTime.now
  return Option.toArray(
    Option.map(own, (last) => checkpoint.operation(key, Checkpoint.stopped(last, time), index))
  )
})

/**
 * Reports a failure as trouble, and waits before the next attempt. If another instance owns the status key, waits until that
 * instance is gone.
 */
const reportFailure = Effect.fnUntraced(function* (
  { applying, consul, pace }: Replicating,
  error: Exclude<FencedWriter.WriterError, LeaderLock.LockLost>
) {
  yield* Trouble.report(applying, error)
  if (error._tag === "StatusInUse") {
    yield* Effect.ignore(Effect.provideService(StatusOwner.awaitFree(error), ConsulHttp, consul))
  }
  yield* Effect.ignore(pace.next(undefined))
})

/** Ends troubles without an event. Another instance may lead from now on, and report its own. */
const forgetTroubles = ({ applying, replica }: Replicating): Effect.Effect<void> =>
  Effect.all([applying.forget, replica.leave], { discard: true })

/** Runs `use` for a leader. After a failure the contents of the destination are not certain: `use` runs again. */
const replicateAs = <A>(
  replicating: Replicating,
  leader: LeaderLock.Leadership,
  use: (replicating: Replicating, leading: Leading) => Effect.Effect<A, Failure, Scope.Scope>
) =>
  Effect.gen(function* () {
    const { replication } = replicating
    yield* leader.onResign(markStopped(replicating, leader))
    const leading: Leading = { leader, liveness: yield* Liveness.make, isSilent: yield* Ref.make(false) }
    return yield* Effect.scoped(use(replicating, leading)).pipe(
      Effect.tapError((error) => (isFinal(error) ? Effect.void : reportFailure(replicating, error))),
      Effect.retry({ while: (error) => !isFinal(error) }),
      observing(yield* CheckReport.make(leader, replication))
    )
  }).pipe(Effect.ensuring(forgetTroubles(replicating)))

/** Runs `use` while leading. After a lost lock, this instance stands for leadership again. */
const lead = <A>(
  replicating: Replicating,
  use: (replicating: Replicating, leading: Leading) => Effect.Effect<A, Failure, Scope.Scope>
): Effect.Effect<A, InvalidOptions> => {
  const { about, leaderLock, replication } = replicating
  return leaderLock
    .lead((leader) => replicateAs(replicating, leader, use), {
      purpose: Replication.route(replication),
      exclusive: replication.status
    })
    .pipe(
      Effect.tapErrorTag("LockLost", ({ lock, reason, wasHeld = true }) =>
        emit({ _tag: "LockLost", ...about, lock, service: leaderLock.service, reason, wasHeld })
      ),
      Effect.retry({ schedule: LockTimes.retryLeadership, while: (error) => !isInvalid(error) }),
      Effect.catchIf(
        (error) => !isInvalid(error),
        (error) => Effect.die(error)
      )
    )
}

/** Fails with wrong use: of the settings by themselves, then of those that do not fit the datacenter of the agent. */
const validate = ({ about, consul, leaderLock, replication, starting }: Replicating) =>
  Effect.zipRight(
    Effect.zipRight(
      Replication.validate(replication),
      Replication.validateUnder(replication, leaderLock.lock)
    ),
    consul.agent.self.pipe(
      Trouble.watching(starting),
      Effect.retry(RequestTimes.reconnect),
      Effect.orDie,
      Effect.tap(({ datacenter }) =>
        emit({ _tag: "AgentAnswered", ...about, address: consul.endpoint.address, datacenter })
      ),
      Effect.flatMap(({ datacenter }) => Replication.validateIn(replication, datacenter, consul.endpoint))
    )
  )

const make = Effect.fnUntraced(function* (replication: Replication.Replication) {
  const consul = yield* ConsulHttp
  const route = routeOf(replication)
  const replicating: Replicating = {
    replication,
    consul,
    leaderLock: yield* LeaderLock.LeaderLock,
    checkpoint: yield* Checkpoint.Checkpoint,
    watcher: yield* Watcher.Watcher,
    replica: yield* Replica.make(replication),
    about: { replication: route },
    starting: yield* Trouble.make({ _tag: "Agent", address: consul.endpoint.address }, route),
    applying: yield* Trouble.make({ _tag: "Replication" }, route),
    pace: yield* Schedule.driver(retryApply),
    refuseItself: yield* SameCluster.refusal(replication, consul)
  }
  return replicating
})

/** The services of a replicator. */
type Services = ConsulHttp | LeaderLock.LeaderLock | Watcher.Watcher | Checkpoint.Checkpoint

/**
 * Stands for leadership, leads and replicates, until it is interrupted. Then it gives the lock back. Fails only with wrong use,
 * before anything is written: a status that is the lock, or settings that do not fit the datacenter of the agent. Other
 * failures are emitted as {@link events}, and tried again.
 *
 * Several replicators run at the same time under one `LeaderLock.shared`, each with a status of its own.
 *
 * @since 0.5.0
 * @category running
 * @example
 * ```ts
 * import * as assert from "node:assert"
 * import { ConsulHttp, LeaderLock, Replication, Replicator } from "consul-replicate"
 * import { SimConsul, VirtualTime, World } from "consul-replicate/testing"
 * import { Effect, Layer } from "effect"
 *
 * const Services = Layer.merge(Replicator.services, LeaderLock.layerConfig(LeaderLock.config)).pipe(
 *   Layer.provideMerge(ConsulHttp.layer({ address: "127.0.0.1:8500" })),
 *   Layer.provideMerge(SimConsul.layerHttpClient({ datacenters: ["sfo1", "nyc1"] }))
 * )
 *
 * export const program = Effect.gen(function* () {
 *   yield* World.put("nyc1", { "global/motd": "hello" })
 *   const replication = yield* Replication.make({ source: "nyc1", prefix: "global/" })
 *   const arrived = Effect.map(World.text("sfo1", "global/motd"), (text) => text === "hello")
 *   // It never ends by itself. Interrupted, it gives the lock back.
 *   yield* Effect.raceFirst(Replicator.run(replication), VirtualTime.until(arrived))
 *   assert.deepStrictEqual(Object.keys(yield* World.contents("sfo1", "global/")), ["global/motd"])
 * }).pipe(Effect.provide(Services))
 * ```
 */
export const run = (replication: Replication.Replication): Effect.Effect<never, InvalidOptions, Services> =>
  // Without a span, which would never end and make one trace of years. Each pass has a span.
  Effect.flatMap(make(replication), (replicating) =>
    Effect.zipRight(validate(replicating), lead(replicating, follow))
  ).pipe(Effect.scoped)

/**
 * Waits for the lock, makes the destination equal to the source once, and gives the lock back. Tries again, and fails, as
 * {@link run} does.
 *
 * @since 0.5.0
 * @category running
 * @example
 * ```ts
 * import * as assert from "node:assert"
 * import { Replicator } from "consul-replicate"
 * import { World } from "consul-replicate/testing"
 * import { Effect } from "effect"
 *
 * export const program = Effect.gen(function* () {
 *   yield* World.put("nyc1", { "global/motd": "hello" })
 *   const { replication, run } = yield* World.instance()
 *   const { held, refused } = yield* run(Replicator.runOnce(replication))
 *   assert.strictEqual(held.size + refused.size, 0)
 *   assert.strictEqual(yield* World.text("sfo1", "global/motd"), "hello")
 * }).pipe(Effect.scoped, Effect.provide(World.layer))
 * ```
 */
export const runOnce: (
  replication: Replication.Replication
) => Effect.Effect<LeftOver, InvalidOptions, Services> = Effect.fn("Replicator.runOnce")(function* (
  replication: Replication.Replication
) {
  const replicating = yield* make(replication)
  yield* validate(replicating)
  return yield* lead(replicating, compareOnce)
}, Effect.scoped)

/**
 * Everything that happens to the replicators, locks and watchers that run with the same `ReplicationEvents`, from the moment
 * at which the stream is run. Replication waits for no subscriber. A slow subscriber loses the oldest events.
 *
 * @since 0.5.0
 * @category events
 */
export const events: Stream.Stream<ReplicationEvent, never, ReplicationEvents.ReplicationEvents> =
  Stream.unwrap(Effect.map(ReplicationEvents.ReplicationEvents, ({ stream }) => stream))

/**
 * The services of a replicator except its lock, over the client of the destination's agent. Events are logged, and are a
 * stream. `queries` is that of `Watcher.layerWith`.
 *
 * @since 0.5.0
 * @category layers
 */
export const servicesWith = (
  options: { readonly queries?: number | undefined } = {}
): Layer.Layer<
  Watcher.Watcher | Checkpoint.Checkpoint | ReplicationEvents.ReplicationEvents,
  never,
  ConsulHttp
> => Layer.mergeAll(Watcher.layerWith(options), Checkpoint.layer, ReplicationEvents.layer)

/**
 * {@link servicesWith} the defaults.
 *
 * @since 0.5.0
 * @category layers
 */
export const services: Layer.Layer<
  Watcher.Watcher | Checkpoint.Checkpoint | ReplicationEvents.ReplicationEvents,
  never,
  ConsulHttp
> = servicesWith()
