/**
 * The context of a measurement: one program with one keyspace between two datacenters. Measurements look only at the destination
 * to see that the program has done its work.
 */
import * as Effect from "effect/Effect"
import type { Measured } from "./Figure.js"
import { type Keyspace, last, valueOf } from "./Keyspace.js"
import type { Plan } from "./Plan.js"
import { BenchError, now, path, type Request, type Store, twentieth } from "./Store.js"
import * as Subject from "./Subject.js"

export interface Trial {
  readonly source: Store
  readonly destination: Store
  readonly program: Subject.Program
  readonly keyspace: Keyspace
  readonly plan: Plan
  /** The rate at which the destination accepts transactions, in keys a second. None if it was not measured. */
  readonly rawRate: number | undefined
}

/** The datacenter of the source, which has the keyspace when a measurement begins. */
export const sourceName = "nyc1"
export const destinationName = "sfo1"

export type Measurement = (trial: Trial) => Effect.Effect<ReadonlyArray<Measured>, BenchError, Subject.Needs>

export interface Place {
  readonly lock: string
  /** The address of the agent, or of a proxy before it. Default: the destination's agent. */
  readonly address?: string
  readonly options?: ReadonlyArray<string>
}

/** The lock key of a start. Each start has its own, so that a lock that a program does not release delays no later measurement. */
export const freshLock: Effect.Effect<string> = Effect.map(now, (now) => `bench-lock/${now}/leader`)

/** Runs the program, and `use` while it runs. */
export const run = <A, R>(
  { destination, keyspace, program }: Trial,
  { address = destination.address, lock, options = [] }: Place,
  use: (subject: Subject.Subject) => Effect.Effect<A, BenchError, R>
) =>
  Subject.running(
    program,
    [
      `-src=${sourceName}`,
      `-addr=${address}`,
      `-prefix=${keyspace.prefix}`,
      `-lock=${lock}`,
      `-status=${lock.replace(/leader$/, "status")}`,
      ...options
    ],
    use
  )

/** Runs the program. Runs `use` once the destination has all keys and the program follows changes. */
export const runInSync = <A, R>(
  trial: Trial,
  place: Omit<Place, "lock">,
  use: (subject: Subject.Subject) => Effect.Effect<A, BenchError, R>
) =>
  Effect.flatMap(freshLock, (lock) =>
    run(trial, { ...place, lock }, (subject) =>
      complete(trial).pipe(
        Effect.zipRight(follow(trial, last(trial.keyspace), "probe")),
        Effect.zipRight(Effect.suspend(() => use(subject)))
      )
    )
  )

/**
 * Waits until the destination has all keys, and answers with when that was (ms): waits for the key that sorts last,
 * then counts, and counts again until all are there. Consul answers with what it has when it is asked, so that the
 * moment of the question is the time that counts. `since` says from when on what is timed has taken its time.
 */
export const complete = (
  { destination, keyspace }: Trial,
  since?: () => number | undefined
): Request<number> =>
  Effect.gen(function* () {
    const begun = yield* now
    yield* destination.until(last(keyspace), ({ value }) => value !== undefined, {
      pause: (at) => twentieth(at - (since?.() ?? begun))
    })
    return yield* asked(Effect.map(destination.count(keyspace.prefix), (count) => count === keyspace.size))
  })

/**
 * Asks until the answer is yes. Returns the time of that question (ms, of `now`). The pause after each question is longer than it
 * took.
 */
export const asked = (question: Request<boolean>): Request<number> =>
  Effect.gen(function* () {
    for (;;) {
      const at = yield* now
      if (yield* question) return at
      yield* Effect.sleep(Math.max(20, 3 * ((yield* now) - at)))
    }
  })

/** Changes a key at the source. Returns the time from the answer until the destination has the change, in ms. */
export const follow = ({ destination, source }: Trial, key: string, text: string): Request<number> =>
  Effect.scoped(
    Effect.gen(function* () {
      // Every value is new: a write that changes nothing could not be observed.
      const value = valueOf(`${text} at ${yield* now}`)
      const { index } = yield* destination.get(key)
      const seen = yield* Effect.forkScoped(
        destination.until(key, (entry) => entry.value === value, { after: index })
      )
      yield* source.put(key, value)
      const written = yield* now
      // A program can be faster than the source's answer.
      return Math.max(0, (yield* seen) - written)
    })
  )

/** Fails unless both sides have the same keys, values and flags. */
export const verify = ({ destination, keyspace, program, source }: Trial): Request<void> =>
  Effect.gen(function* () {
    const contents = (store: Store) =>
      Effect.map(store.request("GET", `${path(keyspace.prefix)}?recurse`), (body) =>
        (JSON.parse(body.toString()) as ReadonlyArray<KeyValue>).map(
          ({ Flags, Key, Value }) => `${Key} ${Flags} ${Value}`
        )
      )
    const wanted = yield* contents(source)
    const copies = yield* contents(destination)
    // Both answers are in the order of the keys.
    const different =
      Math.abs(wanted.length - copies.length) + wanted.filter((one, i) => one !== copies[i]).length
    if (different > 0) {
      yield* new BenchError({ message: `${program.name}: ${different} keys are not as at the source` })
    }
  })

interface KeyValue {
  readonly Key: string
  readonly Flags: number
  readonly Value: string
}
