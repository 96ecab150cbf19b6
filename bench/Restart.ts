/**
 * Restart: the time from the start of a program, with both sides in sync, until it follows changes.
 */
import * as Effect from "effect/Effect"
import { less } from "./Figure.js"
import { key } from "./Keyspace.js"
import { now } from "./Store.js"
import { complete, follow, freshLock, type Measurement, run } from "./Trial.js"

export const measure: Measurement = (trial) =>
  Effect.gen(function* () {
    const { keyspace } = trial
    const lock = yield* freshLock
    const probe = (n: number) => follow(trial, key(keyspace, keyspace.size >> n), `restart ${n}`)
    const stopped = yield* run(trial, { lock }, ({ stop }) =>
      complete(trial).pipe(Effect.zipRight(probe(1)), Effect.zipRight(stop))
    )
    return yield* run(trial, { lock }, (subject) =>
      Effect.gen(function* () {
        yield* probe(2)
        const followed = yield* now
        const { cpuSeconds, peakMegabytes } = yield* subject.usage
        return [
          less("stopped by SIGTERM in", stopped, "ms"),
          less("from the start until a change has followed", followed - subject.startedAt, "ms"),
          less("CPU for it", cpuSeconds, "s"),
          less("memory, peak", peakMegabytes, "MB")
        ]
      })
    )
  })
