/**
 * Reconcile: the cost of the scans for changes of others at the destination, without such changes. Only this release has the
 * option.
 */
import * as Effect from "effect/Effect"
import { less } from "./Figure.js"
import * as Meter from "./Meter.js"
import { counted } from "./Traffic.js"
import { type Measurement, runInSync, type Trial } from "./Trial.js"

const intervalSeconds = 2

export const measure: Measurement = (trial) =>
  Effect.gen(function* () {
    if (!trial.program.own) return []
    const without = yield* rest(trial, "-reconcile=0")
    const looking = yield* rest(trial, `-reconcile=${intervalSeconds}s`)
    const looks = trial.plan.reconcileSeconds / intervalSeconds
    return [
      less("CPU with -reconcile=0", without.cpu, "%"),
      less(`CPU with -reconcile=${intervalSeconds}s`, looking.cpu, "%"),
      less("CPU for each look", ((looking.cpuSeconds - without.cpuSeconds) / looks) * 1000, "ms"),
      less("read for each look", (looking.bytes - without.bytes) / looks / 1000, "kB")
    ]
  })

/** A time without changes. */
const rest = (trial: Trial, option: string) =>
  Effect.gen(function* () {
    const meter = yield* Meter.make(trial.destination.address)
    return yield* runInSync(trial, { address: meter.address, options: [option] }, ({ usage }) =>
      Effect.gen(function* () {
        yield* Effect.sleep("1 second")
        const before = yield* usage
        const counts = yield* counted(meter, Effect.sleep(trial.plan.reconcileSeconds * 1000))
        const cpuSeconds = (yield* usage).cpuSeconds - before.cpuSeconds
        return { ...counts, cpuSeconds, cpu: (cpuSeconds / counts.seconds) * 100 }
      })
    )
  }).pipe(Effect.scoped)
