/**
 * At rest: the CPU, memory and connections of a program without changes, some time after a first sync.
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
        // The program is not at rest just after the first sync: garbage is left, and the first queries are short.
        yield* Effect.sleep(plan.restSeconds * 1000)
        const before = yield* subject.usage
        yield* Effect.sleep(plan.idleSeconds * 1000)
        const after = yield* subject.usage
        return [
          less(
            `CPU over ${plan.idleSeconds} s, ${plan.restSeconds} s after a first sync`,
            ((after.cpuSeconds - before.cpuSeconds) / plan.idleSeconds) * 100,
            "%"
          ),
          less("memory, peak since the start", after.peakMegabytes, "MB"),
          less("memory, settled", after.residentMegabytes, "MB")
        ]
      })
    )
  })
