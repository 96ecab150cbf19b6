/**
 * Keeps a prefix of this datacenter equal to a prefix of another, for as long as it runs.
 *
 * @since 0.1.0
 */
import type * as Arr from "effect/Array"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SynchronizedRef from "effect/SynchronizedRef"
import * as Checkpoint from "./Checkpoint.js"
import { ConsulHttp } from "./ConsulHttp.js"
import type { InvalidOptions } from "./InvalidOptions.js"
import type * as FencedWriter from "./internal/destination/FencedWriter.js"
import * as Replica from "./internal/destination/Replica.js"
import type { ReplicaState } from "./internal/destination/ReplicaState.js"
import * as StatusOwner from "./internal/destination/StatusOwner.js"
import { breathe } from "./internal/effect/EventLoop.js"
import * as CheckReport from "./internal/report/CheckReport.js"
import { emit, observing } from "./internal/report/EventSink.js"
import { routeOf } from "./internal/report/Route.js"
import * as Trouble from "./internal/report/Trouble.js"
import * as Schedules from "./internal/Schedules.js"
import * as Liveness from "./internal/source/Liveness.js"
import * as Quiescence from "./internal/source/Quiescence.js"
import * as SameCluster from "./internal/source/SameCluster.js"
import * as LeaderLock from "./LeaderLock.js"
import * as Replication from "./Replication.js"
import type { ReplicationEvent } from "./ReplicationEvent.js"
import * as ReplicationEvents from "./ReplicationEvents.js"
import * as Watcher from "./Watcher.js"

/**
 * Keys of the destination that are not as at the source: `held`, whose deletion the limit holds back, and `refused`, which
 * it does not let be changed.
 *
 * @since 0.5.0
 * @category models
 */
export interface LeftOver {
  readonly held: ReadonlySet<string>
  readonly refused: ReadonlySet<string>
}

const isInvalid = (error: { readonly _tag: string }): error is InvalidOptions =>
  error._tag === "InvalidOptions"

/** What the same leadership cannot get over. */
const isFinal = (
  error: FencedWriter.WriterError | InvalidOptions
): error is LeaderLock.LockLost | InvalidOptions => error._tag === "LockLost" || isInvalid(error)

const make = Effect.fnUntraced(function* (replication: Replication.Replication) {
  const { reconcile, status: statusKey } = replication
  const consul = yield* ConsulHttp
  const leaderLock = yield* LeaderLock.LeaderLock
  const checkpoint = yield* Checkpoint.Checkpoint
  const watcher = yield* Watcher.Watcher
  const passes = yield* Replica.make(replication)
  const about = { replication: routeOf(replication) }
  const { address } = consul.endpoint
  const starting = yield* Trouble.make({ _tag: "Agent", address }, about.replication)
  const applying = yield* Trouble.make({ _tag: "Replication" }, about.replication)
  const pace = yield* Schedule.driver(Schedules.retryApply)
  const refuseItself = yield* SameCluster.refusal(replication, consul)

  /** A leader, with what outlives its attempts to replicate. */
  interface Leading {
    readonly leader: LeaderLock.Leadership
    readonly liveness: Liveness.Liveness
    /** Whether the source was silent when it was last looked at. */
    readonly isSilent: Ref.Ref<boolean>
  }

  const eventsFor = ({ liveness }: Leading) =>
    watcher.events({ ...Replication.watched(replication), liveness })

  /** What has landed of a comparison says nothing about its end. */
  const landed = ({ index }: ReplicaState) =>
    Option.isNone(index) ? Effect.void : Effect.zipRight(applying.resolve, pace.reset)

  /** Opens a writer when it is first needed, and reads the destination when the source is first heard. */
  const begin = (leading: Leading) =>
    Effect.map(Effect.cached(passes.open(leading.leader)), (writer) => ({
      writer,
      applyEvents: (
        state: Option.Option<ReplicaState>,
        events: Arr.NonEmptyReadonlyArray<Watcher.WatchEvent>
      ) =>
        Option.match(state, {
          onNone: () =>
            Effect.flatMap(Effect.zipRight(refuseItself, writer), (writer) =>
              passes.takeOver(leading.leader, writer)
            ),
          onSome: Effect.succeed
        }).pipe(
          Effect.flatMap((replica) => passes.applyEvents(replica, events)),
          Effect.tap(landed)
        )
    }))

  /**
   * Emits that the source is silent, and shows it by the status, until the source is heard again. Waits for no pass: one that
   * waits for the source is not writing.
   */
  const watchSilence = Effect.fnUntraced(function* (
    { isSilent: shown, liveness }: Leading,
    writer: Effect.Effect<FencedWriter.FencedWriter, FencedWriter.WriterError, Scope.Scope>
  ) {
    const mark = (isSilent: boolean) => Effect.flatMap(writer, ({ markSilence }) => markSilence(isSilent))
    let isMarked = false
    for (;;) {
      const left = Duration.subtract(Schedules.silenceLimit, yield* liveness.silence)
      const isSilent = Duration.isZero(left)
      if ((yield* Ref.getAndSet(shown, isSilent)) !== isSilent) {
        const limit = Duration.toMillis(Schedules.silenceLimit)
        yield* emit(isSilent ? { _tag: "SourceSilent", ...about, limit } : { _tag: "SourceHeard", ...about })
      }
      if (isSilent !== isMarked) {
        yield* mark(isSilent)
        isMarked = isSilent
      }
      yield* Effect.sleep(
        isSilent ? Schedules.silencePoll : Duration.millis(Math.ceil(Duration.toMillis(left)))
      )
    }
  })

  /**
   * Compares both sides in full, then follows the source from snapshot to snapshot, and reconciles between them.
   */
  const follow = Effect.fnUntraced(function* (leading: Leading) {
    const { applyEvents, writer } = yield* begin(leading)
    // One pass at a time.
    const replica = yield* SynchronizedRef.make(Option.none<ReplicaState>())
    const isComparing = Effect.map(
      SynchronizedRef.get(replica),
      (state) => !Option.exists(state, ({ index }) => Option.isSome(index))
    )
    const quiet = Quiescence.gather(replication.wait, isComparing)(eventsFor(leading))
    const following = Stream.runForEach(quiet, (events) =>
      SynchronizedRef.updateEffect(replica, (state) => Effect.asSome(applyEvents(state, events)))
    )
    /** Does some of the work, and returns what is left of it. */
    const reconcileSome = (work: Replica.Work) =>
      SynchronizedRef.modifyEffect(
        replica,
        Option.match({
          onNone: () => Effect.succeed([Replica.noWork, Option.none<ReplicaState>()] as const),
          onSome: (before) =>
            Effect.map(
              passes.reconcile(before, work),
              (after) => [Replica.workLeft(before, after), Option.some(after)] as const
            )
        })
      )
    const reconciling = Effect.gen(function* () {
      const { retryEvery, scanEvery, tick } = Schedules.reconcileRhythm(reconcile)
      for (let count = 1; ; count++) {
        yield* Effect.sleep(tick)
        let work: Replica.Work = { scan: count % scanEvery === 0, retry: count % retryEvery === 0 }
        while (work.scan || work.retry) {
          work = yield* reconcileSome(work)
          // What the source has changed meanwhile comes first.
          if (work.scan || work.retry) yield* breathe
        }
      }
    })
    yield* Effect.all([following, reconciling, watchSilence(leading, writer)], {
      concurrency: "unbounded",
      discard: true
    })
    return yield* Effect.never
  })

  /** Compares both sides in full, once. */
  const compareOnce = Effect.fnUntraced(function* (leading: Leading) {
    const { applyEvents, writer } = yield* begin(leading)
    const whole = eventsFor(leading).pipe(
      Stream.runFoldWhileEffect(
        Option.none<ReplicaState>(),
        (replica) => !Option.exists(replica, ({ index }) => Option.isSome(index)),
        (state, events) => Effect.asSome(applyEvents(state, events))
      )
    )
    const compared = yield* Effect.raceFirst(whole, watchSilence(leading, writer))
    return Option.match(compared, {
      onNone: (): LeftOver => ({ held: new Set(), refused: new Set() }),
      onSome: ({ held, refused }): LeftOver => ({ held, refused: new Set(refused.keys()) })
    })
  })

  /** What the status says after this leader was stopped, if it has written it. */
  const lastWords = ({ fence }: LeaderLock.Leadership) =>
    Effect.gen(function* () {
      const { index, status } = yield* checkpoint.read(statusKey)
      const own = Option.filter(status, ({ Session }) => Session === fence.session)
      const time = yield* DateTime.now
      return Option.toArray(
        Option.map(own, (last) => checkpoint.operation(statusKey, Checkpoint.stopped(last, time), index))
      )
    })

  /** Other instances may lead from now on: what troubled this one is theirs. */
  const leave = Effect.all([applying.forget, passes.leave], { discard: true })

  /**
   * Reports the error as trouble. If another instance owns the status key, waits until that instance is gone before the caller
   * tries again.
   */
  const heldUp = Effect.fnUntraced(function* (error: Exclude<FencedWriter.WriterError, LeaderLock.LockLost>) {
    yield* Trouble.report(applying, error)
    if (error._tag !== "StatusInUse") return
    yield* Effect.ignore(Effect.provideService(StatusOwner.awaitFree(error), ConsulHttp, consul))
  })

  /**
   * Leads, and runs `use` while leading. After a failure nobody knows what has landed: `use` runs again and compares both
   * sides. After a lost lock, this instance stands for leadership again.
   */
  const lead = <A>(
    use: (leading: Leading) => Effect.Effect<A, FencedWriter.WriterError | InvalidOptions, Scope.Scope>
  ) =>
    leaderLock
      .lead(
        (leadership) =>
          Effect.gen(function* () {
            yield* leadership.onResign(lastWords(leadership))
            const leading: Leading = {
              leader: leadership,
              liveness: yield* Liveness.make,
              isSilent: yield* Ref.make(false)
            }
            return yield* Effect.scoped(use(leading)).pipe(
              Effect.tapError((error) =>
                isFinal(error)
                  ? Effect.void
                  : Effect.zipRight(heldUp(error), Effect.ignore(pace.next(undefined)))
              ),
              Effect.retry({ while: (error) => !isFinal(error) }),
              observing(yield* CheckReport.make(leadership, replication))
            )
          }).pipe(Effect.ensuring(leave)),
        { purpose: Replication.route(replication), exclusive: statusKey }
      )
      .pipe(
        Effect.tapErrorTag("LockLost", ({ lock, reason, wasHeld = true }) =>
          emit({ _tag: "LockLost", ...about, lock, service: leaderLock.service, reason, wasHeld })
        ),
        Effect.retry({ schedule: Schedules.retryLeadership, while: (error) => !isInvalid(error) }),
        Effect.catchIf(
          (error) => !isInvalid(error),
          (error) => Effect.die(error)
        )
      )

  const validate = Effect.zipRight(
    Effect.zipRight(
      Replication.validate(replication),
      Replication.validateUnder(replication, leaderLock.lock)
    ),
    consul.agent.self.pipe(
      Trouble.watching(starting),
      Effect.retry(Schedules.reconnect),
      Effect.orDie,
      Effect.tap(({ datacenter }) => emit({ _tag: "AgentAnswered", ...about, address, datacenter })),
      Effect.flatMap(({ datacenter }) => Replication.validateIn(replication, datacenter, consul.endpoint))
    )
  )

  return { validate, follow: lead(follow), compareOnce: lead(compareOnce) }
})

/** What a replicator works with. */
type Services = ConsulHttp | LeaderLock.LeaderLock | Watcher.Watcher | Checkpoint.Checkpoint

/**
 * Stands for leadership, leads, replicates, and stands again, until interrupted; then gives the lock back. Fails only with
 * wrong use: a status that is the lock, and what shows when the agent has said where it is, before anything is written.
 * All else is tried again, and known by {@link events}.
 *
 * Several of them replicate at the same time under one `LeaderLock.shared`, each with a status of its own.
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
  // Without a span: it would never end, and all that happens in years be one trace. Passes have theirs.
  Effect.flatMap(make(replication), ({ follow, validate }) => Effect.zipRight(validate, follow)).pipe(
    Effect.scoped
  )

/**
 * Waits for the lock, makes the destination equal to the source once, and gives the lock back. Waits and fails as
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
  const { compareOnce, validate } = yield* make(replication)
  yield* validate
  return yield* compareOnce
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
 * What a replicator works with beside its lock, over the client of the destination's agent. Logs events, and has a stream of
 * them. `queries` is as in `Watcher.layerWith`.
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
 * {@link servicesWith} its defaults.
 *
 * @since 0.5.0
 * @category layers
 */
export const services: Layer.Layer<
  Watcher.Watcher | Checkpoint.Checkpoint | ReplicationEvents.ReplicationEvents,
  never,
  ConsulHttp
> = servicesWith()
