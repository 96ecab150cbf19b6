/**
 * A chain of blocking queries: each one continues at the index of the answer before.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schedule from "effect/Schedule"
import { type ConsulError, isRetryable } from "../../ConsulError.js"
import * as Monotonic from "../effect/Monotonic.js"
import type { Answer } from "./Consul.js"
import * as RequestTimes from "./RequestTimes.js"
import * as WaitLimit from "./WaitLimit.js"

/**
 * If a connection is cut off after a query has blocked for this time, a balancer may have ended the wait. Balancers allow at least
 * this long. A query that is cut off sooner has failed.
 */
const cutOffAfter = Duration.seconds(5)

/** The position of a chain. */
export interface Cursor {
  /** Every change up to this index was answered. A query with index 0 does not block. */
  readonly index: number
  /** When the answer came: ms, monotonic. */
  readonly at: number
}

/** The position of a chain without an answer. */
export const fromScratch: Cursor = { index: 0, at: Number.NEGATIVE_INFINITY }

/** Whether an answer of that time is so recent that an equal index still proves an equal content. */
export const isTrusted = ({ at }: Pick<Cursor, "at">): Effect.Effect<boolean> =>
  Effect.map(Monotonic.now, (now) => now - at < Duration.toMillis(RequestTimes.indexMaxAge))

/** An answer to a blocking query. */
export type Raw<A> = Answer<A> & {
  /** Whether the answer came because the wait was over. Unless given, the clock decides. */
  readonly isOver?: boolean
  /** How long the query blocked. Unless given, it is measured. */
  readonly took?: Duration.Duration
}

/** An answer that belongs to the history of the source. */
export interface Answered<A> extends Answer<A> {
  /** The position to continue at. */
  readonly next: Cursor
  /** Whether the query had no index: the answer may have skipped changes, or be older than the answer before. */
  readonly wasUnconditional: boolean
  /** Whether the answer may belong to another history than the cursor. Then it `wasUnconditional`. */
  readonly restarted: boolean
}

/** The parameters of a query. */
export interface Request {
  /** The query blocks until the index of the source is higher. */
  readonly index: number
  /** The query blocks no longer than this. With 0 it reads the present content, never stale. */
  readonly wait: Duration.Duration
  /** To be called with the time at which the query was sent (ms, monotonic), if it was not sent at once. */
  readonly sent?: ((at: number) => void) | undefined
}

/** Whether the query reads the present content, and does not block. */
export const isNow = ({ index, wait }: Request): boolean => index === 0 || Duration.isZero(wait)

/** One chain. */
export interface Sequence {
  /**
   * Asks for changes after a cursor. Retries errors that a retry can fix. A query blocks for `wait`, or for as long as the
   * limit of the source allows.
   *
   * An index that goes backwards belongs to another history (a restored or rebuilt cluster), in which a higher index may never
   * come. Then the chain starts over, and that answer is not returned. The chain also starts over after a failure, which may
   * have been a restart with older data, and after an answer that has nothing new and comes before the wait is over: Consul
   * (1.8.7) ends a query so, with its earlier content, if its cluster is restored while the query blocks. A pause keeps servers
   * that never wait, or that contradict each other, from being asked without end.
   *
   * A query that blocked for a while and then was cut off by something in between (a closed connection, 502, 503, 504) is no
   * failure if the same question is answered at once: its wait was over. The question is asked again without blocking, and the
   * chain continues at that answer.
   *
   * And the chain starts over if the cursor is old, because the answer before was processed for long. Consul may have forgotten a
   * delete since then, and with it the index of the delete.
   */
  readonly ask: <A, R>(
    from: Cursor,
    wait: Duration.Duration,
    query: (wait: Request) => Effect.Effect<Raw<A>, ConsulError, R>
  ) => Effect.Effect<Answered<A>, ConsulError, R>
}

export interface Options {
  /** How long queries may wait at this source: no limit unless given. */
  readonly limit?: WaitLimit.WaitLimit | undefined
  /** Run after each failure. */
  readonly failed?: ((error: ConsulError) => Effect.Effect<void>) | undefined
  /** Run after each answer. */
  readonly answered?: Effect.Effect<void> | undefined
  /** Run before the chain starts over because the source may have another history. */
  readonly restarting?: Effect.Effect<void> | undefined
}

/** The statuses that a balancer answers for a server that has not answered in time. */
const gatewayStatuses: ReadonlyArray<number> = [502, 503, 504]

/** Whether something between the agent and this process may have ended the query. */
const isCutOff = (error: ConsulError): boolean =>
  error._tag === "Unreachable" || (error._tag === "Rejected" && gatewayStatuses.includes(error.status))

const elapsed = (since: number): Effect.Effect<Duration.Duration> =>
  Effect.map(Monotonic.now, (now) => Duration.millis(Math.round(now - since)))

/** An answer, and the parameters of its query. */
interface Asked<A> {
  readonly answer: Raw<A>
  /** The index of the last attempt: 0 after a failure. */
  readonly index: number
  /** How long the query was to block. */
  readonly wait: Duration.Duration
  /** How long the query did block. */
  readonly took: Duration.Duration
}

/** The services and the state of one chain. */
interface Chain extends Required<{ [K in keyof Options]: NonNullable<Options[K]> }> {
  /** The pauses between retries. */
  readonly pace: Schedule.ScheduleDriver<unknown, unknown>
}

type Query<A, R> = (request: Request) => Effect.Effect<Raw<A>, ConsulError, R>

const pause = ({ pace }: Chain): Effect.Effect<void> => Effect.ignore(pace.next(undefined))

/** Whether a query that ended with an error had blocked so long that its wait may have been cut short. */
const mayBeCutShort = (error: ConsulError, { index, wait }: Request, waited: Duration.Duration): boolean =>
  index > 0 &&
  isCutOff(error) &&
  Duration.greaterThanOrEqualTo(waited, cutOffAfter) &&
  // The server may add a sixteenth to a wait: a query that ends later was not answered.
  Duration.lessThan(waited, Duration.times(wait, 17 / 16))

/** Asks until there is an answer: for changes after `from`, or after a failure for the present content. */
const askFrom = <A, R>(
  chain: Chain,
  from: number,
  longest: Duration.Duration,
  query: Query<A, R>
): Effect.Effect<Asked<A>, ConsulError, R> =>
  Effect.gen(function* () {
    const { answered, failed, limit, pace } = chain
    let index = from
    const wait = index > 0 ? yield* limit.next(longest) : longest
    const before = yield* Monotonic.now
    for (;;) {
      let since = yield* Monotonic.now
      const sent = (at: number) => {
        since = at
      }
      const result = yield* Effect.either(query({ index, wait, sent }))
      if (Either.isRight(result)) {
        yield* answered
        return { answer: result.right, index, wait, took: result.right.took ?? (yield* elapsed(before)) }
      }
      let error = result.left
      const waited = yield* elapsed(since)
      if (mayBeCutShort(error, { index, wait }, waited)) {
        const now = yield* Effect.either(query({ index, wait: Duration.zero }))
        if (Either.isRight(now)) {
          yield* limit.ended(waited)
          yield* answered
          return { answer: { ...now.right, isOver: true }, index, wait, took: waited }
        }
        error = now.left
      }
      yield* failed(error)
      if (!isRetryable(error)) return yield* Effect.fail(error)
      if (index > 0 && Duration.greaterThanOrEqualTo(waited, RequestTimes.restartPause)) yield* pace.reset
      index = 0
      yield* pause(chain)
    }
  })

/** Whether the answer to a blocking query belongs to the history of its cursor. Pauses if it does not. */
const isOfSameHistory = <A>(chain: Chain, { answer, index, took, wait }: Asked<A>): Effect.Effect<boolean> =>
  Effect.gen(function* () {
    const { limit, pace } = chain
    if (answer.index < index) {
      yield* pause(chain)
      return false
    }
    yield* pace.reset
    if (answer.index > index) return true
    if (answer.isOver ?? Duration.greaterThanOrEqualTo(took, wait)) {
      if (Duration.greaterThanOrEqualTo(took, wait)) yield* limit.lasted(wait)
      return true
    }
    if (Duration.greaterThanOrEqualTo(took, cutOffAfter)) yield* limit.ended(took)
    yield* Effect.sleep(RequestTimes.restartPause)
    return false
  })

const ask = <A, R>(
  chain: Chain,
  from: Cursor,
  longest: Duration.Duration,
  query: Query<A, R>
): Effect.Effect<Answered<A>, ConsulError, R> =>
  Effect.gen(function* () {
    const first = yield* askFrom(chain, (yield* isTrusted(from)) ? from.index : 0, longest, query)
    const wasBlocking = first.index > 0
    const isSame = !wasBlocking || (yield* isOfSameHistory(chain, first))
    const { answer } = isSame
      ? first
      : yield* Effect.zipRight(chain.restarting, askFrom(chain, 0, longest, query))
    return {
      ...answer,
      next: { index: answer.index, at: yield* Monotonic.now },
      wasUnconditional: !wasBlocking || !isSame,
      restarted: !isSame || answer.index < from.index
    }
  })

/**
 * Pauses between retries grow. Only a blocking query resets them, by succeeding or by blocking for a second first. A plain read
 * must not: a source that fails every blocking query but answers every plain read would otherwise be asked without a pause.
 */
export const make = ({
  answered = Effect.void,
  failed = () => Effect.void,
  limit = WaitLimit.make(() => Effect.void),
  restarting = Effect.void
}: Options = {}): Effect.Effect<Sequence> =>
  Effect.map(Schedule.driver(RequestTimes.reconnect), (pace) => {
    const chain: Chain = { answered, failed, limit, restarting, pace }
    return { ask: (from, longest, query) => ask(chain, from, longest, query) }
  })
