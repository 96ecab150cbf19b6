/**
 * What the demo's datacenters copy from each other: which change arrived where, and how long after it was made.
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { SimConsul } from "../../../testing/SimConsul.js"

/** One key that a replicator wrote or deleted; `latency` is in ms and undefined when the source was first. */
export interface Arrival {
  readonly from: string
  readonly to: string
  readonly key: string
  readonly deleted: boolean
  readonly latency: number | undefined
}

/** Watches the commits themselves, inside of the servers. */
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
