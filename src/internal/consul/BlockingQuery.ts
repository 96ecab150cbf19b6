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

export interface Answered<A> extends Answer<A> {
  /** From where to ask on. */
  readonly next: Cursor
  /** Whether it was asked for without an index: nothing is known of what it has to do with the answer before. */
  readonly wasUnconditional: boolean
  /** Whether it may belong to another history than the cursor that it was asked from. Then it `wasUnconditional`. */
  readonly restarted: boolean
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
   * later one could take forever: then the chain starts over, and that answer is not returned. So it does after a failure,
   * which may have been a restart with older data, and when an answer has nothing new and comes before the wait is over:
   * that is how Consul (1.8.7) ends a query that is blocked while its cluster is restored, with what it had read before. A
   * pause keeps servers that never wait, or that contradict each other, from being asked without end.
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
  /** Done before the chain starts over because the source may have another history. */
  readonly restarting?: Effect.Effect<void> | undefined
}

/** What a balancer answers for a server that has not answered in time. */
const gatewayStatuses: ReadonlyArray<number> = [502, 503, 504]

/** The server may add a sixteenth to a wait: what ends later than that was silent. */
const isCutOff = (error: ConsulError): boolean =>
  error._tag === "Unreachable" || (error._tag === "Rejected" && gatewayStatuses.includes(error.status))

const elapsed = (since: number): Effect.Effect<Duration.Duration> =>
  Effect.map(Monotonic.now, (now) => Duration.millis(Math.round(now - since)))

/** An answer, and what it was asked with. */
interface Asked<A> {
  readonly answer: Raw<A>
  /** The index that was asked with in the end: 0 after a failure. */
  readonly index: number
  readonly wait: Duration.Duration
  /** How long the query blocked. */
  readonly took: Duration.Duration
}

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
  Effect.map(Schedule.driver(Schedules.reconnect), (pace) => {
    const pause = Effect.ignore(pace.next(undefined))

    /** Asks until there is an answer: for what is newer than `from`, or after a failure for what is there now. */
    const askFrom = <A, R>(
      from: number,
      longest: Duration.Duration,
      query: (wait: Request) => Effect.Effect<Raw<A>, ConsulError, R>
    ): Effect.Effect<Asked<A>, ConsulError, R> =>
      Effect.gen(function* () {
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
          if (
            index > 0 &&
            isCutOff(error) &&
            Duration.greaterThanOrEqualTo(waited, Schedules.cutOffAfter) &&
            Duration.lessThan(waited, Duration.times(wait, 17 / 16))
          ) {
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
          if (index > 0 && Duration.greaterThanOrEqualTo(waited, Schedules.restartPause)) yield* pace.reset
          index = 0
          yield* pause
        }
      })

    /** Whether the answer to a blocking query belongs to the history that it was asked in. Pauses if it does not. */
    const isOfSameHistory = <A>({ answer, index, took, wait }: Asked<A>) =>
      Effect.gen(function* () {
        if (answer.index < index) {
          yield* pause
          return false
        }
        yield* pace.reset
        if (answer.index > index) return true
        if (answer.isOver ?? Duration.greaterThanOrEqualTo(took, wait)) {
          if (Duration.greaterThanOrEqualTo(took, wait)) yield* limit.lasted(wait)
          return true
        }
        if (Duration.greaterThanOrEqualTo(took, Schedules.cutOffAfter)) yield* limit.ended(took)
        yield* Effect.sleep(Schedules.restartPause)
        return false
      })

    return {
      ask: (from, longest, query) =>
        Effect.gen(function* () {
          const first = yield* askFrom((yield* isTrusted(from)) ? from.index : 0, longest, query)
          const wasBlocking = first.index > 0
          const isSame = !wasBlocking || (yield* isOfSameHistory(first))
          const { answer } = isSame ? first : yield* Effect.zipRight(restarting, askFrom(0, longest, query))
          return {
            ...answer,
            next: { index: answer.index, at: yield* Monotonic.now },
            wasUnconditional: !wasBlocking || !isSame,
            restarted: !isSame || answer.index < from.index
          }
        })
    }
  })
