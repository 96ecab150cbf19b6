/**
 * How long a source has been silent. A watch asks it about several topics, and each counts for itself: the source is as silent
 * as it is about the topic that it answered about least recently.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Monotonic from "../effect/Monotonic.js"

/** A topic of requests: a shard, the ranges that no query watches, the names of all keys, or the whole prefix. */
export interface Topic {
  /**
   * Runs a request about the topic, with all of its retries. Its success is an answer of the source. While it runs, no answer
   * about another topic counts for this one.
   */
  readonly asking: <A, E, R>(request: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** When the source last answered about the topic (ms of `Monotonic.now`). */
  readonly lastHeard: Effect.Effect<number>
}

export interface Liveness {
  /** When the source last answered about the topic that it answered about least recently (ms of `Monotonic.now`). */
  readonly lastHeard: Effect.Effect<number>
  /** How long ago `lastHeard` was. */
  readonly silence: Effect.Effect<Duration.Duration>
  /**
   * Adds a topic until the scope closes. The source counts as silent about it since `since` (ms of `Monotonic.now`): since
   * `lastHeard` unless given, because a new topic replaces older ones.
   */
  readonly topic: (since?: number) => Effect.Effect<Topic, never, Scope.Scope>
  /** The source has answered about every topic. */
  readonly hearAll: Effect.Effect<void>
  /**
   * The source has answered a request about no topic. The answer counts for topics without a request in flight: there the
   * consumer still processes earlier events, and the source is not silent. It does not count for a topic with one in flight.
   */
  readonly hearIdle: Effect.Effect<void>
}

interface Heard {
  /** When the source last answered (ms of `Monotonic.now`). */
  at: number
  /** Number of requests in flight. */
  asking: number
}

/** The source counts as heard when this is made. */
export const make: Effect.Effect<Liveness> = Effect.map(Monotonic.now, (now) => {
  const topics = new Set<Heard>()
  /** `lastHeard` while there is no topic: that of the last topics. */
  let last = now
  const oldest = (): number => {
    let oldest = Number.POSITIVE_INFINITY
    for (const { at } of topics) oldest = Math.min(oldest, at)
    return topics.size === 0 ? last : oldest
  }
  const lastHeard = Effect.sync(oldest)
  const hear = (which: (topic: Heard) => boolean) =>
    Effect.map(Monotonic.now, (now) => {
      if (topics.size === 0) last = now
      for (const topic of topics) if (which(topic)) topic.at = now
    })
  const handle = (topic: Heard): Topic => ({
    lastHeard: Effect.sync(() => topic.at),
    asking: (request) =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          topic.asking += 1
        }),
        () =>
          Effect.zipLeft(
            request,
            Effect.map(Monotonic.now, (now) => {
              topic.at = now
            })
          ),
        () =>
          Effect.sync(() => {
            topic.asking -= 1
          })
      )
  })
  return {
    lastHeard,
    silence: Effect.zipWith(Monotonic.now, lastHeard, (now, at) => Duration.millis(Math.max(0, now - at))),
    topic: (since) =>
      Effect.map(
        Effect.acquireRelease(
          Effect.sync(() => {
            const topic: Heard = { at: since ?? oldest(), asking: 0 }
            topics.add(topic)
            return topic
          }),
          (topic) =>
            Effect.sync(() => {
              last = oldest()
              topics.delete(topic)
            })
        ),
        handle
      ),
    hearAll: hear(() => true),
    hearIdle: hear(({ asking }) => asking === 0)
  }
})
