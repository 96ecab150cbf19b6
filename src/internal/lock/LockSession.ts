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
import { type Consul, ConsulHttp, type SessionInfo, type SessionOptions } from "../../ConsulHttp.js"
import * as RequestTimes from "../consul/RequestTimes.js"
import { leastTtl } from "../consul/Session.js"
import { wholeMillis } from "../effect/WholeMillis.js"
import { emit } from "../report/EventSink.js"
import * as Trouble from "../report/Trouble.js"
import type { CheckOutput } from "./CheckOutput.js"
import { farewell, whenDone } from "./Farewell.js"
import * as Heartbeat from "./Heartbeat.js"
import type { LeaderLockOptions } from "./LockOptions.js"
import * as LockTimes from "./LockTimes.js"
import { isIdOf } from "./Registration.js"

/** The time between two renewals of a session with an agent. Three fit the time to live. */
const renewalInterval = (ttl: Duration.Duration): Duration.Duration => wholeMillis(Duration.times(ttl, 1 / 3))

export interface Session {
  readonly id: string
  /** How long the session lives without a renewal. */
  readonly ttl: Duration.Duration
}

export interface LockSession {
  /**
   * Creates a session that ends with its checks, or when the scope closes. Ends sessions of former attempts of this process,
   * too, if that failed when their scopes closed.
   */
  readonly create: (
    options: Pick<SessionOptions, "checks" | "name">
  ) => Effect.Effect<Session, ConsulError, Scope.Scope>
  /**
   * Keeps a session without checks alive by renewals. Returns the reason when the session has ended, or when Consul has
   * confirmed no renewal for its time to live. A lack of rights is emitted as trouble.
   */
  readonly keep: (session: Session) => Effect.Effect<string>
  /**
   * Keeps a session with checks from ending by its own time to live. Returns when the session has ended. A lack of rights is
   * emitted as trouble; the lock and the heartbeats report other failures.
   *
   * Sends the agent a new health of the check only after a renewal: the agent passes it on to the servers, and while the
   * servers have no leader it confirms no heartbeat for 7 to 14 s (1.8.7).
   */
  readonly renew: (
    session: Session,
    checkId: string,
    checkTtl: Duration.Duration,
    output: CheckOutput
  ) => Effect.Effect<void>
}

/** The reason for which an instance without its session cannot lead. */
export const ended = "the session ended"

/**
 * The name of a session for a lock. `owner` is the service, or the id of an instance without a check. A status names a session
 * that its reader may have to end: by the lock in its name, the reader does not end a session for another lock.
 */
export const sessionName = (owner: string, lock: string): string => `${owner}${forLock(lock)}`

const forLock = (lock: string): string => ` for ${lock}`

/**
 * Whether a session belongs to an instance of the service and is for the lock. Its name and its check show that. A session
 * without checks has the id of the instance in its name. A person or a program that may write the status can name any session
 * there: no other session may be ended because of it.
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

/** The services and the state of the sessions for one lock. */
interface State extends Pick<LeaderLockOptions, "agentless" | "lock" | "service"> {
  /** For the requests about sessions and checks. */
  readonly consul: Pick<Consul, "agent" | "session">
  /** The time to live of the next session: as configured, or the shortest that the servers allow if they have refused that. */
  readonly ttl: Ref.Ref<Duration.Duration>
  /** Ids of sessions whose end Consul has not confirmed. */
  readonly open: Ref.Ref<HashSet.HashSet<string>>
  /** Reported while the token lacks the right to renew a session. */
  readonly trouble: Trouble.OwnTrouble
}

/** Raises the time to live to the shortest that the servers allow, if the error names it. */
const raiseTtl = ({ agentless, lock, service, ttl }: State, error: ConsulError): Effect.Effect<void> =>
  Option.match(leastTtl(error), {
    onNone: () => Effect.void,
    onSome: (least) =>
      Effect.flatMap(Ref.getAndSet(ttl, least), (before) =>
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

const destroy = ({ consul: { session }, open }: State, id: string): Effect.Effect<void, ConsulError> =>
  Effect.zipRight(session.destroy(id), Ref.update(open, HashSet.remove(id)))

/** Ends sessions of former attempts. If one still holds the lock, this process would wait for itself. */
const destroyAll = (state: State, ids: HashSet.HashSet<string>): Effect.Effect<void> =>
  Effect.forEach(
    ids,
    (id) =>
      Effect.ignore(
        Effect.retry(destroy(state, id), { schedule: RequestTimes.reconnect, while: isRetryable })
      ),
    { concurrency: "unbounded", discard: true }
  )

/** Requests a session until the servers accept it: they refuse it until the agent has sent them the new check. */
const request = (
  state: State,
  { checks, name }: Pick<SessionOptions, "checks" | "name">
): Effect.Effect<Session, ConsulError> =>
  Ref.get(state.ttl).pipe(
    Effect.flatMap((ttl) =>
      Effect.map(
        state.consul.session.create({ name, checks, behavior: "release", lockDelay: 0, ttl }),
        (id): Session => ({ id, ttl })
      )
    ),
    Effect.tapError((error) => raiseTtl(state, error)),
    Effect.retry({ schedule: RequestTimes.reconnect, times: 5, while: isRetryable })
  )

// A session whose creation was interrupted, or whose answer was lost, holds nothing, and ends with its checks or by its time to
// live.
const create = (
  state: State,
  options: Pick<SessionOptions, "checks" | "name">
): Effect.Effect<Session, ConsulError, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    restore(request(state, options)).pipe(
      Effect.tap(({ id }) => whenDone(farewell(destroy(state, id)))),
      Effect.tap(({ id }) =>
        Effect.flatMap(Ref.getAndUpdate(state.open, HashSet.add(id)), (former) =>
          Effect.forkScoped(Effect.interruptible(destroyAll(state, former)))
        )
      )
    )
  )

/** Renews a session once. None if the session is gone. */
const renewOnce = ({ consul: { session }, trouble }: State, id: string) =>
  session.renew(id).pipe(
    Effect.tapErrorTag("Denied", (error) => Trouble.report(trouble, error)),
    Effect.zipLeft(trouble.resolve)
  )

const keep = (state: State, { id, ttl }: Session): Effect.Effect<string> =>
  Heartbeat.keepSession(
    Effect.map(renewOnce(state, id), (renewed) => (Option.isNone(renewed) ? ended : undefined)),
    ttl
  ).pipe(Effect.ensuring(state.trouble.forget))

const renew = Effect.fnUntraced(
  function* (
    state: State,
    { id, ttl }: Session,
    checkId: string,
    checkTtl: Duration.Duration,
    { markReported, changed, reported, requested }: CheckOutput
  ): Effect.fn.Return<void> {
    const { agent } = state.consul
    const interval = renewalInterval(ttl)
    for (;;) {
      const change = yield* Effect.timeoutOption(changed.await, interval)
      const health = yield* requested
      const answer = yield* renewOnce(state, id).pipe(
        Effect.tapError(({ _tag, message }) =>
          emit({ _tag: "RequestFailed", purpose: "renewal", cause: _tag, message })
        ),
        Effect.option
      )
      if (Option.isNone(answer)) {
        yield* Effect.sleep(LockTimes.heartbeatInterval(checkTtl))
        continue
      }
      if (Option.isNone(answer.value)) return
      if (Option.isNone(change)) continue
      const isUrgent = (yield* reported).status !== health.status
      yield* markReported(health)
      // The next heartbeat sends the output.
      if (isUrgent) yield* Effect.ignore(agent.updateCheck(checkId, health))
    }
  },
  (renewal, { trouble }) => Effect.ensuring(renewal, trouble.forget)
)

/** Makes sessions that live for `ttl` without a renewal, or for longer if the servers demand it. */
export const make = Effect.fnUntraced(function* (
  { agentless, lock, service }: Pick<LeaderLockOptions, "agentless" | "lock" | "service">,
  ttl: Duration.Duration
): Effect.fn.Return<LockSession, never, ConsulHttp | Scope.Scope> {
  const { agent, session } = yield* ConsulHttp
  const state: State = {
    agentless,
    lock,
    service,
    consul: { agent, session },
    ttl: yield* Ref.make(ttl),
    open: yield* Ref.make(HashSet.empty<string>()),
    trouble: yield* Trouble.make({ _tag: "Session", lock, service })
  }
  return {
    create: (options) => create(state, options),
    keep: (session) => keep(state, session),
    renew: (session, checkId, checkTtl, output) => renew(state, session, checkId, checkTtl, output)
  }
})
