/**
 * Passes events on: to a consumer of this program's own, at once, and to the subscribers of a stream. A subscriber that is
 * slow loses the oldest events that it has not taken yet, and holds up nothing.
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ReplicationEvent } from "../../ReplicationEvent.js"
import type { Consumer } from "./EventSink.js"

export interface EventHub extends Consumer {
  /**
   * Subscribes until the scope closes. The stream has all events since then, and ends after the last event of the hub.
   */
  readonly subscribe: Effect.Effect<Stream.Stream<ReplicationEvent>, never, Scope.Scope>
}

/** How many events wait for a subscriber: some seconds of a busy replication. */
export const capacity = 4_096

interface Numbered {
  /** How many events the hub has passed on before. */
  readonly number: number
  /** None after the last one. */
  readonly event: ReplicationEvent | undefined
}

/** The events of some elements, with what was lost between them. `next` is the number that is expected. */
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

/** Ends with the scope. */
export const make = (
  consumer: Consumer,
  options: { readonly capacity?: number | undefined } = {}
): Effect.Effect<EventHub, never, Scope.Scope> =>
  Effect.gen(function* () {
    const pubsub = yield* PubSub.sliding<Numbered>(options.capacity ?? capacity)
    let number = 0
    let subscribers = 0
    let isOver = false

    const publish = (event: ReplicationEvent | undefined) =>
      Effect.suspend(() => {
        const one = { number, event }
        number += 1
        return subscribers === 0 ? Effect.void : PubSub.publish(pubsub, one)
      })

    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        isOver = true
        return publish(undefined)
      })
    )

    const subscribe = Effect.gen(function* () {
      if (isOver) return Stream.empty
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          subscribers += 1
        }),
        () =>
          Effect.sync(() => {
            subscribers -= 1
          })
      )
      const queue = yield* PubSub.subscribe(pubsub)
      return Stream.fromQueue(queue).pipe(
        Stream.takeUntil(({ event }) => event === undefined),
        Stream.mapAccum(number, numbered),
        Stream.mapChunks(Chunk.flatMap(Chunk.fromIterable))
      )
    })

    return {
      subscribe,
      consume: (event) => Effect.zipRight(consumer.consume(event), publish(event)),
      wantsRequests: (fiber) => subscribers > 0 || consumer.wantsRequests(fiber)
    }
  })
