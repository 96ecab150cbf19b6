/**
 * Blocking queries that are never given up, but left to end by themselves.
 *
 * Consul (1.8.7) does not notice that nobody waits for a blocking query any more: it holds the connection until the query
 * would have ended, and refuses an address that has 200 of them. So whoever stops waiting leaves the query where it is,
 * whoever asks the same again waits for that one, and what is left behind counts as one of those that there may be.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { ConsulError } from "../../ConsulError.js"
import type { Answer } from "../../ConsulHttp.js"

type Query<A> = Effect.Effect<Answer<A>, ConsulError>

/** All queries with one `id` answer with the same kind of value. */
export interface Parked {
  readonly ask: <A>(id: string, index: number, query: Query<A>) => Query<A>
}

interface Waiting {
  readonly index: number
  readonly fiber: Fiber.Fiber<unknown, ConsulError>
}

/** There are never more than `most` of them at once; whoever asks for one more waits for the end of another. */
export const make = (most: number): Effect.Effect<Parked, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const permits = yield* Effect.makeSemaphore(most)
    const waiting = new Map<string, Waiting>()

    const park = <A>(id: string, index: number, query: Query<A>) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          yield* restore(permits.take(1))
          const end = Effect.sync(() => {
            if (waiting.get(id)?.index === index) waiting.delete(id)
          })
          const fiber = yield* restore(query).pipe(
            Effect.ensuring(Effect.zipRight(end, permits.release(1))),
            Effect.interruptible,
            Effect.forkIn(scope)
          )
          waiting.set(id, { index, fiber })
          return yield* restore(Fiber.join(fiber))
        })
      )

    return {
      ask: <A>(id: string, index: number, query: Query<A>): Query<A> =>
        Effect.suspend(() => {
          const known = waiting.get(id)
          return known?.index === index
            ? Fiber.join(known.fiber as Fiber.Fiber<Answer<A>, ConsulError>)
            : park(id, index, query)
        })
    }
  })
