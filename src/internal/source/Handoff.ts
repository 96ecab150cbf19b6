/**
 * A queue whose producers wait until the consumer has processed their items. A producer reads the source only after that, so
 * that several changes in the meantime are read as one.
 */
import * as Arr from "effect/Array"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"

export interface Handoff<A> {
  /**
   * Offers items that stay together in one batch. Waits until the consumer asks for the next batch after it. Even if this is
   * interrupted, the consumer gets the items.
   */
  readonly offer: (...items: Arr.NonEmptyReadonlyArray<A>) => Effect.Effect<void>
  /** Batches of the items that wait, in the order of the offers. A batch is made when the consumer asks for it. */
  readonly stream: Stream.Stream<Arr.NonEmptyReadonlyArray<A>>
}

interface Offer<A> {
  readonly items: Arr.NonEmptyReadonlyArray<A>
  /** Done when the consumer has processed the items. */
  readonly processed: Deferred.Deferred<void>
}

/**
 * A batch weighs at most `most`, but holds at least one offer. The rest stays queued. Producers of a batch are released when
 * the consumer asks for the next one.
 */
export const make = <A>(options: {
  /** The weight of an item, in the unit of `most`. */
  readonly weigh: (item: A) => number
  readonly most: number
}): Effect.Effect<Handoff<A>> =>
  Effect.map(Queue.unbounded<Offer<A>>(), (queue) => {
    const weightOf = ({ items }: Offer<A>) => items.reduce((sum, item) => sum + options.weigh(item), 0)
    let waiting: ReadonlyArray<Offer<A>> = []
    let inProcess: ReadonlyArray<Offer<A>> = []
    const nextBatch = Effect.gen(function* () {
      for (const { processed } of inProcess) Deferred.unsafeDone(processed, Exit.void)
      inProcess = []
      const first = waiting[0] ?? (yield* Queue.take(queue))
      const others = [...waiting.slice(1), ...(yield* Queue.takeAll(queue))]
      let weight = weightOf(first)
      const beyond = others.findIndex((offer) => {
        weight += weightOf(offer)
        return weight > options.most
      })
      const count = beyond === -1 ? others.length : beyond
      const batch: Arr.NonEmptyReadonlyArray<Offer<A>> = [first, ...others.slice(0, count)]
      inProcess = batch
      waiting = others.slice(count)
      return Arr.flatMap(batch, ({ items }) => items)
    })
    return {
      offer: (...items) =>
        Effect.gen(function* () {
          const processed = yield* Deferred.make<void>()
          yield* Queue.offer(queue, { items, processed })
          yield* Deferred.await(processed)
        }),
      stream: Stream.repeatEffect(nextBatch)
    }
  })
