/**
 * A queue whose producers wait until the consumer has processed their item. So a producer reads what changes meanwhile once, when
 * its turn comes.
 */
import * as Arr from "effect/Array"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"

export interface Handoff<A> {
  /** Waits until the consumer asks for what comes after it. Interrupted, it has been offered all the same. */
  readonly offer: (item: A) => Effect.Effect<void>
  /** What waits, in the order in which it was offered, whenever the consumer is ready for it. */
  readonly stream: Stream.Stream<Arr.NonEmptyReadonlyArray<A>>
}

interface Offered<A> {
  readonly item: A
  readonly processed: Deferred.Deferred<void>
}

/**
 * A batch weighs at most `most`, but holds at least one item. The rest stays queued. Producers of a batch are released when the
 * consumer asks for the next one.
 */
export const make = <A>(options: {
  readonly weigh: (item: A) => number
  readonly most: number
}): Effect.Effect<Handoff<A>> =>
  Effect.map(Queue.unbounded<Offered<A>>(), (queue) => {
    let waiting: ReadonlyArray<Offered<A>> = []
    let taken: ReadonlyArray<Offered<A>> = []
    const take = Effect.gen(function* () {
      for (const { processed } of taken) Deferred.unsafeDone(processed, Exit.void)
      taken = []
      const first = waiting[0] ?? (yield* Queue.take(queue))
      const others = [...waiting.slice(1), ...(yield* Queue.takeAll(queue))]
      let weight = options.weigh(first.item)
      const beyond = others.findIndex(({ item }) => {
        weight += options.weigh(item)
        return weight > options.most
      })
      const count = beyond === -1 ? others.length : beyond
      const items: Arr.NonEmptyArray<Offered<A>> = [first, ...others.slice(0, count)]
      taken = items
      waiting = others.slice(count)
      return Arr.map(items, ({ item }) => item)
    })
    return {
      offer: (item) =>
        Effect.gen(function* () {
          const processed = yield* Deferred.make<void>()
          yield* Queue.offer(queue, { item, processed })
          yield* Deferred.await(processed)
        }),
      stream: Stream.repeatEffect(take)
    }
  })
