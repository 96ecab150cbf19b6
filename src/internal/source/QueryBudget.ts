/**
 * How many blocking queries the watches of one agent may have: an agent accepts only so many connections from one address. Each
 * watch has one query for its whole prefix. Watches of many keys share the rest by their number of keys.
 *
 * A connection that the agent refuses halves the number. Some minutes later the number grows again, step by step.
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
import * as QueryRoom from "./QueryRoom.js"
import * as QueryShares from "./QueryShares.js"

/** The budget as one watch sees it. */
export interface WatchBudget extends Omit<QueryBudget, "join" | "room"> {
  /**
   * The watch has `keys` keys in shards, or 0 if it has one query for all. A number between half and twice the former one changes
   * nothing: the shares of all other watches would move with each key.
   */
  readonly claim: (keys: number) => Effect.Effect<void>
  /** How many queries for shards the watch may have now. */
  readonly allowed: Effect.Effect<number>
  /** How many queries for shards the watch would have if it claimed `keys` keys. */
  readonly allowedWith: (keys: number) => Effect.Effect<number>
  /** Waits until the watch is allowed another number than `used`. */
  readonly changed: (used: number) => Effect.Effect<void>
}

export interface QueryBudget {
  /** Adds a watch that may have `most` queries for shards, until the scope closes. */
  readonly join: (most: number) => Effect.Effect<WatchBudget, never, Scope.Scope>
  /** The room for the queries for shards of all watches. */
  readonly room: QueryRoom.QueryRoom
  /** The agent refused a connection. `message` is that of the error. */
  readonly refused: (message: string) => Effect.Effect<void>
  /**
   * How long the next query of a watch of this age may block. Consul keeps the connection of a query until its wait is over:
   * after the budget has grown, waits are as short as those of a new watch, and grow again while the agent refuses nothing.
   */
  readonly wait: (age: Duration.Duration) => Effect.Effect<Duration.Duration>
  /**
   * Sends `ask` from time to time over a new connection, while the watch has more than `QueryShares.fewest` queries: a watch
   * whose connections are all open does not notice that none is left for other programs. `queries` is how many it has.
   */
  readonly probe: (
    ask: Effect.Effect<unknown, ConsulError>,
    queries: Effect.Effect<number>
  ) => Effect.Effect<void>
}

/**
 * Consul (1.8.7) refuses an address that has 200 connections, and keeps those of blocking queries for minutes after their
 * client has gone: a restarted process must have room beside the connections of the former one.
 */
export const defaultTotal = 90

/** The share of its queries that a watch gets back at a time. */
const step = 1 / 8

/** The lowest share. A watch that has `QueryShares.fewest` queries or fewer keeps them. */
const least = 1 / 16

/** The time from the last refused connection until the budget grows, and between two steps. */
const firstPause = Duration.minutes(5)

/** The longest pause: it doubles each time that a connection is refused soon after a step. */
const longestPause = Duration.hours(1)

/** A connection that is refused within this time (ms) after a step was refused because of the step. */
const trial = 120_000

/** Connections that are refused within this time (ms) are refused for one reason. */
const moment = 5_000

/** The time between two requests over new connections. */
const probeInterval = Duration.minutes(1)

/** A factor for pauses: several processes that share an agent must not grow at the same time. */
const jitter = Random.nextRange(1, 1.5)

/**
 * A budget for the agent at `address`, of `total` queries. Reports trouble while it is not whole.
 */
export const make = (address: string, total = defaultTotal): Effect.Effect<QueryBudget, never, Scope.Scope> =>
  Effect.gen(function* (): Effect.fn.Return<QueryBudget, never, Scope.Scope> {
    const scope = yield* Effect.scope
    const trouble = yield* Trouble.make({ _tag: "Connections", address })
    /** By the claim of each watch, how many queries it may have while the budget is whole. */
    const shares = new Map<QueryShares.Claim, number>()
    const room = QueryRoom.make(() => Math.max(1, QueryShares.forShards(total, shares.size)))
    /** The share of its queries that each watch may have now. */
    let share = 1
    let shareChanged = Deferred.unsafeMake<void>(FiberId.none)
    let pause = firstPause
    /** When the agent last refused a connection (ms of `Monotonic.now`, like all times here). */
    let refusedAt = Number.NEGATIVE_INFINITY
    /** When the budget last grew. */
    let grownAt = Number.NEGATIVE_INFINITY
    /** When the waits of all queries that were sent are over: until then Consul may keep their connections. */
    let openUntil = Number.NEGATIVE_INFINITY
    /** Until this time, queries that were sent before the budget was lowered can have connections. */
    let settledAt = Number.NEGATIVE_INFINITY

    /** How many queries a watch has now that would have `whole` of them. */
    const lowered = (whole: number) =>
      Math.max(Math.min(whole, QueryShares.fewest), Math.floor(whole * share))

    const allowedFor = (claim: QueryShares.Claim) => lowered(shares.get(claim) ?? 1)

    const announce = Effect.suspend(() => {
      const before = shareChanged
      shareChanged = Deferred.unsafeMake<void>(FiberId.none)
      return Deferred.succeed(before, undefined)
    })

    const set = (next: number) =>
      Effect.suspend(() => {
        share = next
        return Effect.zipRight(announce, emit({ _tag: "QueryBudgetChanged", address, share }))
      })

    /** Shares the queries again: a watch has joined, has left, or has another claim. */
    const shareOut = Effect.suspend(() => {
      const claims = [...shares.keys()]
      for (const [i, number] of QueryShares.allot(total, claims).entries()) {
        const claim = claims[i]
        if (claim !== undefined) shares.set(claim, number)
      }
      return Effect.zipRight(announce, room.adjust)
    })

    /** Grows the budget step by step until it is whole. */
    const grow = Effect.gen(function* () {
      while (share < 1) {
        const factor = yield* jitter
        for (;;) {
          // Both times move while this waits.
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
        settledAt = Math.max(now + moment, openUntil)
        if (now - grownAt < trial) pause = Duration.min(longestPause, Duration.times(pause, 2))
        const wasWhole = share === 1
        yield* set(share / 2)
        if (wasWhole) yield* Effect.forkIn(Effect.interruptible(grow), scope)
      }).pipe(Effect.uninterruptible)

    const shared: Omit<QueryBudget, "join" | "room"> = {
      refused,
      wait: (age) =>
        Effect.map(Monotonic.now, (now) => {
          const wait = Schedules.shardWait(Duration.min(age, Duration.millis(Math.round(now - grownAt))))
          // The server may add a sixteenth.
          openUntil = Math.max(openUntil, now + Math.ceil((Duration.toMillis(wait) * 17) / 16))
          return wait
        }),
      probe: (ask, queries) =>
        Effect.gen(function* () {
          const { over } = yield* NewConnection
          if (over === undefined) return
          for (;;) {
            const pause = Duration.toMillis(probeInterval) * (yield* jitter)
            yield* Effect.sleep(Duration.millis(Math.round(pause)))
            if ((yield* queries) <= QueryShares.fewest) continue
            yield* over(ask).pipe(
              Effect.catchTag("TooManyConnections", ({ message }) => refused(message)),
              // Other errors are failures of the source, and its queries report those.
              Effect.ignore
            )
          }
        })
    }

    const join: QueryBudget["join"] = (most) =>
      Effect.gen(function* () {
        const claim = { keys: 0, most }
        yield* Effect.acquireRelease(
          Effect.suspend(() => {
            shares.set(claim, 1)
            return shareOut
          }),
          () =>
            Effect.suspend(() => {
              shares.delete(claim)
              return shareOut
            })
        )
        return {
          ...shared,
          claim: (keys) =>
            Effect.suspend(() => {
              if (keys === claim.keys || (keys > claim.keys / 2 && keys < claim.keys * 2)) return Effect.void
              claim.keys = keys
              return shareOut
            }),
          allowed: Effect.sync(() => allowedFor(claim)),
          allowedWith: (keys) =>
            Effect.sync(() => {
              const claims = [...shares.keys()]
              const others = claims.map((one) => (one === claim ? { keys, most } : one))
              return lowered(QueryShares.allot(total, others)[claims.indexOf(claim)] ?? 1)
            }),
          changed: (used) =>
            Effect.iterate(undefined, {
              while: () => allowedFor(claim) === used,
              body: () => Effect.suspend(() => Effect.as(Deferred.await(shareChanged), undefined))
            })
        }
      })

    return { ...shared, join, room }
  })
