/**
 * The limits of the same servers on this machine, without a program between them. All other numbers are compared with these.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import { less, type Measured, median, more, neither } from "./Figure.js"
import { type Keyspace, key, keys, operationsEach, transaction, valueOf } from "./Keyspace.js"
import { BenchError, inFlight, now, path, type Request, type Store } from "./Store.js"
import { sourceName } from "./Trial.js"

export interface RawLimits {
  readonly measured: ReadonlyArray<Measured>
  /** In keys a second. */
  readonly inFlightRate: number
}

const rounds = 3
const puts = 500
const notices = 50

const timed = <A>(work: Request<A>) =>
  Effect.gen(function* () {
    const before = yield* now
    yield* work
    return (yield* now) - before
  })

/** The median of several measurements, because Consul may pause during one. */
const medianOf = <A>(work: Request<A>) => Effect.map(Effect.replicateEffect(timed(work), rounds), median)

const bodies = (keyspace: Keyspace) =>
  Arr.chunksOf(keys(keyspace), operationsEach).map((chunk) =>
    transaction(chunk.map((key) => [key, valueOf(key)]))
  )

/** The rate at which the servers accept transactions of 64 new keys each, in keys a second. */
export const transactionRate = (store: Store, size: number, concurrency: number): Request<number> => {
  const keyspace: Keyspace = { prefix: "raw/", shape: "flat", size }
  const all = bodies(keyspace)
  return Effect.map(
    Effect.replicateEffect(
      Effect.zipLeft(timed(store.transact(all, concurrency)), store.clear(keyspace.prefix)),
      rounds
    ),
    (times) => (size / median(times)) * 1000
  )
}

/**
 * The time from the answer to a write until a blocking query in the same datacenter answers: the benchmark's own share of a
 * latency.
 */
const notice = (store: Store) =>
  Effect.gen(function* () {
    const times: Array<number> = []
    for (const change of Arr.range(1, notices)) {
      const { index } = yield* store.get("raw-notice")
      const value = valueOf(`change ${change}`)
      const seen = yield* Effect.fork(
        store.until("raw-notice", (entry) => entry.value === value, { after: index })
      )
      yield* Effect.sleep(5)
      yield* store.put("raw-notice", value)
      const written = yield* now
      times.push(Math.max(0, (yield* seen) - written))
    }
    return median(times)
  })

/** `size` is the number of keys that are read. At most 50,000 keys are written, which are enough to measure the rate. */
export const measure = (
  source: Store,
  destination: Store,
  size: number
): Effect.Effect<RawLimits, BenchError> =>
  Effect.gen(function* () {
    const written = Math.min(size, 50_000)
    // The first ones are slower: files grow, and the servers' code is not in the caches yet.
    yield* transactionRate(destination, Math.min(written, 10_000), inFlight)
    const serialRate = yield* transactionRate(destination, Math.min(written, 10_000), 1)
    const inFlightRate = yield* transactionRate(destination, written, inFlight)

    const keyspace: Keyspace = { prefix: "raw-read/", shape: "flat", size }
    const put = (_: unknown, i: number) =>
      destination.put(key({ ...keyspace, prefix: "raw/" }, i), valueOf("put"))
    const putTime = (concurrency: number) => timed(Effect.forEach(Arr.range(1, puts), put, { concurrency }))
    const serialPuts = yield* putTime(1)
    const puts16 = yield* putTime(16)
    yield* destination.clear("raw/")

    yield* source.fill(keyspace)
    const read = (query: string) =>
      destination.request("GET", `${path(keyspace.prefix)}?dc=${sourceName}&${query}`)
    const { length } = yield* read("recurse")
    const readTime = yield* medianOf(read("recurse"))
    const keysTime = yield* medianOf(read("keys"))
    yield* source.clear(keyspace.prefix)

    const count = size.toLocaleString("en")
    return {
      inFlightRate,
      measured: [
        more(`transactions of ${operationsEach} writes, one after another`, serialRate, "keys/s"),
        more(`the same, ${inFlight} in flight`, inFlightRate, "keys/s"),
        more("single writes, one after another", (puts / serialPuts) * 1000, "writes/s"),
        more("the same, 16 in flight", (puts / puts16) * 1000, "writes/s"),
        less(`reading ${count} keys from the other datacenter`, readTime, "ms"),
        neither("bytes of that", length / 1000, "kB"),
        less("reading their names", keysTime, "ms"),
        less("a write noticed in its own datacenter, median", yield* notice(destination), "ms")
      ]
    }
  }).pipe(
    Effect.timeoutFail({
      duration: "5 minutes",
      onTimeout: () => new BenchError({ message: "the raw limits were not measured in 5 minutes" })
    })
  )
