/**
 * Blocking queries that outlive the fibers that asked them.
 *
 * Consul (1.8.7) does not notice that a client has left a blocking query: it keeps the connection until the query would have
 * ended, and refuses an address that has 200 connections. So a fiber that stops waiting leaves its query in the pool. A fiber
 * that asks the same again waits for that query. A query that no fiber waits for counts among those that the pool may have.
 *
 * Only an overdue query is abandoned: its keys have a later index, so that Consul has answered it or never will. Its answer was
 * lost, and the query would keep others out of the pool until its time-out.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { ConsulError } from "../../ConsulError.js"
import type { Answer } from "../../ConsulHttp.js"
import type * as BlockingQuery from "../consul/BlockingQuery.js"
import * as Monotonic from "../effect/Monotonic.js"
import * as Schedules from "../Schedules.js"
import type { QueryRoom } from "./QueryRoom.js"

type Query<A> = Effect.Effect<Answer<A>, ConsulError>

/** An answer, with the time since the query was first sent, and whether its wait was over by then. */
type Asked<A> = Effect.Effect<BlockingQuery.Raw<A>, ConsulError>

/** A question. It is the same for all queries that differ only in their index. */
export interface QueryKey {
  /** The kind of question. Queries of one kind have values of the same type. */
  readonly kind: string
  /** An id of the keys that the question is about. */
  readonly of: string
}

export interface QueryPool {
  /** Waits for the query of this key and index that is in the pool, or sends `query`. */
  readonly ask: <A>(key: QueryKey, wait: BlockingQuery.Request, query: Query<A>) => Asked<A>
}

interface PooledQuery extends QueryKey {
  /** The query is answered when its keys have a later index. */
  readonly index: number
  /** When it was sent (ms of `Monotonic.now`). */
  readonly at: number
  readonly fiber: Fiber.Fiber<unknown, ConsulError>
  /** How many fibers wait for the answer. */
  waiters: number
}

/**
 * A pool of `most` queries at once. One more waits for the end of another. Pools with the same `room` share that too.
 */
export const make = (most: number, room?: QueryRoom): Effect.Effect<QueryPool, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const permits = yield* Effect.makeSemaphore(most)
    const all = new Set<PooledQuery>()

    /** Removes the query first: a fiber that asks the same while it ends must not join it. */
    const abandon = (one: PooledQuery) => {
      all.delete(one)
      return Fiber.interruptFork(one.fiber)
    }

    const answer = <A>({ fiber }: PooledQuery): Asked<A> =>
      Fiber.join(fiber as Fiber.Fiber<BlockingQuery.Raw<A>, ConsulError>)

    const leave = (one: PooledQuery) =>
      Effect.suspend(() => {
        one.waiters -= 1
        return one.waiters > 0 || room === undefined ? Effect.void : room.adjust
      })

    const join = <A>(one: PooledQuery): Asked<A> =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          one.waiters += 1
        }),
        () => answer<A>(one),
        () => leave(one)
      )

    /** Runs a query when there is room for it. */
    const inRoom = <B, E>(one: () => PooledQuery, query: Effect.Effect<B, E>): Effect.Effect<B, E> =>
      room === undefined
        ? query
        : room.within({ isIdle: () => one().waiters === 0, abandon: () => abandon(one()) }, query)

    const send = <A>(
      { kind, of }: QueryKey,
      { index, sent, wait }: BlockingQuery.Request,
      query: Query<A>
    ): Asked<A> =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          yield* restore(permits.take(1))
          const at = yield* Monotonic.now
          sent?.(at)
          const fiber = yield* inRoom(() => one, Effect.timed(query)).pipe(
            Effect.map(([took, answer]) => ({
              ...answer,
              took,
              isOver: Duration.greaterThanOrEqualTo(took, wait)
            })),
            restore,
            Effect.ensuring(
              Effect.zipRight(
                Effect.sync(() => all.delete(one)),
                permits.release(1)
              )
            ),
            Effect.interruptible,
            Effect.forkIn(scope)
          )
          const one: PooledQuery = { kind, of, index, at, fiber, waiters: 1 }
          all.add(one)
          return yield* Effect.ensuring(restore(answer<A>(one)), leave(one))
        })
      )

    /** Abandons a query after a while. Its answer may be on its way. */
    const abandonLater = (one: PooledQuery) =>
      Effect.suspend(() => (one.waiters > 0 ? Effect.void : abandon(one))).pipe(
        Effect.delay(Schedules.shardTimeout),
        Effect.forkIn(scope)
      )

    return {
      ask: <A>(key: QueryKey, wait: BlockingQuery.Request, query: Query<A>): Asked<A> =>
        Effect.suspend(() => {
          const { index } = wait
          const related = [...all].filter(({ of }) => of === key.of)
          const same = related.find((one) => one.kind === key.kind && one.index === index)
          if (same !== undefined) {
            wait.sent?.(same.at)
            return join<A>(same)
          }
          const overdue = related.filter((one) => one.index < index)
          return Effect.zipRight(
            Effect.forEach(overdue, abandonLater, { discard: true }),
            send(key, wait, query)
          )
        })
    }
  })
