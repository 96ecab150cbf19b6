/**
 * First sync: the time until an empty destination has all keys of the source.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { less, median, more } from "./Figure.js"
import { largest } from "./Plan.js"
import { now, type Request, twentieth } from "./Store.js"
import { complete, freshLock, type Measurement, run, type Trial, verify } from "./Trial.js"

export const measure: Measurement = (trial) =>
  Effect.gen(function* () {
    const { keyspace, plan, rawRate } = trial
    const before = yield* now
    const syncs = [yield* sync(trial)]
    while (syncs.length < plan.repetitions && (yield* now) - before < 60_000) syncs.push(yield* sync(trial))

    const sinceStart = median(syncs.map(({ completeAt, startedAt }) => completeAt - startedAt))
    const sinceLock = median(
      syncs.map(({ completeAt, lockedAt, startedAt }) => completeAt - (lockedAt ?? startedAt))
    )
    const rate = (keyspace.size / sinceLock) * 1000
    return [
      less("from the lock", sinceLock / 1000, "s"),
      less("from the start of the process", sinceStart / 1000, "s"),
      more("rate, from the lock", rate, "keys/s"),
      more("share of the raw rate in flight", rawRate === undefined ? null : (rate / rawRate) * 100, "%"),
      less("memory, peak", median(syncs.map(({ peak }) => peak)), "MB")
    ]
  })

/** Measures one sync. `lockedAt` is absent for a program that acquires no lock. */
const sync = (trial: Trial) =>
  Effect.gen(function* () {
    const { destination, keyspace } = trial
    yield* destination.clear(keyspace.prefix)
    const lock = yield* freshLock
    return yield* run(trial, { lock }, (subject) =>
      Effect.gen(function* () {
        let lockedAt: number | undefined
        const locking = yield* Effect.fork(
          Effect.tap(locked(trial, lock, subject.startedAt), (at) =>
            Effect.sync(() => {
              lockedAt = at
            })
          )
        )
        const completeAt = yield* complete(trial, () => lockedAt)
        yield* Fiber.interrupt(locking)
        const { peakMegabytes } = yield* subject.usage
        // This check is not timed. The text of both sides of a larger keyspace would not fit this process.
        if (keyspace.size <= largest) yield* verify(trial)
        return { startedAt: subject.startedAt, lockedAt, completeAt, peak: peakMegabytes }
      })
    )
  })

const locked = ({ destination }: Trial, lock: string, startedAt: number): Request<number> =>
  destination.until(lock, ({ locked }) => locked, { pause: (at) => Math.min(2, twentieth(at - startedAt)) })
