/**
 * A limit of blocking queries to one agent, for all watches. A query for which there is no room replaces an idle one, which no
 * fiber waits for. A watch leaves idle queries behind when it ends, or has fewer queries than before.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Monotonic from "../effect/Monotonic.js"

/** A query that is in the room, or waits for it. */
export interface Occupant {
  /** Whether no fiber waits for its answer. */
  readonly isIdle: () => boolean
  /** Keeps fibers from joining the query. Returns an effect that ends it, and does not wait for its end. */
  readonly abandon: () => Effect.Effect<void>
}

export interface QueryRoom {
  /** Runs a query as soon as there is room, in the order of the calls. */
  readonly within: <A, E, R>(occupant: Occupant, query: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Admits queries for which there is room now, and ends idle queries if there is less. */
  readonly adjust: Effect.Effect<void>
}

/**
 * How long Consul (1.8.7) keeps the connection of an abandoned query (ms): until its wait is over, which is three minutes and a
 * sixteenth.
 */
const connectionKeptFor = 195_000

/** A query that waits for room. */
interface Waiting {
  readonly occupant: Occupant
  /** Done when the query may be sent. */
  readonly admitted: Deferred.Deferred<void>
}

/** The state of a room. */
interface State {
  /** Returns how many queries there may be now. */
  readonly most: () => number
  /** The queries that were admitted and have not ended. */
  readonly inside: Set<Occupant>
  /** The queries that wait for room, in the order of the calls. */
  readonly waiting: Array<Waiting>
  /** When queries were abandoned whose connections Consul may still keep (ms of `Monotonic.now`), oldest first. */
  readonly abandoned: Array<number>
}

/** Makes room for the first query that waits, and for the limit if it is lower now. Returns effects that end idle queries. */
const evict = (
  { abandoned, inside, most, waiting }: State,
  now: number
): ReadonlyArray<Effect.Effect<void>> => {
  while ((abandoned[0] ?? now) < now - connectionKeptFor) abandoned.shift()
  const tooMany = inside.size - most() + (waiting.length > 0 ? 1 : 0)
  const idle = tooMany > 0 ? [...inside].filter(({ isIdle }) => isIdle()) : []
  return idle.slice(0, Math.min(tooMany, Math.max(0, most() - abandoned.length))).map((one) => {
    inside.delete(one)
    abandoned.push(now)
    return one.abandon()
  })
}

/** Whether there is room for all. */
const isAmple = ({ inside, most, waiting }: State): boolean => waiting.length === 0 && inside.size <= most()

const adjust = (state: State): Effect.Effect<void> =>
  Effect.flatMap(Monotonic.now, (now) => {
    const { inside, most, waiting } = state
    const steps: Array<Effect.Effect<void>> = []
    for (;;) {
      steps.push(...evict(state, now))
      const first = inside.size < most() ? waiting.shift() : undefined
      if (first === undefined) break
      inside.add(first.occupant)
      steps.push(Deferred.succeed(first.admitted, undefined))
    }
    return Effect.all(steps, { discard: true })
  })

const adjustIfNeeded = (state: State): Effect.Effect<void> =>
  Effect.suspend(() => (isAmple(state) ? Effect.void : adjust(state)))

const enter = (state: State, occupant: Occupant): Effect.Effect<Waiting> =>
  Effect.gen(function* () {
    const one: Waiting = { occupant, admitted: yield* Deferred.make<void>() }
    state.waiting.push(one)
    yield* adjust(state)
    return one
  })

const leave = (state: State, one: Waiting): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { inside, waiting } = state
    inside.delete(one.occupant)
    const at = waiting.indexOf(one)
    if (at >= 0) waiting.splice(at, 1)
    return adjustIfNeeded(state)
  })

/**
 * `most` returns how many queries there may be now. Of abandoned queries whose connections Consul still keeps there are no more
 * either: it refuses an address with 200 connections.
 */
export const make = (most: () => number): QueryRoom => {
  const state: State = { most, inside: new Set(), waiting: [], abandoned: [] }
  return {
    adjust: adjustIfNeeded(state),
    within: (occupant, query) =>
      Effect.acquireUseRelease(
        enter(state, occupant),
        ({ admitted }) => Effect.zipRight(Deferred.await(admitted), query),
        (one) => leave(state, one)
      )
  }
}
