/**
 * Sustained writes: the rate of writes at the source that the destination follows with a lag under a second.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Dice from "../test/simulation/Dice.js"
import { less, type Measured, more, neither } from "./Figure.js"
import { key, last, valueOf } from "./Keyspace.js"
import { type Entry, now, type Request } from "./Store.js"
import { type Measurement, runInSync, type Trial } from "./Trial.js"

/** Milliseconds. */
const lagLimit = 1000
const markerInterval = 100
/** The longest wait for the last marker. */
const patience = "15 seconds"
const connections = 16

export const measure: Measurement = (trial) =>
  runInSync(trial, {}, () =>
    Effect.gen(function* () {
      const steps: Array<Measured> = []
      let followed = 0
      let most = 0
      let failed = 0
      for (const rate of trial.plan.rates) {
        const { accepted, worstLag } = yield* step(trial, rate)
        steps.push(less(`worst lag at ${rate} writes/s`, worstLag, "ms"))
        most = Math.max(most, accepted)
        if (worstLag < lagLimit) followed = Math.max(followed, accepted)
        else failed += 1
        const sourceIsSlower = accepted < rate * 0.9
        // A single failure can have another cause than the program.
        if (failed === 2 || !Number.isFinite(worstLag) || sourceIsSlower) break
      }
      return [
        more("followed with a lag under 1 s", followed, "writes/s"),
        neither("taken by the source at most", most, "writes/s"),
        ...steps
      ]
    })
  ).pipe(Effect.scoped)

/** The rate of the writes at the source, and the worst lag of the markers among them, in ms. */
const step = (trial: Trial, rate: number) =>
  Effect.gen(function* () {
    const { destination, plan, source } = trial
    const marker = last(trial.keyspace)
    const markerValue = (number: number) => valueOf(`marker ${rate} ${number}`)
    const numberIn = ({ value }: Entry) =>
      Number(new RegExp(`^marker ${rate} (\\d+) `).exec(value ?? "")?.[1] ?? -1)
    const written: Array<number> = []
    const seen: Array<Seen> = []
    const seenUpTo = () => seen.at(-1)?.number ?? -1

    const mark = Effect.gen(function* () {
      yield* source.put(marker, markerValue(written.length))
      written.push(yield* now)
    })
    const watch = Effect.gen(function* () {
      let entry = yield* destination.get(marker)
      for (;;) {
        const at = yield* destination.until(
          marker,
          (next) => {
            entry = next
            return numberIn(entry) > seenUpTo()
          },
          { after: entry.index }
        )
        seen.push({ number: numberIn(entry), at })
      }
    })

    const watching = yield* Effect.fork(watch)
    let writing = true
    const marking = yield* Effect.fork(
      mark.pipe(Effect.delay(markerInterval), Effect.repeat({ while: () => writing }))
    )
    const { count, elapsed } = yield* write(trial, rate, plan.rateSeconds * 1000)
    writing = false
    yield* Fiber.join(marking)
    // The last marker is written after all other writes: a destination that has it has all writes.
    yield* mark
    yield* Effect.sync(() => seenUpTo() === written.length - 1).pipe(
      Effect.delay(10),
      Effect.repeat({ until: (all) => all }),
      Effect.timeoutOption(patience)
    )
    yield* Fiber.interrupt(watching)
    return { accepted: (count / elapsed) * 1000, worstLag: Math.max(...lags(written, seen)) }
  })

interface Seen {
  readonly number: number
  readonly at: number
}

/** For each marker, the time until the destination had it or a later one. Infinite if the destination never had it. */
export const lags = (written: ReadonlyArray<number>, seen: ReadonlyArray<Seen>): ReadonlyArray<number> =>
  written.map((at, number) => {
    const first = seen.find((one) => one.number >= number)
    return first === undefined ? Number.POSITIVE_INFINITY : Math.max(0, first.at - at)
  })

/** Writes random keys, each at its time, or as soon as a connection is free after that. Stops when the time is over. */
const write = (trial: Trial, rate: number, duration: number): Request<{ count: number; elapsed: number }> =>
  Effect.gen(function* () {
    const { keyspace, source } = trial
    const dice = Dice.make(rate, "sustained")
    const before = yield* now
    const total = (rate * duration) / 1000
    let next = 0
    let count = 0
    const writer = Effect.gen(function* () {
      while (next < total) {
        const number = next++
        const early = (number / rate) * 1000 - ((yield* now) - before)
        if (early < -duration) return
        if (early > 0) yield* Effect.sleep(early)
        // The last key is the marker.
        yield* source.put(key(keyspace, dice.between(0, keyspace.size - 2)), valueOf(`sustained ${number}`))
        count += 1
      }
    })
    yield* Effect.all(Arr.replicate(writer, connections), { concurrency: "unbounded" })
    return { count, elapsed: Math.max(duration, (yield* now) - before) }
  })
