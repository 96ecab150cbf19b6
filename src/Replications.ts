/**
 * Several replications under one leadership. Each is started and stopped by itself, and the failures of one delay no other.
 *
 * @since 0.5.0
 */
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as FiberMap from "effect/FiberMap"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { structuralRegion } from "effect/Utils"
import type { Checkpoint } from "./Checkpoint.js"
import { ConsulHttp } from "./ConsulHttp.js"
import type { InvalidOptions } from "./InvalidOptions.js"
import type { Tenancy } from "./internal/consul/Endpoint.js"
import * as RequestTimes from "./internal/consul/RequestTimes.js"
import * as LockTimes from "./internal/lock/LockTimes.js"
import * as ReplicationConflict from "./internal/plan/ReplicationConflict.js"
import { NamesReplications } from "./internal/report/NamesReplications.js"
import { routeOf } from "./internal/report/Route.js"
import * as Trouble from "./internal/report/Trouble.js"
import * as LeaderLock from "./LeaderLock.js"
import * as Replication from "./Replication.js"
import * as Replicator from "./Replicator.js"
import type { Watcher } from "./Watcher.js"

export {
  /**
   * @since 0.5.0
   * @category models
   */
  type Reason,
  /**
   * @since 0.5.0
   * @category errors
   */
  ReplicationConflict
} from "./internal/plan/ReplicationConflict.js"

/**
 * The changes of a reload. A replication of which a setting has changed was ended, and started with the new settings.
 *
 * @since 0.5.0
 * @category models
 */
export interface Changes {
  /** Replications that began. */
  readonly started: ReadonlyArray<Replication.Replication>
  /** Replications that ended, each with the settings that it ran with. */
  readonly ended: ReadonlyArray<Replication.Replication>
  /** Replications that the reload did not disturb. */
  readonly kept: ReadonlyArray<Replication.Replication>
}

/**
 * A running set of replications.
 *
 * @since 0.5.0
 * @category models
 */
export interface Replications {
  /** The replications that run now. */
  readonly current: Effect.Effect<ReadonlyArray<Replication.Replication>>
  /**
   * Runs the replications in `next` from now on, and keeps the leadership. First ends each replication that is not in `next`,
   * and waits for its last status. Then starts the new ones. Fails and changes nothing if a replication in `next` is invalid, or
   * two cannot run beside each other.
   */
  readonly reload: (
    next: ReadonlyArray<Replication.Replication>
  ) => Effect.Effect<Changes, InvalidReplications>
  /** Fails if there is one replication, and its source's answer shows that it is wrong use. */
  readonly failure: Effect.Effect<never, InvalidOptions>
}

/**
 * Wrong use. Nothing was written or ended.
 *
 * @since 0.5.0
 * @category errors
 */
export type InvalidReplications = ReplicationConflict.ReplicationConflict | InvalidOptions

/** The services of all replications. The lock must be one of `LeaderLock.shared`. */
type Services = ConsulHttp | LeaderLock.LeaderLock | Watcher | Checkpoint

/** Whether all settings are the same. */
const areSame = (a: Replication.Replication, b: Replication.Replication | undefined): boolean =>
  structuralRegion(() => Equal.equals(a, b))

/**
 * Fails if the settings of a replication are invalid, or if two replications cannot run beside each other under a lock.
 *
 * @since 0.5.0
 * @category validation
 */
export const validateTogether = (
  replications: ReadonlyArray<Replication.Replication>,
  lock: string
): Effect.Effect<void, InvalidReplications> =>
  Effect.zipRight(
    Effect.forEach(
      replications,
      (one) => Effect.zipRight(Replication.validate(one), Replication.validateUnder(one, lock)),
      { discard: true }
    ),
    Effect.suspend(() => Option.getOrElse(ReplicationConflict.find(replications), () => Effect.void))
  )

/** Fails if a replication does not fit the datacenter of the agent, or if replications form a circle. */
const validateIn = (
  replications: ReadonlyArray<Replication.Replication>,
  datacenter: string,
  tenancy: Tenancy
): Effect.Effect<void, InvalidReplications> =>
  Effect.zipRight(
    Effect.forEach(replications, (one) => Replication.validateIn(one, datacenter, tenancy), {
      discard: true
    }),
    Effect.suspend(() =>
      Option.getOrElse(
        ReplicationConflict.findCircle(replications, (one) =>
          Replication.isFromDestination(one, datacenter, tenancy)
        ),
        () => Effect.void
      )
    )
  )

/**
 * Returns two effects. `validate` fails with replications that cannot be run. `keep` uses the lock until the scope closes, so
 * that the leadership does not end when a reload ends every replication.
 */
const lead = Effect.gen(function* () {
  const leaderLock = yield* LeaderLock.LeaderLock
  if (!leaderLock.isShared) {
    return yield* Effect.dieMessage("several replications need a lock by LeaderLock.shared")
  }
  const consul = yield* ConsulHttp
  const { address } = consul.endpoint
  const starting = yield* Trouble.make({ _tag: "Agent", address })
  const datacenter = yield* consul.agent.self.pipe(
    Trouble.watching(starting),
    Effect.retry(RequestTimes.reconnect),
    Effect.orDie,
    Effect.map(({ datacenter }) => datacenter),
    Effect.cached
  )
  const validate = (replications: ReadonlyArray<Replication.Replication>) =>
    Effect.zipRight(
      validateTogether(replications, leaderLock.lock),
      Effect.flatMap(datacenter, (datacenter) => validateIn(replications, datacenter, consul.endpoint))
    )
  /** Returns an effect that waits until this process leads for the first time. */
  const keep = Effect.gen(function* () {
    const leading = yield* Deferred.make<void>()
    yield* leaderLock
      .lead(() => Effect.zipRight(Deferred.succeed(leading, undefined), Effect.never))
      .pipe(Effect.retry(LockTimes.retryLeadership), Effect.orDie, Effect.forkScoped)
    return Deferred.await(leading)
  })
  return { validate, keep }
})

/** A defect of `Replicator.run`, as a failure that can be retried. */
class Failed extends Data.TaggedError("Failed")<{ readonly defect: unknown }> {
  override get message() {
    return String(this.defect)
  }
}

/**
 * Runs a replication until it is interrupted. A defect is reported as trouble, and the replication runs again. If the source's
 * answer shows wrong use, that is reported, and the replication waits to be ended by a reload; if it is the only one, `wrong`
 * fails.
 */
const replicate = (
  replication: Replication.Replication,
  isAlone: () => boolean,
  wrong: Deferred.Deferred<never, InvalidOptions>
) =>
  Effect.gen(function* () {
    const failing = yield* Trouble.make({ _tag: "Replication" }, routeOf(replication))
    const report = (failure: Trouble.Failure) =>
      failing.report(failure._tag, { cause: failure._tag, message: failure.message })
    yield* Replicator.run(replication).pipe(
      Effect.catchAllDefect((defect) =>
        Effect.zipRight(report(new Failed({ defect })), new Failed({ defect }))
      ),
      Effect.retry({ schedule: LockTimes.retryLeadership, while: ({ _tag }) => _tag === "Failed" }),
      Effect.catchTag("InvalidOptions", (error) =>
        isAlone() ? Deferred.fail(wrong, error) : Effect.zipRight(report(error), Effect.never)
      )
    )
  }).pipe(Effect.scoped)

/**
 * Waits for the agent, and starts replications. They end with the scope, each with its last status, and then the lock is given
 * back. If a replication fails (its source does not answer, or the token lacks a right), that is emitted as trouble and tried
 * again, and the other replications go on.
 *
 * @since 0.5.0
 * @category constructors
 */
export const make = Effect.fn("Replications.make")(function* (
  initial: ReadonlyArray<Replication.Replication>
): Effect.fn.Return<Replications, InvalidReplications, Services | Scope.Scope> {
  const { keep, validate } = yield* lead
  yield* validate(initial)
  const services = yield* Effect.context<Services>()
  // Ends after the replications: its finalizer was added before theirs.
  yield* Effect.asVoid(keep)
  const fibers = yield* FiberMap.make<string>()
  const reloading = yield* Effect.makeSemaphore(1)
  /** The replications that run, by the keys of their statuses. */
  const running = new Map<string, Replication.Replication>()

  const wrong = yield* Deferred.make<never, InvalidOptions>()
  const isAlone = () => running.size === 1

  const start = (replication: Replication.Replication) =>
    Effect.suspend(() => {
      running.set(replication.status, replication)
      return FiberMap.run(fibers, replication.status, replicate(replication, isAlone, wrong))
    }).pipe(
      Effect.provide(services),
      Effect.provideService(NamesReplications, () => !isAlone())
    )

  const end = ({ status }: Replication.Replication) =>
    Effect.zipRight(
      FiberMap.remove(fibers, status),
      Effect.sync(() => running.delete(status))
    )

  const change = (next: ReadonlyArray<Replication.Replication>) =>
    Effect.gen(function* () {
      const isKept = (one: Replication.Replication) => areSame(one, running.get(one.status))
      const [started, kept] = [next.filter((one) => !isKept(one)), next.filter(isKept)]
      const ended = [...running.values()].filter((one) => !kept.some(({ status }) => status === one.status))
      // One at a time may write the same keys: all that end have ended before the first one starts.
      yield* Effect.forEach(ended, end, { concurrency: "unbounded", discard: true })
      yield* Effect.forEach(started, start, { discard: true })
      return { started, ended, kept }
    }).pipe(Effect.uninterruptible)

  yield* change(initial)
  return {
    current: Effect.sync(() => [...running.values()]),
    failure: Deferred.await(wrong),
    reload: (next) => reloading.withPermits(1)(Effect.zipRight(validate(next), change(next)))
  }
})

/**
 * Replicates until interrupted; see {@link make}.
 *
 * @since 0.5.0
 * @category running
 */
export const run = (
  replications: ReadonlyArray<Replication.Replication>
): Effect.Effect<never, InvalidReplications, Services> =>
  Effect.scoped(Effect.flatMap(make(replications), ({ failure }) => failure))

/**
 * Waits for the lock, runs `use` for each of the replications, side by side under one leadership, and returns when all have
 * ended. The failure of one ends no other.
 *
 * @since 0.5.0
 * @category running
 */
export const forEach = <A, E, R>(
  replications: ReadonlyArray<Replication.Replication>,
  use: (replication: Replication.Replication) => Effect.Effect<A, E, R>
): Effect.Effect<
  ReadonlyArray<{ readonly replication: Replication.Replication; readonly result: Either.Either<A, E> }>,
  InvalidReplications,
  R | ConsulHttp | LeaderLock.LeaderLock
> =>
  Effect.gen(function* () {
    const { keep, validate } = yield* lead
    yield* validate(replications)
    yield* Effect.flatten(keep)
    return yield* Effect.forEach(
      replications,
      (replication) =>
        use(replication).pipe(
          Effect.provideService(NamesReplications, () => replications.length > 1),
          Effect.either,
          Effect.map((result) => ({ replication, result }))
        ),
      { concurrency: "unbounded" }
    )
  }).pipe(Effect.scoped)

/**
 * Makes each destination equal to its source once, and gives the lock back. Waits as `Replicator.runOnce` does.
 *
 * @since 0.5.0
 * @category running
 */
export const runOnce = Effect.fn("Replications.runOnce")(function* (
  replications: ReadonlyArray<Replication.Replication>
) {
  const all = yield* forEach(replications, Replicator.runOnce)
  return yield* Effect.forEach(all, ({ replication, result }) =>
    Effect.map(result, (left) => ({ replication, left }))
  )
})
