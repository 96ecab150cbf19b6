/**
 * A chain of blocking queries: where each of them goes on from the one before.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { type ConsulError, isRetryable } from "../ConsulError.js"
import type { Answer } from "../ConsulHttp.js"
import * as Schedules from "../Schedules.js"

/** Where a chain is: everything up to `index` was known `at` that time (ms). An index of 0 asks without waiting. */
export interface From {
  readonly index: number
  readonly at: number
}

/** Where a chain begins. */
export const start: From = { index: 0, at: Number.NEGATIVE_INFINITY }

/**
 * When something is as it was at a time, by its index: whether that can still be told from the index alone. A clock that
 * was set back tells nothing.
 */
export const isTrusted = ({ at }: Pick<From, "at">): Effect.Effect<boolean> =>
  Effect.map(
    Clock.currentTimeMillis,
    (now) => now >= at && now - at < Duration.toMillis(Schedules.indexTrust)
  )

/**
 * `isOver` where it is known whether the answer came because the wait was over; otherwise the clock tells.
 */
export type Reply<A> = Answer<A> & { readonly isOver?: boolean }

/**
 * An answer, and from where to ask on. `isFresh` when it was asked for without an index, and nothing is known of what it
 * has to do with the answer before.
 */
export interface Link<A> extends Answer<A> {
  readonly next: From
  readonly isFresh: boolean
}

/** What a query is asked with: for what is newer than `index`, for as long as `wait`. */
export interface Wait {
  readonly index: number
  readonly wait: Duration.Duration
}

export interface Chain {
  /**
   * Asks for what is newer, again and again while what fails can pass, and blocks for as long as `wait`.
   *
   * An index that goes backwards belongs to another history (a restored or rebuilt cluster), in which waiting for a
   * later one could take forever: then the chain starts over. So it does after a failure, which may have been a restart
   * with older data, and when an answer has nothing new and comes before the wait is over: that is how Consul (1.8.7)
   * ends a query that is blocked while its cluster is restored, with what it had read before. The pause keeps a server
   * that never waits from being asked without end.
   *
   * And so it does from an answer that is old, because whoever deals with it has taken long: a delete since then may be
   * forgotten by now, and its index with it.
   */
  readonly ask: <A, R>(
    from: From,
    wait: Duration.Duration,
    query: (wait: Wait) => Effect.Effect<Reply<A>, ConsulError, R>
  ) => Effect.Effect<Link<A>, ConsulError, R>
}

/**
 * The pauses after failures grow until a query that may block is answered, or has blocked for a while: where those fail at
 * once and no others do, each of them is followed by one that is answered.
 */
export const make: Effect.Effect<Chain> = Effect.map(Schedule.driver(Schedules.reconnect), (pace) => ({
  ask: <A, R>(
    from: From,
    wait: Duration.Duration,
    query: (wait: Wait) => Effect.Effect<Reply<A>, ConsulError, R>
  ) =>
    Effect.gen(function* () {
      let asked = (yield* isTrusted(from)) ? from.index : 0
      const before = yield* Clock.currentTimeMillis
      const attempt: Effect.Effect<Reply<A>, ConsulError, R> = Effect.gen(function* () {
        const since = yield* Clock.currentTimeMillis
        return yield* Effect.catchIf(query({ index: asked, wait }), isRetryable, (error) =>
          Effect.gen(function* () {
            const blocked = (yield* Clock.currentTimeMillis) - since
            if (asked > 0 && blocked >= Duration.toMillis(Schedules.brokenOffPause)) yield* pace.reset
            asked = 0
            yield* Effect.ignore(pace.next(error))
            return yield* attempt
          })
        )
      })
      const answer = yield* attempt
      const at = yield* Clock.currentTimeMillis
      const isFresh = asked === 0
      if (!isFresh) yield* pace.reset
      const onward: Link<A> = { ...answer, next: { index: answer.index, at }, isFresh }
      if (isFresh || answer.index > asked) return onward
      if (answer.index === asked) {
        if (answer.isOver ?? at - before >= Duration.toMillis(wait)) return onward
        yield* Effect.sleep(Schedules.brokenOffPause)
      }
      return { ...answer, next: start, isFresh }
    })
}))
