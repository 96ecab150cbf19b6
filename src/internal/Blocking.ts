/**
 * A chain of blocking queries: where each of them goes on from the one before.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { type ConsulError, isRetryable } from "../ConsulError.js"
import type { Answer } from "../ConsulHttp.js"
import * as Schedules from "../Schedules.js"

/**
 * An answer, and the index from which to ask on; 0 is to ask without waiting. `isFresh` when it was asked for without
 * an index, and nothing is known of what it has to do with the answer before.
 */
export interface Link<A> extends Answer<A> {
  readonly next: number
  readonly isFresh: boolean
}

/** What a query is asked with: for what is newer than `index`, for as long as `wait`. */
export interface Wait {
  readonly index: number
  readonly wait: Duration.Duration
}

/**
 * Asks for what is newer than `index`, again and again while what fails can pass.
 *
 * An index that goes backwards belongs to another history (a restored or rebuilt cluster), in which waiting for a
 * later one could take forever: then the chain starts over. So it does after a failure, which may have been a restart
 * with older data, and when an answer has nothing new and comes before the wait is over: that is how Consul (1.8.7)
 * ends a query that is blocked while its cluster is restored, with what it had read before. The pause keeps a server
 * that never waits from being asked without end.
 */
export const ask = <A, R>(
  { index, wait }: Wait,
  query: (wait: Wait) => Effect.Effect<Answer<A>, ConsulError, R>
): Effect.Effect<Link<A>, ConsulError, R> =>
  Effect.gen(function* () {
    let asked = index
    const before = yield* Clock.currentTimeMillis
    const answer = yield* Effect.suspend(() => query({ index: asked, wait })).pipe(
      Effect.tapError(() =>
        Effect.sync(() => {
          asked = 0
        })
      ),
      Effect.retry({ schedule: Schedules.reconnect, while: isRetryable })
    )
    const waited = (yield* Clock.currentTimeMillis) - before
    const isFresh = asked === 0
    if (isFresh || answer.index > asked) return { ...answer, next: answer.index, isFresh }
    if (answer.index < asked) return { ...answer, next: 0, isFresh }
    if (waited >= Duration.toMillis(wait)) return { ...answer, next: asked, isFresh }
    yield* Effect.sleep(Schedules.brokenOffPause)
    return { ...answer, next: 0, isFresh }
  })
