/**
 * How many blocking queries to one agent there are at once, whichever watch has asked them. A query that finds no room takes
 * the place of one that nobody waits for: a watch that has fewer queries than before, or has ended, leaves such queries.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Monotonic from "../effect/Monotonic.js"

/** A query that is in the room, or waits for it. */
export interface Occupant {
  /** Whether nobody waits for its answer. */
  readonly isIdle: () => boolean
  /** Lets nobody wait for the query any more, and returns what ends it without waiting for its end. */
  readonly abandon: () => Effect.Effect<void>
}

export interface QueryRoom {
  /** Runs a query as soon as there is room, in the order of the calls. */
  readonly within: <A, E, R>(occupant: Occupant, query: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** There may be more room, less room, or an idle query now. */
  readonly look: Effect.Effect<void>
}

/**
 * Consul (1.8.7) holds the connection of a query that was abandoned until the wait of the query is over: three minutes, and a
 * sixteenth (ms).
 */
const heldFor = 195_000

interface Waiting {
  readonly occupant: Occupant
  readonly admitted: Deferred.Deferred<void>
}

/**
 * `most` is how many queries there may be now. No more than as many are abandoned while Consul holds their connections: it
 * refuses an address with 200.
 */
export const make = (most: () => number): QueryRoom => {
  const inside = new Set<Occupant>()
  const waiting: Array<Waiting> = []
  /** When queries were abandoned whose connections Consul may still hold (ms of `Monotonic.now`), oldest first. */
  const abandoned: Array<number> = []

  /** Makes room for the first that waits, and as much as there may be less of now. Returns what ends idle queries. */
  const evict = (now: number): ReadonlyArray<Effect.Effect<void>> => {
    while ((abandoned[0] ?? now) < now - heldFor) abandoned.shift()
    const tooMany = inside.size - most() + (waiting.length > 0 ? 1 : 0)
    const idle = tooMany > 0 ? [...inside].filter(({ isIdle }) => isIdle()) : []
    return idle.slice(0, Math.min(tooMany, Math.max(0, most() - abandoned.length))).map((one) => {
      inside.delete(one)
      abandoned.push(now)
      return one.abandon()
    })
  }

  const look = Effect.flatMap(Monotonic.now, (now) => {
    const steps: Array<Effect.Effect<void>> = []
    for (;;) {
      steps.push(...evict(now))
      const first = inside.size < most() ? waiting.shift() : undefined
      if (first === undefined) break
      inside.add(first.occupant)
      steps.push(Deferred.succeed(first.admitted, undefined))
    }
    return Effect.all(steps, { discard: true })
  })

  const isAmple = () => waiting.length === 0 && inside.size <= most()

  const leave = (one: Waiting) =>
    Effect.suspend(() => {
      inside.delete(one.occupant)
      const at = waiting.indexOf(one)
      if (at >= 0) waiting.splice(at, 1)
      return isAmple() ? Effect.void : look
    })

  return {
    look: Effect.suspend(() => (isAmple() ? Effect.void : look)),
    within: (occupant, query) =>
      Effect.acquireUseRelease(
        Effect.gen(function* () {
          const one: Waiting = { occupant, admitted: yield* Deferred.make<void>() }
          waiting.push(one)
          yield* look
          return one
        }),
        ({ admitted }) => Effect.zipRight(Deferred.await(admitted), query),
        leave
      )
  }
}
