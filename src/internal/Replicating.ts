/**
 * Stands for leadership, and replicates while this instance leads: begins a new attempt after each failure.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Checkpoint from "../Checkpoint.js"
import { type Consul, ConsulHttp } from "../ConsulHttp.js"
import type { InvalidOptions } from "../InvalidOptions.js"
import * as LeaderLock from "../LeaderLock.js"
import * as Replication from "../Replication.js"
import { Watcher } from "../Watcher.js"
import type * as Attempt from "./Attempt.js"
import * as RequestTimes from "./consul/RequestTimes.js"
import type * as FencedWriter from "./destination/FencedWriter.js"
import * as Replica from "./destination/Replica.js"
import * as StatusOwner from "./destination/StatusOwner.js"
import { retryLeadership } from "./lock/LockTimes.js"
import * as CheckReport from "./report/CheckReport.js"
import { emit, observing } from "./report/EventSink.js"
import { routeOf } from "./report/Route.js"
import * as Trouble from "./report/Trouble.js"
import * as Liveness from "./source/Liveness.js"
import * as SameCluster from "./source/SameCluster.js"

/**
 * The pauses after a failed pass, before both sides are compared in full again. They are short again after a full comparison, and
 * not while comparisons fail. (`Schedule.resetAfter` would count from the first failure.)
 */
const retryApply = RequestTimes.reconnect

/** The services of one replicator, and the state that all of its leaderships share. */
export interface Replicating extends Attempt.Services {
  readonly consul: Consul
  readonly leaderLock: LeaderLock.LeaderLock["Type"]
  readonly checkpoint: Checkpoint.Checkpoint["Type"]
  /** Failures to reach the agent before this instance can stand for leadership. */
  readonly starting: Trouble.OwnTrouble
  /** Failures to apply changes. */
  readonly applying: Trouble.OwnTrouble
  /** Waits after a failure to apply changes, before both sides are compared again. */
  readonly pace: Schedule.ScheduleDriver<unknown, unknown>
}

const isInvalid = (error: { readonly _tag: string }): error is InvalidOptions =>
  error._tag === "InvalidOptions"

/** Whether no further attempt of the same leadership can succeed. */
const isFinal = (error: Attempt.Failure): error is LeaderLock.LockLost | InvalidOptions =>
  error._tag === "LockLost" || isInvalid(error)

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

/** An attempt to replicate, in a scope of its own. */
type Use<A> = (
  services: Attempt.Services,
  leading: Attempt.Leading
) => Effect.Effect<A, Attempt.Failure, Scope.Scope>

/** Runs `use` for a leader. After a failure the contents of the destination are not certain: `use` runs again. */
const replicateAs = <A>(replicating: Replicating, leader: LeaderLock.Leadership, use: Use<A>) =>
  Effect.gen(function* () {
    const { replication } = replicating
    yield* leader.onResign(markStopped(replicating, leader))
    const leading: Attempt.Leading = {
      leader,
      liveness: yield* Liveness.make,
      isSilent: yield* Ref.make(false)
    }
    return yield* Effect.scoped(use(replicating, leading)).pipe(
      Effect.tapError((error) => (isFinal(error) ? Effect.void : reportFailure(replicating, error))),
      Effect.retry({ while: (error) => !isFinal(error) }),
      observing(yield* CheckReport.make(leader, replication))
    )
  }).pipe(Effect.ensuring(forgetTroubles(replicating)))

/** Runs `use` while leading. After a lost lock, this instance stands for leadership again. */
export const lead = <A>(replicating: Replicating, use: Use<A>): Effect.Effect<A, InvalidOptions> => {
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
      Effect.retry({ schedule: retryLeadership, while: (error) => !isInvalid(error) }),
      Effect.catchIf(
        (error) => !isInvalid(error),
        (error) => Effect.die(error)
      )
    )
}

/** Fails with wrong use: of the settings by themselves, then of those that do not fit the datacenter of the agent. */
export const validate = ({ about, consul, leaderLock, replication, starting }: Replicating) =>
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

export const make = Effect.fnUntraced(function* (
  replication: Replication.Replication
): Effect.fn.Return<
  Replicating,
  never,
  ConsulHttp | LeaderLock.LeaderLock | Checkpoint.Checkpoint | Watcher | Scope.Scope
> {
  const consul = yield* ConsulHttp
  const route = routeOf(replication)
  const applying = yield* Trouble.make({ _tag: "Replication" }, route)
  const pace = yield* Schedule.driver(retryApply)
  return {
    replication,
    consul,
    leaderLock: yield* LeaderLock.LeaderLock,
    checkpoint: yield* Checkpoint.Checkpoint,
    watcher: yield* Watcher,
    replica: yield* Replica.make(replication),
    about: { replication: route },
    starting: yield* Trouble.make({ _tag: "Agent", address: consul.endpoint.address }, route),
    applying,
    pace,
    endTrouble: Effect.zipRight(applying.resolve, pace.reset),
    refuseItself: yield* SameCluster.refusal(replication, consul)
  }
})
