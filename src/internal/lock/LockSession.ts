/**
 * The session that holds the lock: created for each attempt to lead, and renewed until it ends.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import { type ConsulError, isRetryable } from "../../ConsulError.js"
import { ConsulHttp } from "../../ConsulHttp.js"
import { leastTtl } from "../consul/Session.js"
import * as OutageLog from "../report/OutageLog.js"
import * as Schedules from "../Schedules.js"
import type { CheckOutput } from "./CheckOutput.js"
import { farewell, whenDone } from "./Farewell.js"

/** `ttl` is how long it lives without a renewal. */
export interface Session {
  readonly id: string
  readonly ttl: Duration.Duration
}

export interface LockSession {
  /** Creates a session that ends with the check, or when the scope closes. */
  readonly create: (checkId: string) => Effect.Effect<Session, ConsulError, Scope.Scope>
  /**
   * Keeps the session from ending by its own time to live, and returns when it is not there any more. Missing rights are
   * logged. All else that keeps Consul from renewing it is logged by the lock and the heartbeats.
   *
   * Tells the agent what the check is to show only after a renewal: the agent passes a new status on to the servers, and
   * while these have no leader it confirms no heartbeat for 7 to 14 s (1.8.7).
   */
  readonly renew: (session: Session, checkId: string, shown: CheckOutput) => Effect.Effect<void>
}

/**
 * The name of the sessions of a service for a lock. A status names a session that its reader may have to end: the lock in
 * its name tells it from the sessions of the same service for other locks.
 */
export const sessionName = (service: string, lock: string): string => `${service} for ${lock}`

/** `checkTtl` is how long the check of the service lives. */
export const make = Effect.fnUntraced(function* (
  name: string,
  checkTtl: Duration.Duration
): Effect.fn.Return<LockSession, never, ConsulHttp | Scope.Scope> {
  const { agent, session } = yield* ConsulHttp
  /** The least that the servers have been found to allow. */
  const sessionTtl = yield* Ref.make(Schedules.sessionTtl)
  const renewing = yield* OutageLog.make("the session of the lock is renewed")

  /** Takes the least time to live that the servers allow, when they refuse ours. */
  const adoptTtl = (error: ConsulError) =>
    Option.match(leastTtl(error), {
      onNone: () => Effect.void,
      onSome: (least) =>
        Effect.flatMap(Ref.getAndSet(sessionTtl, least), (before) => {
          const [now, then] = [least, before].map((ttl) => Duration.format(Duration.times(ttl, 2)))
          return Duration.equals(before, least)
            ? Effect.void
            : Effect.logWarning(
                `the servers let no session live for less than ${Duration.format(least)} (session_ttl_min): where an ` +
                  `agent cannot report that its leader has ended, another one may take up to ${now} to follow, not ${then}`
              )
        })
    })

  // The agent tells the servers of a new check in its own time; until then the session is refused. A session whose
  // creation was interrupted, or its answer lost, holds nothing and ends with the check.
  const create: LockSession["create"] = (checkId) =>
    Effect.uninterruptibleMask((restore) =>
      Ref.get(sessionTtl).pipe(
        Effect.flatMap((ttl) =>
          Effect.map(
            session.create({
              name,
              checks: ["serfHealth", checkId],
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
        Effect.tap(({ id }) => whenDone(farewell(session.destroy(id))))
      )
    )

  const renew: LockSession["renew"] = Effect.fnUntraced(
    function* ({ id, ttl }, checkId, { markReported, changed, reported, requested }) {
      const interval = Schedules.renewalInterval(ttl)
      for (;;) {
        const news = yield* Effect.timeoutOption(changed.await, interval)
        const health = yield* requested
        const answer = yield* session.renew(id).pipe(
          Effect.tapErrorTag("Denied", (error) =>
            renewing.report(
              OutageLog.causeOf(error),
              `cannot renew the session of the lock: ${error.message}`
            )
          ),
          Effect.zipLeft(renewing.resolve),
          Effect.tapError((error) => Effect.logDebug(`renewal: ${error.message}`)),
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
        // The next heartbeat takes the output along.
        if (isUrgent) yield* Effect.ignore(agent.updateCheck(checkId, health))
      }
    },
    (renewal) => Effect.ensuring(renewal, renewing.forget)
  )

  return { create, renew }
})
