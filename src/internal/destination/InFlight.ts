/**
 * Transactions in flight. A failure is reported by the next call.
 *
 * The first failure fails all later calls. Transactions in flight end with the scope, not with the call that sent them. A
 * transaction that is interrupted is a failure too.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Batch } from "./TransactionBatches.js"

export interface InFlight<E> {
  /** Sends batches as soon as there is room for them. Returns before they have landed. */
  readonly send: (
    batches: ReadonlyArray<Batch>,
    land: (batch: Batch) => Effect.Effect<unknown, E>
  ) => Effect.Effect<void, E>
  /** Waits until all transactions have landed; fails as soon as one of them fails. */
  readonly awaitAll: Effect.Effect<void, E>
  /** Whether a transaction in flight writes one of these keys. */
  readonly touchesAny: (keys: ReadonlyArray<string>) => boolean
}

export const make = Effect.fnUntraced(function* <E>(
  atOnce: number
): Effect.fn.Return<InFlight<E>, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const permits = yield* Effect.makeSemaphore(atOnce)
  const failed = yield* Deferred.make<never, E>()
  const batches = new Set<Batch>()

  const unlessFailed = Effect.flatMap(Deferred.isDone(failed), (isDone) =>
    isDone ? Deferred.await(failed) : Effect.void
  )

  const sendOne = (batch: Batch, land: (batch: Batch) => Effect.Effect<unknown, E>) => {
    const end = Effect.suspend(() => {
      batches.delete(batch)
      return permits.release(1)
    })
    return Effect.uninterruptibleMask((restore) =>
      Effect.zipRight(
        restore(permits.take(1)),
        Effect.matchCauseEffect(unlessFailed, {
          onFailure: (cause) => Effect.zipRight(permits.release(1), Effect.failCause(cause)),
          onSuccess: () => {
            batches.add(batch)
            // Nothing but the landing can be interrupted, so that its end is always noted.
            return restore(land(batch)).pipe(
              Effect.matchCauseEffect({
                onFailure: (cause) => Effect.zipRight(Deferred.failCause(failed, cause), end),
                onSuccess: () => end
              }),
              Effect.forkIn(scope)
            )
          }
        })
      )
    )
  }

  return {
    send: (all, land) => Effect.forEach(all, (batch) => sendOne(batch, land), { discard: true }),
    awaitAll: Effect.raceFirst(
      Effect.zipRight(permits.take(atOnce), permits.release(atOnce)),
      Deferred.await(failed)
    ).pipe(Effect.zipRight(unlessFailed)),
    touchesAny: (keys) => {
      if (batches.size === 0) return false
      const busy = new Set<string>()
      for (const batch of batches) for (const { key } of batch) busy.add(key)
      return keys.some((key) => busy.has(key))
    }
  }
})
