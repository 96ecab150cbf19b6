/**
 * How long a source has been silent. Each part of a watched prefix counts for itself: the source is as silent as the part
 * that it answered about least recently.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Monotonic from "../effect/Monotonic.js"

/**
 * One part of what is watched: a shard, the ranges that no query watches, the listing of names, or the whole prefix.
 */
export interface Part {
  /**
   * Runs a request about the part, with all of its retries. While it runs, nothing but its own answer counts for the part.
   * Its success is an answer of the source.
   */
  readonly asking: <A, E, R>(request: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** When the source last answered about the part (ms of `Monotonic.now`). */
  readonly lastHeard: Effect.Effect<number>
}

export interface Liveness {
  /** When the source last answered about the part that it answered about least recently (ms of `Monotonic.now`). */
  readonly lastHeard: Effect.Effect<number>
  /** How long ago that was. */
  readonly silence: Effect.Effect<Duration.Duration>
  /**
   * Adds a part until the scope closes. The source counts as silent about it since `since` (ms of `Monotonic.now`): since
   * `lastHeard` unless given, because a new part takes the place of older ones.
   */
  readonly part: (since?: number) => Effect.Effect<Part, never, Scope.Scope>
  /** The source has confirmed what is known of every part. */
  readonly hearAll: Effect.Effect<void>
  /**
   * The source answers. That counts for the parts without a request in flight: their silence is the consumer's, who has not
   * yet taken what they found. It does not count for a part that waits for an answer about itself.
   */
  readonly hearIdle: Effect.Effect<void>
}

interface Heard {
  /** ms of `Monotonic.now` */
  at: number
  /** Requests in flight. */
  asking: number
}

/** The source counts as heard when this is made. */
export const make: Effect.Effect<Liveness> = Effect.map(Monotonic.now, (now) => {
  const parts = new Set<Heard>()
  /** Of the parts that were there last, while there is none. */
  let last = now
  const oldest = (): number => {
    let oldest = Number.POSITIVE_INFINITY
    for (const { at } of parts) oldest = Math.min(oldest, at)
    return parts.size === 0 ? last : oldest
  }
  const lastHeard = Effect.sync(oldest)
  const hear = (which: (part: Heard) => boolean) =>
    Effect.map(Monotonic.now, (now) => {
      if (parts.size === 0) last = now
      for (const part of parts) if (which(part)) part.at = now
    })
  const handle = (part: Heard): Part => ({
    lastHeard: Effect.sync(() => part.at),
    asking: (request) =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          part.asking += 1
        }),
        () =>
          Effect.zipLeft(
            request,
            Effect.map(Monotonic.now, (now) => {
              part.at = now
            })
          ),
        () =>
          Effect.sync(() => {
            part.asking -= 1
          })
      )
  })
  return {
    lastHeard,
    silence: Effect.zipWith(Monotonic.now, lastHeard, (now, at) => Duration.millis(Math.max(0, now - at))),
    part: (since) =>
      Effect.map(
        Effect.acquireRelease(
          Effect.sync(() => {
            const part: Heard = { at: since ?? oldest(), asking: 0 }
            parts.add(part)
            return part
          }),
          (part) =>
            Effect.sync(() => {
              last = oldest()
              parts.delete(part)
            })
        ),
        handle
      ),
    hearAll: hear(() => true),
    hearIdle: hear(({ asking }) => asking === 0)
  }
})
