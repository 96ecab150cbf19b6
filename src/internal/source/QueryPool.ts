/**
 * Blocking queries that outlive the fibers that asked them.
 *
 * Consul (1.8.7) does not notice that a client has left a blocking query: it holds the connection until the query would have
 * ended, and refuses an address that has 200 connections. So a fiber that stops waiting leaves its query in the pool. A fiber
 * that asks the same again waits for that query. A query that is left behind counts among those that the pool may have.
 *
 * Only an overdue query is abandoned: its keys are known to have changed since, so that Consul has answered it or never will.
 * That answer was lost, and the query would take the place of others until its time-out.
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

/** Says whether its wait was over, and how long it took, by when it was asked for the first time. */
type Asked<A> = Effect.Effect<BlockingQuery.Raw<A>, ConsulError>

/** What is asked `of` which keys; all queries of one kind of the same keys answer with the same kind of value. */
export interface QueryKey {
  readonly kind: string
  readonly of: string
}

export interface QueryPool {
  readonly ask: <A>(question: QueryKey, wait: BlockingQuery.Request, query: Query<A>) => Asked<A>
}

interface PooledQuery extends QueryKey {
  readonly index: number
  /** When it was sent (ms of `Monotonic.now`). */
  readonly at: number
  readonly fiber: Fiber.Fiber<unknown, ConsulError>
  /** How many wait for it. */
  waiters: number
}

/**
 * There are never more than `most` of them at once: one more waits for the end of another. With a `room`, they share it with
 * those of other pools.
 */
export const make = (most: number, room?: QueryRoom): Effect.Effect<QueryPool, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const permits = yield* Effect.makeSemaphore(most)
    const all = new Set<PooledQuery>()

    /** A fiber that asks the same while the query ends must not join it. */
    const abandon = (one: PooledQuery) => {
      all.delete(one)
      return Fiber.interruptFork(one.fiber)
    }

    const answer = <A>({ fiber }: PooledQuery): Asked<A> =>
      Fiber.join(fiber as Fiber.Fiber<BlockingQuery.Raw<A>, ConsulError>)

    const leave = (one: PooledQuery) =>
      Effect.suspend(() => {
        one.waiters -= 1
        return one.waiters > 0 || room === undefined ? Effect.void : room.look
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

    const park = <A>(
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

    /** An answer that is on its way gets the time to arrive. */
    const giveUp = (one: PooledQuery) =>
      Effect.suspend(() => (one.waiters > 0 ? Effect.void : abandon(one))).pipe(
        Effect.delay(Schedules.shardTimeout),
        Effect.forkIn(scope)
      )

    return {
      ask: <A>(question: QueryKey, wait: BlockingQuery.Request, query: Query<A>): Asked<A> =>
        Effect.suspend(() => {
          const { index } = wait
          const related = [...all].filter(({ of }) => of === question.of)
          const known = related.find((one) => one.kind === question.kind && one.index === index)
          if (known !== undefined) {
            wait.sent?.(known.at)
            return join<A>(known)
          }
          const overdue = related.filter((one) => one.index < index)
          return Effect.zipRight(
            Effect.forEach(overdue, giveUp, { discard: true }),
            park(question, wait, query)
          )
        })
    }
  })
