/**
 * Several replications in one process: their connections, their memory, and the latency of a change. Only programs of this
 * project are measured, because others replicate one prefix.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Ref from "effect/Ref"
import { less, type Measured, median } from "./Figure.js"
import type { Keyspace } from "./Keyspace.js"
import * as Latency from "./Latency.js"
import type { BenchError } from "./Store.js"
import * as Subject from "./Subject.js"
import { complete, freshLock, type Measurement, sourceName, type Trial } from "./Trial.js"

/** The sizes of the keyspaces. Each of the seven large ones is watched in shards, and uses many blocking queries. */
const nine = [6_000, 6_000, 6_000, 6_000, 6_000, 6_000, 6_000, 200, 200]
const eight = Array.from({ length: 8 }, () => 200)

/** The interval at which connections are counted, in ms. */
const interval = 50

/** Keyspaces of these sizes, each with its own prefix. */
const keyspaces = (trial: Trial, sizes: ReadonlyArray<number>): ReadonlyArray<Keyspace> =>
  sizes.map((size, number) => ({ prefix: `${trial.keyspace.prefix}${number}-${size}/`, shape: "flat", size }))

/** Runs the program with a replication of each keyspace. Runs `use` once the destination has all keys. */
const runInSync = <A, R>(
  trial: Trial,
  all: ReadonlyArray<Keyspace>,
  use: (subject: Subject.Subject, peak: number) => Effect.Effect<A, BenchError, R>
) =>
  Effect.gen(function* () {
    const { destination, program, source } = trial
    yield* Effect.forEach(all, source.fill, { discard: true })
    const lock = yield* freshLock
    const prefixes = all.map(({ prefix }) => `-prefix=${prefix}`)
    const options = [
      `-src=${sourceName}`,
      `-addr=${destination.address}`,
      `-lock=${lock}`,
      `-status-dir=${lock.replace(/leader$/, "statuses")}`,
      ...prefixes
    ]
    return yield* Subject.running(program, options, (subject) =>
      Effect.gen(function* () {
        const peak = yield* Ref.make(0)
        const counting = yield* Effect.fork(
          subject.connections.pipe(
            Effect.flatMap((count) => Ref.update(peak, (most) => Math.max(most, count))),
            Effect.delay(interval),
            Effect.forever
          )
        )
        yield* Effect.forEach(all, (keyspace) => complete({ ...trial, keyspace }), { discard: true })
        yield* Fiber.interrupt(counting)
        return yield* use(subject, yield* Ref.get(peak))
      })
    )
  })

/** The median latency of changes of one keyspace (ms). */
const latencyOf = (trial: Trial, keyspace: Keyspace) =>
  Effect.map(Latency.changes({ ...trial, keyspace }), median)

const several = (trial: Trial) =>
  Effect.gen(function* () {
    const rest = Effect.sleep(trial.plan.restSeconds * 1000)
    const all = keyspaces(trial, nine)
    const [large] = all
    const small = all.at(-1)
    if (large === undefined || small === undefined) return []
    const alone = yield* runInSync(trial, [large], () => latencyOf(trial, large))
    const ofNine: ReadonlyArray<Measured> = yield* runInSync(trial, all, (subject, peak) =>
      Effect.gen(function* () {
        const ofLarge = yield* latencyOf(trial, large)
        const ofSmall = yield* latencyOf(trial, small)
        yield* rest
        return [
          less(`median latency, ${large.size} keys, one replication`, alone, "ms"),
          less(`median latency, ${large.size} keys, one of nine`, ofLarge, "ms"),
          less(`median latency, ${small.size} keys, one of nine`, ofSmall, "ms"),
          less("connections of nine, peak of the first sync", peak, ""),
          less("connections of nine, at rest", yield* subject.connections, "")
        ]
      })
    )
    const memory = yield* runInSync(trial, keyspaces(trial, eight), (subject) =>
      Effect.zipRight(rest, subject.usage)
    )
    return [...ofNine, less("memory of eight with 200 keys each, settled", memory.residentMegabytes, "MB")]
  })

export const measure: Measurement = (trial) =>
  trial.program.own
    ? Effect.zipRight(trial.destination.clear(trial.keyspace.prefix), several(trial))
    : Effect.succeed([])
