/**
 * One instance that stands for leadership, and the lock that its session holds.
 */
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import type { ConsulError } from "../../ConsulError.js"
import { ConsulHttp } from "../../ConsulHttp.js"
import type { KeyValue } from "../../KeyValue.js"
import { Operation } from "../../Operation.js"
import { version } from "../../Version.js"
import * as WatchedKey from "../consul/WatchedKey.js"
import { type Fence, fenceOperation } from "../destination/TransactionBatches.js"
import { emit } from "../report/EventSink.js"
import * as EventText from "../report/EventText.js"
import * as Trouble from "../report/Trouble.js"
import * as Schedules from "../Schedules.js"
import * as AgentCandidate from "./AgentCandidate.js"
import * as AgentlessCandidate from "./AgentlessCandidate.js"
import type { Candidate } from "./Candidate.js"
import { lastTransaction, whenDone } from "./Farewell.js"
import { type Health, passing } from "./Health.js"
import * as Holder from "./Holder.js"
import type { Leadership } from "./Leadership.js"
import { LockLost } from "./LockLost.js"
import type { LeaderLockOptions } from "./LockOptions.js"

/** Waits for the lock, and leads for a purpose until the scope closes. */
export type Acquire = (
  purpose: string | undefined
) => Effect.Effect<Leadership, ConsulError | LockLost, Scope.Scope>

/** Each attempt to lead uses what the attempts before it learned from Consul. Only one attempt may be made at a time. */
export const make = Effect.fnUntraced(function* (
  options: LeaderLockOptions
): Effect.fn.Return<Acquire, never, ConsulHttp | Scope.Scope> {
  const consul = yield* ConsulHttp
  const { agentless, lock, service } = options
  const lost = (reason: string) => new LockLost({ lock, reason })

  const stand = yield* agentless ? AgentlessCandidate.make(options) : AgentCandidate.make(options)

  /** Emits who holds the lock, and shows it by the check. */
  const announce = Effect.fnUntraced(function* (
    entry: Option.Option<KeyValue>,
    purpose: string | undefined,
    report: Candidate["report"]
  ) {
    const locked = Option.filter(entry, ({ session }) => session !== undefined)
    const holder = Option.flatMap(locked, Holder.decode)
    const waiting = {
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
    yield* report({ ...passing, output: EventText.standingBy(waiting) })
    yield* emit(waiting)
  })

  const isHeld = (entry: Option.Option<KeyValue>) => Option.exists(entry, (e) => e.session !== undefined)

  const subject = (action: "read" | "take") => ({ _tag: "Lock", lock, service, action }) as const
  const trouble = yield* Trouble.make(subject("read"))
  const key = WatchedKey.make(consul, lock, Trouble.watching(trouble))

  /**
   * Blocks while another session holds the lock, and returns what the lock's value is then. One that is free and still
   * refused is under a lock delay. A limited rate is waited out: to stand anew would take more requests.
   */
  const contend = Effect.fnUntraced(function* (
    { report, session }: Pick<Candidate, "report" | "session">,
    holder: Effect.Effect<Holder.Holder>
  ) {
    let announced = ""
    const tryLock = (value: Holder.Holder) =>
      Effect.flatMap(Holder.encode(value), (value) =>
        consul.kv.put({ key: lock, value }, { acquire: session })
      ).pipe(
        Trouble.watching(trouble, subject("take")),
        Effect.retry({ schedule: Schedules.reconnect, while: ({ _tag }) => _tag === "RateLimited" })
      )
    for (;;) {
      const value = yield* holder
      if (yield* tryLock(value)) return value
      const entry = yield* key.read
      const owner = Option.getOrElse(
        Option.map(entry, (e) => e.session ?? ""),
        () => ""
      )
      if (owner !== announced) yield* announce(entry, value.purpose, report)
      announced = owner
      if (owner === "") yield* Effect.sleep(Schedules.lockDelayPoll)
      else yield* key.awaitUntil((entry) => !isHeld(entry))
    }
  })

  /** Fails as soon as the lock is not held by `session`. A failed request does not count as a lost lock. */
  const guard = Effect.fnUntraced(function* (session: string) {
    const entry = yield* key.awaitUntil((e) => !Option.exists(e, (locked) => locked.session === session))
    return yield* lost(
      Option.match(entry, {
        onNone: () => "the key was deleted",
        onSome: (e) =>
          e.session === undefined ? "the session ended or gave it back" : "another session holds it"
      })
    )
  })

  /** The last transaction of a leader: until when it held the lock, and what it adds. */
  const resign = (
    fence: Fence,
    value: Holder.Holder,
    last: Ref.Ref<Effect.Effect<ReadonlyArray<Operation>, ConsulError>>
  ) =>
    lastTransaction(
      Effect.gen(function* () {
        const operations = yield* Effect.flatten(Ref.get(last))
        const until = yield* DateTime.now
        const ended = yield* Holder.encode(new Holder.Holder({ ...value, until }))
        yield* consul.transaction(
          [fenceOperation(fence), Operation.Set({ key: lock, value: ended, flags: 0n }), ...operations],
          { results: false }
        )
      })
    )

  const standing = yield* Trouble.make({ _tag: "Leadership", lock, service })

  const acquire = Effect.fn("LeaderLock.acquire")(function* (purpose: string | undefined) {
    const failed = yield* Deferred.make<never, LockLost | ConsulError>()
    // Not a FiberSet (effect 3.22): it interrupts all of its fibers at one time (test/effect/FiberCollections.test.ts). Here the
    // watch of the lock ends before the lock is given back, the heartbeat after that and before the service is deregistered.
    const supervise = (effect: Effect.Effect<never, LockLost | ConsulError>) =>
      Effect.forkScoped(Effect.catchAllCause(effect, (cause) => Deferred.failCause(failed, cause)))
    const candidate = yield* stand((watch) => supervise(Effect.flatMap(watch, lost))).pipe(
      Trouble.watching(standing)
    )
    const { id, node, session } = candidate

    const holder = Effect.map(
      DateTime.now,
      (since) => new Holder.Holder({ node, pid: process.pid, version, since, purpose })
    )
    const unlessFailed = Effect.mapError(Deferred.await(failed), (error) =>
      error._tag === "LockLost" ? new LockLost({ ...error, wasHeld: false }) : error
    )
    const value = yield* Effect.raceFirst(contend(candidate, holder), unlessFailed)
    const fence: Fence = { lock, session }
    const last = yield* Ref.make<Effect.Effect<ReadonlyArray<Operation>, ConsulError>>(Effect.succeed([]))
    const resigning = Effect.zipRight(
      emit({ _tag: "Resigned", lock, service, instance: id }),
      resign(fence, value, last)
    )
    yield* whenDone(Effect.unlessEffect(resigning, Deferred.isDone(failed)))
    const report = (health: Health) => candidate.report({ ...health, output: `leading: ${health.output}` })
    yield* report(passing)
    yield* emit({ _tag: "Leading", lock, service, instance: id, session })
    yield* supervise(guard(session))
    return {
      instance: id,
      service,
      fence,
      lost: Effect.mapError(Deferred.await(failed), (error) =>
        error._tag === "LockLost" ? error : lost(error.message)
      ),
      report,
      giveUp: () => Effect.void,
      onResign: (operations: Effect.Effect<ReadonlyArray<Operation>, ConsulError>) =>
        Ref.set(last, operations)
    } satisfies Leadership
  })

  return acquire
})
