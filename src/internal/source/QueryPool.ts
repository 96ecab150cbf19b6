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
import type { QueryRoom } from "./QueryRoom.js"

/**
 * The time in which a shard must emit a change that a verification has shown. Then its query is given up and its keys are read
 * again.
 */
export const shardTimeout = Duration.seconds(2)

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

/** The state of a pool. */
interface State {
  /** Queries run until this scope closes. */
  readonly scope: Scope.Scope
  /** One permit for each query that the pool may have. */
  readonly permits: Effect.Semaphore
  /** The queries that a fiber may join. */
  readonly queries: Set<PooledQuery>
  /** The room that the pool shares with others; undefined if the pool has no other limit than its permits. */
  readonly room: QueryRoom | undefined
}

/** Removes the query first: a fiber that asks the same while it ends must not join it. */
const abandon = ({ queries }: State, one: PooledQuery): Effect.Effect<void> => {
  queries.delete(one)
  return Fiber.interruptFork(one.fiber)
}

/** Abandons a query after a while. Its answer may be on its way. */
const abandonLater = (state: State, one: PooledQuery) =>
  Effect.suspend(() => (one.waiters > 0 ? Effect.void : abandon(state, one))).pipe(
    Effect.delay(shardTimeout),
    Effect.forkIn(state.scope)
  )

/** Waits for the answer. Queries with the same key have values of the same type. */
const answer = <A>({ fiber }: PooledQuery): Asked<A> =>
  Fiber.join(fiber as Fiber.Fiber<BlockingQuery.Raw<A>, ConsulError>)

const leave = ({ room }: State, one: PooledQuery): Effect.Effect<void> =>
  Effect.suspend(() => {
    one.waiters -= 1
    return one.waiters > 0 || room === undefined ? Effect.void : room.adjust
  })

const join = <A>(state: State, one: PooledQuery): Asked<A> =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      one.waiters += 1
    }),
    () => answer<A>(one),
    () => leave(state, one)
  )

/** Runs a query when there is room for it. */
const inRoom = <A, E>(
  state: State,
  one: () => PooledQuery,
  query: Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  state.room === undefined
    ? query
    : state.room.within({ isIdle: () => one().waiters === 0, abandon: () => abandon(state, one()) }, query)

/** Sends a query when the pool has a permit for it. The query goes on if the fiber that waits for its answer is interrupted. */
const send = <A>(
  state: State,
  { kind, of }: QueryKey,
  { index, sent, wait }: BlockingQuery.Request,
  query: Query<A>
): Asked<A> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const { permits, queries, scope } = state
      yield* restore(permits.take(1))
      const at = yield* Monotonic.now
      sent?.(at)
      const fiber = yield* inRoom(state, () => one, Effect.timed(query)).pipe(
        Effect.map(([took, answer]) => ({
          ...answer,
          took,
          isOver: Duration.greaterThanOrEqualTo(took, wait)
        })),
        restore,
        Effect.ensuring(
          Effect.zipRight(
            Effect.sync(() => queries.delete(one)),
            permits.release(1)
          )
        ),
        Effect.interruptible,
        Effect.forkIn(scope)
      )
      const one: PooledQuery = { kind, of, index, at, fiber, waiters: 1 }
      queries.add(one)
      return yield* Effect.ensuring(restore(answer<A>(one)), leave(state, one))
    })
  )

const ask = <A>(state: State, key: QueryKey, wait: BlockingQuery.Request, query: Query<A>): Asked<A> =>
  Effect.suspend(() => {
    const { index } = wait
    const related = [...state.queries].filter(({ of }) => of === key.of)
    const same = related.find((one) => one.kind === key.kind && one.index === index)
    if (same !== undefined) {
      wait.sent?.(same.at)
      return join<A>(state, same)
    }
    const overdue = related.filter((one) => one.index < index)
    return Effect.zipRight(
      Effect.forEach(overdue, (one) => abandonLater(state, one), { discard: true }),
      send(state, key, wait, query)
    )
  })

/**
 * A pool of `most` queries at once. One more waits for the end of another. Pools with the same `room` share that too.
 */
export const make = (most: number, room?: QueryRoom): Effect.Effect<QueryPool, never, Scope.Scope> =>
  Effect.gen(function* () {
    const state: State = {
      scope: yield* Effect.scope,
      permits: yield* Effect.makeSemaphore(most),
      queries: new Set(),
      room
    }
    return { ask: (key, wait, query) => ask(state, key, wait, query) }
  })
