/**
 * An instance that stands for leadership: it waits for the lock, leads, and gives the lock back.
 */
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import type { ConsulError } from "../../ConsulError.js"
import { type Consul, ConsulHttp } from "../../ConsulHttp.js"
import type { KeyValue } from "../../KeyValue.js"
import { Operation } from "../../Operation.js"
import { version } from "../../Version.js"
import * as RequestTimes from "../consul/RequestTimes.js"
import * as WatchedKey from "../consul/WatchedKey.js"
import { type Fence, fenceOperation } from "../destination/TransactionBatches.js"
import { emit } from "../report/EventSink.js"
import * as EventText from "../report/EventText.js"
import * as Trouble from "../report/Trouble.js"
import * as AgentCandidate from "./AgentCandidate.js"
import * as AgentlessCandidate from "./AgentlessCandidate.js"
import type { Candidate, Stand } from "./Candidate.js"
import { lastTransaction, whenDone } from "./Farewell.js"
import { type Health, passing } from "./Health.js"
import * as Holder from "./Holder.js"
import type { Leadership } from "./Leadership.js"
import { LockLost } from "./LockLost.js"
import type { LeaderLockOptions } from "./LockOptions.js"

/**
 * The pause before the next attempt to acquire a lock that is free and refused: the session of another tool has left a lock delay.
 */
const lockDelayPoll = Duration.seconds(1)

/** Waits for the lock, and leads for a purpose until the scope closes. */
export type Acquire = (
  purpose: string | undefined
) => Effect.Effect<Leadership, ConsulError | LockLost, Scope.Scope>

/** The services of an instance, and the state that its attempts to lead share. */
export interface Contender {
  readonly options: LeaderLockOptions
  readonly consul: Consul
  /** Registers the instance and creates its session. */
  readonly stand: Stand
  /** The key of the lock. */
  readonly key: WatchedKey.WatchedKey
  /** Failures to read or to acquire the lock. */
  readonly locking: Trouble.Trouble
  /** Failures to register the instance or to create its session. */
  readonly standing: Trouble.Trouble
}

type Entry = Option.Option<KeyValue>

type LastOperations = Effect.Effect<ReadonlyArray<Operation>, ConsulError>

const subject = ({ lock, service }: LeaderLockOptions, action: "read" | "acquire") =>
  ({ _tag: "Lock", lock, service, action }) as const

/** The session that holds the lock. */
const ownerOf = (entry: Entry): string | undefined => Option.getOrUndefined(entry)?.session

/** Emits which instance holds the lock, and shows it by the check. */
const announce = Effect.fnUntraced(function* (
  { options: { lock, service } }: Contender,
  entry: Entry,
  purpose: string | undefined,
  report: Candidate["report"]
) {
  const locked = Option.filter(entry, ({ session }) => session !== undefined)
  const holder = Option.flatMap(locked, Holder.decode)
  const standingBy = {
    _tag: "StandingBy",
    lock,
    service,
    reason: Option.isSome(locked) ? "Held" : "LockDelay",
    purpose,
    holder: Option.getOrUndefined(
      Option.map(holder, ({ node, pid, purpose, since }) => ({
        node,
        pid,
        since: since.epochMillis,
        purpose
      }))
    )
  } as const
  yield* report({ ...passing, output: EventText.standingBy(standingBy) })
  yield* emit(standingBy)
})

/**
 * Asks Consul for the lock. Returns whether the session holds it now. A request that the rate limit refuses is sent again: a
 * new candidate would send more requests.
 */
const tryLock = (
  { consul, locking, options }: Contender,
  session: string,
  holder: Holder.Holder
): Effect.Effect<boolean, ConsulError> =>
  Effect.flatMap(Holder.encode(holder), (value) =>
    consul.kv.put({ key: options.lock, value }, { acquire: session })
  ).pipe(
    Trouble.watching(locking, subject(options, "acquire")),
    Effect.retry({ schedule: RequestTimes.reconnect, while: ({ _tag }) => _tag === "RateLimited" })
  )

/**
 * Waits while another session holds the lock, then acquires it. Returns the lock's value. If the lock is free and Consul
 * refuses it, the lock is under a lock delay.
 */
export const contend = Effect.fnUntraced(function* (
  contender: Contender,
  { node, report, session }: Pick<Candidate, "node" | "report" | "session">,
  purpose: string | undefined
) {
  const { key } = contender
  let announced: string | undefined
  for (;;) {
    const since = yield* DateTime.now
    const holder = new Holder.Holder({ node, pid: process.pid, version, since, purpose })
    if (yield* tryLock(contender, session, holder)) return holder
    const entry = yield* key.read
    const owner = ownerOf(entry)
    if (owner !== announced) yield* announce(contender, entry, purpose, report)
    announced = owner
    if (owner === undefined) yield* Effect.sleep(lockDelayPoll)
    else yield* key.awaitUntil((entry) => ownerOf(entry) === undefined)
  }
})

/** Why a session that held the lock does not hold it any more, given the entry of the lock. */
const lossOf = (entry: Entry): string => {
  if (Option.isNone(entry)) return "the key was deleted"
  return ownerOf(entry) === undefined ? "the session ended or gave it back" : "another session holds it"
}

/** Fails as soon as the session does not hold the lock. A request that fails does not count as a lost lock. */
export const watchLock = Effect.fnUntraced(function* (
  key: Pick<WatchedKey.WatchedKey, "awaitUntil">,
  { lock, session }: Fence
) {
  const entry = yield* key.awaitUntil((entry) => ownerOf(entry) !== session)
  return yield* new LockLost({ lock, reason: lossOf(entry) })
})

/** Sends the last transaction of a leader: the time at which it gives the lock back, and the last operations of its use. */
const resign = (
  { consul, options: { lock } }: Contender,
  fence: Fence,
  holder: Holder.Holder,
  last: Ref.Ref<LastOperations>
): Effect.Effect<void> =>
  lastTransaction(
    Effect.gen(function* () {
      const operations = yield* Effect.flatten(Ref.get(last))
      const until = yield* DateTime.now
      const value = yield* Holder.encode(new Holder.Holder({ ...holder, until }))
      yield* consul.transaction(
        [fenceOperation(fence), Operation.Set({ key: lock, value, flags: 0n }), ...operations],
        { results: false }
      )
    })
  )

/**
 * Runs an effect until the scope closes. Its failure ends the attempt.
 *
 * Not a FiberSet (effect 3.22): it interrupts all of its fibers at one time. Here each fiber ends before what it needs: the
 * watch of the lock before the lock is given back, the heartbeat after that and before the service is deregistered.
 */
const supervise = (
  failed: Deferred.Deferred<never, LockLost | ConsulError>,
  effect: Effect.Effect<never, LockLost | ConsulError>
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(Effect.forkScoped(Effect.catchAllCause(effect, (cause) => Deferred.failCause(failed, cause))))

const acquire = Effect.fn("LeaderLock.acquire")(function* (
  contender: Contender,
  purpose: string | undefined
) {
  const { lock, service } = contender.options
  const lost = (reason: string) => new LockLost({ lock, reason })
  const failed = yield* Deferred.make<never, LockLost | ConsulError>()
  const candidate = yield* contender
    .stand((watch) => supervise(failed, Effect.flatMap(watch, lost)))
    .pipe(Trouble.watching(contender.standing))
  const { id, session } = candidate

  const failedWaiting = Effect.mapError(Deferred.await(failed), (error) =>
    error._tag === "LockLost" ? new LockLost({ ...error, wasHeld: false }) : error
  )
  const holder = yield* Effect.raceFirst(contend(contender, candidate, purpose), failedWaiting)
  const fence: Fence = { lock, session }
  const last = yield* Ref.make<LastOperations>(Effect.succeed([]))
  const resigning = Effect.zipRight(
    emit({ _tag: "Resigned", lock, service, instance: id }),
    resign(contender, fence, holder, last)
  )
  yield* whenDone(Effect.unlessEffect(resigning, Deferred.isDone(failed)))
  const report = (health: Health) => candidate.report({ ...health, output: `leading: ${health.output}` })
  yield* report(passing)
  yield* emit({ _tag: "Leading", lock, service, instance: id, session })
  yield* supervise(failed, watchLock(contender.key, fence))
  return {
    instance: id,
    service,
    fence,
    lost: Effect.mapError(Deferred.await(failed), (error) =>
      error._tag === "LockLost" ? error : lost(error.message)
    ),
    report,
    giveUp: () => Effect.void,
    onResign: (operations) => Ref.set(last, operations)
  } satisfies Leadership
})

/** Each attempt to lead uses what the attempts before it learned from Consul. Only one attempt may be made at a time. */
export const make = Effect.fnUntraced(function* (
  options: LeaderLockOptions
): Effect.fn.Return<Acquire, never, ConsulHttp | Scope.Scope> {
  const { agentless, lock, service } = options
  const consul = yield* ConsulHttp
  const stand = yield* agentless ? AgentlessCandidate.make(options) : AgentCandidate.make(options)
  const locking = yield* Trouble.make(subject(options, "read"))
  const standing = yield* Trouble.make({ _tag: "Leadership", lock, service })
  const key = WatchedKey.make(consul, lock, Trouble.watching(locking))
  const contender: Contender = { options, consul, stand, key, locking, standing }
  return (purpose) => acquire(contender, purpose)
})
