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

/** A topic whose scope is open. */
interface Heard {
  /** When the source last answered (ms of `Monotonic.now`). */
  at: number
  /** Number of requests in flight. */
  asking: number
}

/** The state of the liveness of one source. */
interface State {
  /** The topics whose scopes are open. */
  readonly topics: Set<Heard>
  /** `lastHeard` while there is no topic: that of the last topics (ms of `Monotonic.now`). */
  last: number
}

const lastHeard = ({ last, topics }: State): number => {
  if (topics.size === 0) return last
  let oldest = Number.POSITIVE_INFINITY
  for (const { at } of topics) oldest = Math.min(oldest, at)
  return oldest
}

/** The source has answered about the topics for which `which` returns true. */
const hear = (state: State, which: (topic: Heard) => boolean): Effect.Effect<void> =>
  Effect.map(Monotonic.now, (now) => {
    const { topics } = state
    if (topics.size === 0) state.last = now
    for (const topic of topics) if (which(topic)) topic.at = now
  })

const topicOf = (topic: Heard): Topic => ({
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

const addTopic = (state: State, since?: number): Effect.Effect<Topic, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const topic: Heard = { at: since ?? lastHeard(state), asking: 0 }
        state.topics.add(topic)
        return topic
      }),
      (topic) =>
        Effect.sync(() => {
          state.last = lastHeard(state)
          state.topics.delete(topic)
        })
    ),
    topicOf
  )

/** The source counts as heard when this is made. */
export const make: Effect.Effect<Liveness> = Effect.map(Monotonic.now, (now) => {
  const state: State = { topics: new Set(), last: now }
  return {
    lastHeard: Effect.sync(() => lastHeard(state)),
    silence: Effect.map(Monotonic.now, (now) => Duration.millis(Math.max(0, now - lastHeard(state)))),
    topic: (since) => addTopic(state, since),
    hearAll: hear(state, () => true),
    hearIdle: hear(state, ({ asking }) => asking === 0)
  }
})
