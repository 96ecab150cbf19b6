/**
 * The changes that the demo's replicators copy: where each arrived, and how long after it was made.
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { SimConsul } from "../../../testing/SimConsul.js"

/** One key that a replicator wrote or deleted. */
export interface Arrival {
  readonly from: string
  readonly to: string
  readonly key: string
  readonly deleted: boolean
  /** The time since the change at the source in ms; undefined if the source has not changed the key. */
  readonly latency: number | undefined
}

/** Observes the commits inside the simulated servers. */
export const arrivals = (
  sim: SimConsul,
  { prefix, source }: { readonly source: string; readonly prefix: string }
): Stream.Stream<Arrival> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      const clock = yield* Effect.clock
      const queue = yield* Queue.unbounded<Arrival>()
      const changedAt = new Map<string, number>()
      yield* sim.observe(({ changes, datacenter }) => {
        const now = Number(clock.unsafeCurrentTimeNanos()) / 1e6
        for (const { after, key } of changes.filter((change) => change.key.startsWith(prefix))) {
          const made = changedAt.get(key)
          if (datacenter === source) changedAt.set(key, now)
          else {
            queue.unsafeOffer({
              from: source,
              to: datacenter,
              key,
              deleted: after === undefined,
              latency: made === undefined ? undefined : now - made
            })
          }
        }
      })
      return Stream.fromQueue(queue)
    })
  )
