/**
 * At rest: what a program needs after a first sync while nothing changes.
 */
import * as Effect from "effect/Effect"
import { less } from "./Figure.js"
import { type Measurement, runInSync } from "./Trial.js"

export const measure: Measurement = (trial) =>
  Effect.gen(function* () {
    const { destination, keyspace, plan } = trial
    yield* destination.clear(keyspace.prefix)
    return yield* runInSync(trial, {}, (subject) =>
      Effect.gen(function* () {
        // What follows at once from the first sync is not rest.
        yield* Effect.sleep("1 second")
        const before = yield* subject.usage
        yield* Effect.sleep(plan.idleSeconds * 1000)
        const after = yield* subject.usage
        return [
          less(
            `CPU over ${plan.idleSeconds} s`,
            ((after.cpuSeconds - before.cpuSeconds) / plan.idleSeconds) * 100,
            "%"
          ),
          less("memory, peak since the start", after.peakMegabytes, "MB"),
          less("memory, settled", after.residentMegabytes, "MB")
        ]
      })
    )
  })
