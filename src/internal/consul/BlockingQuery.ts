/**
 * A chain of blocking queries: where each of them goes on from the one before.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schedule from "effect/Schedule"
import type { Answer } from "../../Consul.js"
import { type ConsulError, isRetryable } from "../../ConsulError.js"
import * as Monotonic from "../effect/Monotonic.js"
import * as Schedules from "../Schedules.js"
import * as WaitLimit from "./WaitLimit.js"

/**
 * Where a chain is: everything up to `index` was known `at` that time (ms of `Monotonic.now`). An index of 0 asks without
 * waiting.
 */
export interface Cursor {
  readonly index: number
  readonly at: number
}

/** Where a chain begins. */
export const fromScratch: Cursor = { index: 0, at: Number.NEGATIVE_INFINITY }

/** When something is as it was at a time, by its index: whether that can still be told from the index. */
export const isTrusted = ({ at }: Pick<Cursor, "at">): Effect.Effect<boolean> =>
  Effect.map(Monotonic.now, (now) => now - at < Duration.toMillis(Schedules.indexMaxAge))

/**
 * `isOver` where it is known whether the answer came because the wait was over, and `took` how long the query blocked;
 * otherwise the clock tells.
 */
export type Raw<A> = Answer<A> & {
  readonly isOver?: boolean
  readonly took?: Duration.Duration
}

/**
 * An answer, and from where to ask on. `wasUnconditional` when it was asked for without an index, and nothing is known of what it
 * has to do with the answer before.
 */
export interface Answered<A> extends Answer<A> {
  readonly next: Cursor
  readonly wasUnconditional: boolean
}

/**
 * What a query is asked with: for what is newer than `index`, for as long as `wait`. A wait of 0 asks for what is there
 * now, never stale, and the answer's index tells whether that is newer.
 */
export interface Request {
  readonly index: number
  readonly wait: Duration.Duration
  /** Called with the time at which the query was sent (ms of `Monotonic.now`), if that is not when it was asked. */
  readonly sent?: ((at: number) => void) | undefined
}

/** Whether it asks for what is there now. */
export const isNow = ({ index, wait }: Request): boolean => index === 0 || Duration.isZero(wait)

export interface Sequence {
  /**
   * Asks for what is newer, again and again while what fails can pass, and blocks for as long as `wait`, or as long as the
   * limit of the source allows.
   *
   * An index that goes backwards belongs to another history (a restored or rebuilt cluster), in which waiting for a
   * later one could take forever: then the chain starts over. So it does after a failure, which may have been a restart
   * with older data, and when an answer has nothing new and comes before the wait is over: that is how Consul (1.8.7)
   * ends a query that is blocked while its cluster is restored, with what it had read before. The pause keeps a server
   * that never waits from being asked without end.
   *
   * A query that blocked for a while and then was cut off by something in between (a closed connection, 502, 503, 504) is
   * no failure if the same question is answered at once: its wait was over. What was cut off is asked for anew without
   * blocking, and the chain goes on from there.
   *
   * And the chain starts over from an answer that is old, because whoever deals with it has taken long: a delete since
   * then may be forgotten by now, and its index with it.
   */
  readonly ask: <A, R>(
    from: Cursor,
    wait: Duration.Duration,
    query: (wait: Request) => Effect.Effect<Raw<A>, ConsulError, R>
  ) => Effect.Effect<Answered<A>, ConsulError, R>
}

export interface Options {
  /** What is known of the waits of this source. */
  readonly limit?: WaitLimit.WaitLimit | undefined
  /** Done after each failure. */
  readonly failed?: ((error: ConsulError) => Effect.Effect<void>) | undefined
  /** Done after each answer. */
  readonly answered?: Effect.Effect<void> | undefined
}

/** What a balancer answers for a server that has not answered in time. */
const gatewayStatuses: ReadonlyArray<number> = [502, 503, 504]

/** The server may add a sixteenth to a wait: what ends later than that was silent. */
const isCutOff = (error: ConsulError): boolean =>
  error._tag === "Unreachable" || (error._tag === "Rejected" && gatewayStatuses.includes(error.status))

const elapsed = (since: number): Effect.Effect<Duration.Duration> =>
  Effect.map(Monotonic.now, (now) => Duration.millis(Math.round(now - since)))

/**
 * Pauses between retries grow. Only a blocking query resets them, by succeeding or by blocking for a second first. A plain read
 * must not: a source that fails every blocking query but answers every plain read would otherwise be asked without a pause.
 */
export const make = ({
  answered = Effect.void,
  failed = () => Effect.void,
  limit = WaitLimit.make(() => Effect.void)
}: Options = {}): Effect.Effect<Sequence> =>
  Effect.map(Schedule.driver(Schedules.reconnect), (pace) => ({
    ask: <A, R>(
      from: Cursor,
      longest: Duration.Duration,
      query: (wait: Request) => Effect.Effect<Raw<A>, ConsulError, R>
    ) =>
      Effect.gen(function* () {
        let asked = (yield* isTrusted(from)) ? from.index : 0
        const wait = asked > 0 ? yield* limit.next(longest) : longest
        const before = yield* Monotonic.now
        const attempt: Effect.Effect<Raw<A>, ConsulError, R> = Effect.gen(function* () {
          let since = yield* Monotonic.now
          const sent = (at: number) => {
            since = at
          }
          const answer = yield* Effect.either(query({ index: asked, wait, sent }))
          if (Either.isRight(answer)) return answer.right
          let error = answer.left
          const waited = yield* elapsed(since)
          if (
            asked > 0 &&
            isCutOff(error) &&
            Duration.greaterThanOrEqualTo(waited, Schedules.cutOffAfter) &&
            Duration.lessThan(waited, Duration.times(wait, 17 / 16))
          ) {
            const now = yield* Effect.either(query({ index: asked, wait: Duration.zero }))
            if (Either.isRight(now)) {
              yield* limit.ended(waited)
              return { ...now.right, isOver: true }
            }
            error = now.left
          }
          yield* failed(error)
          if (!isRetryable(error)) return yield* Effect.fail(error)
          if (asked > 0 && Duration.greaterThanOrEqualTo(waited, Schedules.restartPause)) yield* pace.reset
          asked = 0
          yield* Effect.ignore(pace.next(error))
          return yield* attempt
        })
        const answer = yield* attempt
        yield* answered
        const at = yield* Monotonic.now
        const wasUnconditional = asked === 0
        if (!wasUnconditional) yield* pace.reset
        const onward: Answered<A> = { ...answer, next: { index: answer.index, at }, wasUnconditional }
        if (wasUnconditional || answer.index > asked) return onward
        if (answer.index === asked) {
          const took = answer.took ?? Duration.millis(Math.round(at - before))
          const isOver = answer.isOver ?? Duration.greaterThanOrEqualTo(took, wait)
          if (isOver) {
            if (Duration.greaterThanOrEqualTo(took, wait)) yield* limit.lasted(wait)
            return onward
          }
          if (Duration.greaterThanOrEqualTo(took, Schedules.cutOffAfter)) yield* limit.ended(took)
          yield* Effect.sleep(Schedules.restartPause)
        }
        return { ...answer, next: fromScratch, wasUnconditional }
      })
  }))
