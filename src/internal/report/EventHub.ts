/**
 * Passes events on: to one consumer at once, and to the subscribers of a stream. A slow subscriber delays nothing, and loses the
 * oldest events that it has not read.
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ReplicationEvent } from "../event/ReplicationEvent.js"
import type { Consumer } from "./EventSink.js"

export interface EventHub extends Consumer {
  /**
   * Subscribes until the scope closes. The stream has all events from then on, and ends after the last event of the hub.
   */
  readonly subscribe: Effect.Effect<Stream.Stream<ReplicationEvent>, never, Scope.Scope>
}

/** The most events that wait for a subscriber: some seconds of a busy replication. */
export const capacity = 4_096

interface Numbered {
  /** How many events the hub has passed on before this one. */
  readonly number: number
  /** Undefined for the end of the stream. */
  readonly event: ReplicationEvent | undefined
}

/** The event of an element, behind an `EventsLost` if elements are missing before it. `next` is the expected number. */
const numbered = (
  next: number,
  { event, number }: Numbered
): readonly [number, ReadonlyArray<ReplicationEvent>] => {
  if (event === undefined) return [number + 1, []]
  const lost = number - next
  const events: ReadonlyArray<ReplicationEvent> =
    lost > 0 ? [{ _tag: "EventsLost", at: event.at, count: lost }, event] : [event]
  return [number + 1, events]
}

/** The state of a hub. */
interface State {
  readonly pubsub: PubSub.PubSub<Numbered>
  /** The number of the next element. */
  number: number
  /** How many streams there are. */
  subscribers: number
  /** Whether the scope has closed. */
  isOver: boolean
}

/** Publishes an event, or the end. */
const publish = (state: State, event: ReplicationEvent | undefined): Effect.Effect<unknown> =>
  Effect.suspend(() => {
    const { number, pubsub, subscribers } = state
    state.number += 1
    return subscribers === 0 ? Effect.void : PubSub.publish(pubsub, { number, event })
  })

const close = (state: State): Effect.Effect<unknown> =>
  Effect.suspend(() => {
    state.isOver = true
    return publish(state, undefined)
  })

/** Counts a stream until the scope closes. */
const addSubscriber = (state: State): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      state.subscribers += 1
    }),
    () =>
      Effect.sync(() => {
        state.subscribers -= 1
      })
  )

const subscribe = (state: State): Effect.Effect<Stream.Stream<ReplicationEvent>, never, Scope.Scope> =>
  Effect.gen(function* () {
    if (state.isOver) return Stream.empty
    yield* addSubscriber(state)
    const queue = yield* PubSub.subscribe(state.pubsub)
    return Stream.fromQueue(queue).pipe(
      Stream.takeUntil(({ event }) => event === undefined),
      Stream.mapAccum(state.number, numbered),
      Stream.mapChunks(Chunk.flatMap(Chunk.fromIterable))
    )
  })

/** Makes a hub whose streams end with the scope. */
export const make = (
  consumer: Consumer,
  options: { readonly capacity?: number | undefined } = {}
): Effect.Effect<EventHub, never, Scope.Scope> =>
  Effect.gen(function* () {
    const state: State = {
      pubsub: yield* PubSub.sliding<Numbered>(options.capacity ?? capacity),
      number: 0,
      subscribers: 0,
      isOver: false
    }
    yield* Effect.addFinalizer(() => close(state))
    return {
      subscribe: subscribe(state),
      consume: (event) => Effect.zipRight(consumer.consume(event), publish(state, event)),
      wantsRequests: (fiber) => state.subscribers > 0 || consumer.wantsRequests(fiber)
    }
  })
