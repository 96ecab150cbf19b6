/**
 * Traffic: the bytes and the requests of a program, for each change and at rest.
 */
import * as Effect from "effect/Effect"
import { less } from "./Figure.js"
import * as Latency from "./Latency.js"
import * as Meter from "./Meter.js"
import { now } from "./Store.js"
import { type Measurement, runInSync } from "./Trial.js"

export const measure: Measurement = (trial) =>
  Effect.gen(function* () {
    const { destination, plan } = trial
    // Counts scatter less than times: fewer changes are enough.
    const changes = Math.ceil(plan.changes / 4)
    const meter = yield* Meter.make(destination.address)
    return yield* runInSync(trial, { address: meter.address }, () =>
      Effect.gen(function* () {
        yield* Effect.sleep("1 second")
        const rest = yield* counted(meter, Effect.sleep(plan.idleSeconds * 1000))
        const changing = yield* counted(
          meter,
          // The traffic that follows the last change is counted too.
          Effect.zipLeft(Latency.changes({ ...trial, plan: { ...plan, changes } }), Effect.sleep("1 second"))
        )
        const minutes = rest.seconds / 60
        return [
          less("read for each change", changing.bytes / changes / 1000, "kB"),
          less("requests for each change", changing.requests / changes, ""),
          less("read in a minute at rest", rest.bytes / minutes / 1000, "kB"),
          less("requests in a minute at rest", rest.requests / minutes, "")
        ]
      })
    )
  }).pipe(Effect.scoped)

/** The traffic through the meter during an effect. */
export const counted = <A, E, R>({ counts }: Meter.Meter, work: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const start = yield* now
    const before = yield* counts
    yield* work
    const after = yield* counts
    return {
      bytes: after.bytes - before.bytes,
      requests: after.requests - before.requests,
      seconds: ((yield* now) - start) / 1000
    }
  })
