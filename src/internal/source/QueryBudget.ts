/**
 * How many blocking queries the watches of one agent may have, where the agent takes only so many connections from one
 * address. A connection that the agent refuses halves the number. Some minutes later the number grows again, step by step.
 * As long as no connection is refused, each watch has all of its queries.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import type { ConsulError } from "../../ConsulError.js"
import { NewConnection } from "../consul/NewConnection.js"
import * as Monotonic from "../effect/Monotonic.js"
import { emit } from "../report/EventSink.js"
import * as Trouble from "../report/Trouble.js"
import * as Schedules from "../Schedules.js"

export interface QueryBudget {
  /** How many queries there may be now, for a watch that may have `most`. */
  readonly allowed: (most: number) => Effect.Effect<number>
  /** Waits until a watch that may have `most` is allowed another number than `used`. */
  readonly changed: (most: number, used: number) => Effect.Effect<void>
  /** The agent took no more connections, as `message` says. */
  readonly refused: (message: string) => Effect.Effect<void>
  /**
   * How long the next query of a watch of this age may block. Consul holds the connection of a query until its wait is over:
   * after the budget has grown, waits are as short as those of a new watch, until it is known that the agent has room.
   */
  readonly wait: (age: Duration.Duration) => Effect.Effect<Duration.Duration>
  /**
   * Asks from time to time, over a new connection, while the watch has more than the {@link fewest} queries: a watch whose
   * connections are all open does not notice that it leaves none to others.
   */
  readonly probe: (
    ask: Effect.Effect<unknown, ConsulError>,
    queries: Effect.Effect<number>
  ) => Effect.Effect<void>
}

/** So many queries a watch may have in any case: with fewer it would not be in parts. */
export const fewest = 4

/** The share of its queries that a watch gets back at once. */
const step = 1 / 8

/** Nothing is lowered below this share; and no watch goes below {@link fewest}. */
const least = 1 / 16

/** From the last refused connection until the budget grows, and between two steps. */
const firstPause = Duration.minutes(5)

/** The pause doubles each time that a step is followed by a refused connection. */
const longestPause = Duration.hours(1)

/** A connection that is refused so soon after a step was too many because of the step (ms). */
const trial = 120_000

/** Connections that are refused within this time (ms) are refused for one reason. */
const moment = 5_000

/** Between two questions over new connections. */
const probeInterval = Duration.minutes(1)

/** Makes a pause longer: several processes that share an agent must not do the same at the same time. */
const jitter = Random.nextRange(1, 1.5)

/** `address` is that of the agent. It is in trouble while the budget is not whole. */
export const make = (address: string): Effect.Effect<QueryBudget, never, Scope.Scope> =>
  Effect.gen(function* (): Effect.fn.Return<QueryBudget, never, Scope.Scope> {
    const scope = yield* Effect.scope
    const trouble = yield* Trouble.make({ _tag: "Connections", address })
    /** The share of its queries that each watch may have. */
    let share = 1
    let shareChanged = Deferred.unsafeMake<void>(FiberId.none)
    let pause = firstPause
    /** When the agent last refused a connection (ms of `Monotonic.now`, like all times here). */
    let refusedAt = Number.NEGATIVE_INFINITY
    /** When the budget last grew. */
    let grownAt = Number.NEGATIVE_INFINITY
    /** When the waits of all queries are over that have been sent. */
    let heldUntil = Number.NEGATIVE_INFINITY
    /** Until then, queries of before the budget was lowered can hold connections. */
    let settledAt = Number.NEGATIVE_INFINITY

    const of = (most: number) => Math.max(Math.min(most, fewest), Math.floor(most * share))

    const set = (next: number) =>
      Effect.suspend(() => {
        share = next
        const before = shareChanged
        shareChanged = Deferred.unsafeMake<void>(FiberId.none)
        return Effect.zipRight(
          Deferred.succeed(before, undefined),
          emit({ _tag: "QueryBudgetChanged", address, share })
        )
      })

    /** Until the budget is whole again. */
    const grow = Effect.gen(function* () {
      while (share < 1) {
        const factor = yield* jitter
        for (;;) {
          // Both move while this waits.
          const at = Math.max(refusedAt, grownAt) + factor * Duration.toMillis(pause)
          const left = at - (yield* Monotonic.now)
          if (left <= 0) break
          yield* Effect.sleep(Duration.millis(Math.ceil(left)))
        }
        grownAt = yield* Monotonic.now
        yield* set(Math.min(1, share + step))
      }
      yield* trouble.resolve
    })

    const refused: QueryBudget["refused"] = (message) =>
      Effect.gen(function* () {
        const now = yield* Monotonic.now
        refusedAt = now
        yield* trouble.report("connections", { cause: "TooManyConnections", message })
        if (now < settledAt || share <= least) return
        settledAt = Math.max(now + moment, heldUntil)
        if (now - grownAt < trial) pause = Duration.min(longestPause, Duration.times(pause, 2))
        const wasWhole = share === 1
        yield* set(share / 2)
        if (wasWhole) yield* Effect.forkIn(Effect.interruptible(grow), scope)
      }).pipe(Effect.uninterruptible)

    return {
      allowed: (most) => Effect.sync(() => of(most)),
      changed: (most, used) =>
        Effect.iterate(undefined, {
          while: () => of(most) === used,
          body: () => Effect.suspend(() => Effect.as(Deferred.await(shareChanged), undefined))
        }),
      refused,
      wait: (age) =>
        Effect.map(Monotonic.now, (now) => {
          const wait = Schedules.shardWait(Duration.min(age, Duration.millis(Math.round(now - grownAt))))
          // The server may add a sixteenth.
          heldUntil = Math.max(heldUntil, now + Math.ceil((Duration.toMillis(wait) * 17) / 16))
          return wait
        }),
      probe: (ask, queries) =>
        Effect.gen(function* () {
          const { over } = yield* NewConnection
          if (over === undefined) return
          for (;;) {
            const pause = Duration.toMillis(probeInterval) * (yield* jitter)
            yield* Effect.sleep(Duration.millis(Math.round(pause)))
            if ((yield* queries) <= fewest) continue
            yield* over(ask).pipe(
              Effect.catchTag("TooManyConnections", ({ message }) => refused(message)),
              // All others are failures of the source, and its queries report these.
              Effect.ignore
            )
          }
        })
    }
  })
