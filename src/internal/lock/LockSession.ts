/**
 * The session that holds the lock: created for each attempt to lead, and renewed until it ends.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HashSet from "effect/HashSet"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import { type ConsulError, isRetryable } from "../../ConsulError.js"
import { ConsulHttp, type SessionInfo, type SessionOptions } from "../../ConsulHttp.js"
import { leastTtl } from "../consul/Session.js"
import { emit } from "../report/EventSink.js"
import * as Trouble from "../report/Trouble.js"
import * as Schedules from "../Schedules.js"
import type { CheckOutput } from "./CheckOutput.js"
import { farewell, whenDone } from "./Farewell.js"
import * as Heartbeat from "./Heartbeat.js"
import type { LeaderLockOptions } from "./LockOptions.js"
import { isIdOf } from "./Registration.js"

/** `ttl` is how long it lives without a renewal. */
export interface Session {
  readonly id: string
  readonly ttl: Duration.Duration
}

export interface LockSession {
  /**
   * Creates a session that ends with its checks, or when the scope closes. Ends former sessions of this process that could not
   * be ended when their scopes closed.
   */
  readonly create: (
    options: Pick<SessionOptions, "checks" | "name">
  ) => Effect.Effect<Session, ConsulError, Scope.Scope>
  /**
   * Keeps a session without checks alive by renewals. Returns the reason when the session has ended, or when Consul has
   * confirmed no renewal for its time to live. Missing rights are emitted as trouble.
   */
  readonly keep: (session: Session) => Effect.Effect<string>
  /**
   * Keeps the session from ending by its own time to live, and returns when it is not there any more. Missing rights are
   * emitted as trouble. All else that keeps Consul from renewing it is reported by the lock and the heartbeats.
   *
   * Tells the agent what the check is to show only after a renewal: the agent passes a new status on to the servers, and
   * while these have no leader it confirms no heartbeat for 7 to 14 s (1.8.7).
   */
  readonly renew: (
    session: Session,
    checkId: string,
    checkTtl: Duration.Duration,
    shown: CheckOutput
  ) => Effect.Effect<void>
}

/** Why an instance whose session is gone cannot lead. */
export const ended = "the session ended"

/**
 * The name of the sessions of a service, or of an instance without a check, for a lock. A status names a session that its reader may have to end: the lock in
 * its name tells it from the sessions of the same service for other locks.
 */
export const sessionName = (who: string, lock: string): string => `${who}${forLock(lock)}`

const forLock = (lock: string): string => ` for ${lock}`

/**
 * Whether a session is that of an instance of the service for the lock. Its name and its check tell, or its name alone, which
 * has the id of the instance, if it has no checks. Whoever may write the status can name any session there, and only sessions
 * like this one are ended for it.
 */
export const isOfLock = (
  { checks, name }: Pick<SessionInfo, "checks" | "name">,
  service: string,
  lock: string
): boolean => {
  if (checks.length === 0) {
    return name.endsWith(forLock(lock)) && isIdOf(service, name.slice(0, -forLock(lock).length))
  }
  return (
    // Before 0.5.0 the name was that of the service.
    (name === sessionName(service, lock) || name === service) &&
    checks.some((id) => id.startsWith("service:") && isIdOf(service, id.slice("service:".length)))
  )
}

/**
 * Sessions live for `ttl` without a renewal, or for longer if the servers demand it.
 */
export const make = Effect.fnUntraced(function* (
  { agentless, lock, service }: Pick<LeaderLockOptions, "agentless" | "lock" | "service">,
  ttl: Duration.Duration
): Effect.fn.Return<LockSession, never, ConsulHttp | Scope.Scope> {
  const { agent, session } = yield* ConsulHttp
  /** The shortest time to live that the servers allow, as far as their refusals have shown. */
  const sessionTtl = yield* Ref.make(ttl)
  /** Sessions of former attempts, as long as Consul has not confirmed their end. */
  const former = yield* Ref.make(HashSet.empty<string>())
  const renewing = yield* Trouble.make({ _tag: "Session", lock, service })

  /** Changes to the shortest time to live that the servers allow, when they refuse ours. */
  const adoptTtl = (error: ConsulError) =>
    Option.match(leastTtl(error), {
      onNone: () => Effect.void,
      onSome: (least) =>
        Effect.flatMap(Ref.getAndSet(sessionTtl, least), (before) =>
          Duration.equals(before, least)
            ? Effect.void
            : emit({
                _tag: "SessionTtlRaised",
                lock,
                service,
                agentless,
                ttl: Duration.toMillis(least),
                before: Duration.toMillis(before)
              })
        )
    })

  const destroy = (id: string) => Effect.zipRight(session.destroy(id), Ref.update(former, HashSet.remove(id)))

  /** A session that holds the lock would keep this process waiting for its own former self. */
  const destroyAll = (ids: HashSet.HashSet<string>) =>
    Effect.forEach(
      ids,
      (id) => Effect.ignore(Effect.retry(destroy(id), { schedule: Schedules.reconnect, while: isRetryable })),
      { concurrency: "unbounded", discard: true }
    )

  // The agent tells the servers of a new check in its own time; until then the session is refused. A session whose
  // creation was interrupted, or its answer lost, holds nothing and ends with its checks, or by its time to live.
  const create: LockSession["create"] = ({ checks, name }) =>
    Effect.uninterruptibleMask((restore) =>
      Ref.get(sessionTtl).pipe(
        Effect.flatMap((ttl) =>
          Effect.map(
            session.create({
              name,
              checks,
              behavior: "release",
              lockDelay: 0,
              ttl
            }),
            (id): Session => ({ id, ttl })
          )
        ),
        Effect.tapError(adoptTtl),
        Effect.retry({ schedule: Schedules.reconnect, times: 5, while: isRetryable }),
        restore,
        Effect.tap(({ id }) => whenDone(farewell(destroy(id)))),
        Effect.tap(({ id }) =>
          Effect.flatMap(Ref.getAndUpdate(former, HashSet.add(id)), (ids) =>
            Effect.forkScoped(Effect.interruptible(destroyAll(ids)))
          )
        )
      )
    )

  /** None if the session is gone. */
  const renewOnce = (id: string) =>
    session.renew(id).pipe(
      Effect.tapErrorTag("Denied", (error) => Trouble.report(renewing, error)),
      Effect.zipLeft(renewing.resolve)
    )

  const keep: LockSession["keep"] = ({ id, ttl }) =>
    Heartbeat.keepSession(
      Effect.map(renewOnce(id), (renewed) => (Option.isNone(renewed) ? ended : undefined)),
      ttl
    ).pipe(Effect.ensuring(renewing.forget))

  const renew: LockSession["renew"] = Effect.fnUntraced(
    function* ({ id, ttl }, checkId, checkTtl, { markReported, changed, reported, requested }) {
      const interval = Schedules.renewalInterval(ttl)
      for (;;) {
        const news = yield* Effect.timeoutOption(changed.await, interval)
        const health = yield* requested
        const answer = yield* renewOnce(id).pipe(
          Effect.tapError(({ _tag, message }) =>
            emit({ _tag: "RequestFailed", purpose: "renewal", cause: _tag, message })
          ),
          Effect.option
        )
        if (Option.isNone(answer)) {
          yield* Effect.sleep(Schedules.heartbeatInterval(checkTtl))
          continue
        }
        if (Option.isNone(answer.value)) return
        if (Option.isNone(news)) continue
        const isUrgent = (yield* reported).status !== health.status
        yield* markReported(health)
        // The next heartbeat sends the output.
        if (isUrgent) yield* Effect.ignore(agent.updateCheck(checkId, health))
      }
    },
    (renewal) => Effect.ensuring(renewal, renewing.forget)
  )

  return { create, keep, renew }
})
