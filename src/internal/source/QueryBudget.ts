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
import * as QueryRoom from "./QueryRoom.js"
import * as QueryShares from "./QueryShares.js"

/**
 * The wait of a shard's blocking query, given the age of its watch. After a process has ended, Consul keeps its queries until
 * their waits are over, and refuses an address with 200 connections. So a query outlasts its process by no more than twice the age
 * of the watch: a process that is restarted again and again finds room. At rest the ends of these queries are most of the work
 * (3 ms of CPU each), so old watches have longer waits than `watchWait`.
 */
const shardWait = (age: Duration.Duration): Duration.Duration =>
  Duration.clamp(Duration.times(age, 2), { minimum: Duration.seconds(1), maximum: Duration.minutes(3) })

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

/** The state of the budget of one agent. Times are ms of `Monotonic.now`, and -Infinity before the first event of their kind. */
interface State {
  readonly address: string
  /** How many queries all watches may have while the budget is whole. */
  readonly total: number
  /** The fiber that grows the budget runs until this scope closes. */
  readonly scope: Scope.Scope
  /** Reported while the budget is not whole. */
  readonly trouble: Trouble.Trouble
  /** By the claim of each watch, how many queries the watch may have while the budget is whole. */
  readonly shares: Map<QueryShares.Claim, number>
  readonly room: QueryRoom.QueryRoom
  /** The share of its queries that each watch may have now, from {@link least} to 1. */
  share: number
  /** Done, and replaced by another one, when watches may have other numbers of queries than before. */
  changed: Deferred.Deferred<void>
  /** The shortest time from the last refused connection until the budget grows, and between two steps. */
  pause: Duration.Duration
  /** When the agent last refused a connection. */
  refusedAt: number
  /** When the budget last grew. */
  grownAt: number
  /** When the waits of all queries that were sent are over: until then Consul may keep their connections. */
  openUntil: number
  /** Until this time, queries that were sent before the budget was lowered can have connections. */
  settledAt: number
}

/** How many queries a watch may have now that may have `whole` of them while the budget is whole. */
const lowered = ({ share }: State, whole: number): number =>
  Math.max(Math.min(whole, QueryShares.fewest), Math.floor(whole * share))

const allowed = (state: State, claim: QueryShares.Claim): number =>
  lowered(state, state.shares.get(claim) ?? 1)

const announce = (state: State): Effect.Effect<void> =>
  Effect.suspend(() => {
    const before = state.changed
    state.changed = Deferred.unsafeMake<void>(FiberId.none)
    return Deferred.succeed(before, undefined)
  })

const setShare = (state: State, share: number): Effect.Effect<void> =>
  Effect.suspend(() => {
    state.share = share
    return Effect.zipRight(
      announce(state),
      emit({ _tag: "QueryBudgetChanged", address: state.address, share })
    )
  })

/** Shares the queries again: a watch has joined, has left, or has another claim. */
const shareOut = (state: State): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { room, shares, total } = state
    const claims = [...shares.keys()]
    for (const [i, number] of QueryShares.allot(total, claims).entries()) {
      const claim = claims[i]
      if (claim !== undefined) shares.set(claim, number)
    }
    return Effect.zipRight(announce(state), room.adjust)
  })

/** Grows the budget step by step until it is whole. */
const grow = (state: State): Effect.Effect<void> =>
  Effect.gen(function* () {
    while (state.share < 1) {
      const factor = yield* jitter
      for (;;) {
        // Both times move while this waits.
        const at = Math.max(state.refusedAt, state.grownAt) + factor * Duration.toMillis(state.pause)
        const left = at - (yield* Monotonic.now)
        if (left <= 0) break
        yield* Effect.sleep(Duration.millis(Math.ceil(left)))
      }
      state.grownAt = yield* Monotonic.now
      yield* setShare(state, Math.min(1, state.share + step))
    }
    yield* state.trouble.resolve
  })

const refused = (state: State, message: string): Effect.Effect<void> =>
  Effect.gen(function* () {
    const now = yield* Monotonic.now
    state.refusedAt = now
    yield* state.trouble.report("connections", { cause: "TooManyConnections", message })
    if (now < state.settledAt || state.share <= least) return
    state.settledAt = Math.max(now + moment, state.openUntil)
    if (now - state.grownAt < trial) {
      state.pause = Duration.min(longestPause, Duration.times(state.pause, 2))
    }
    const wasWhole = state.share === 1
    yield* setShare(state, state.share / 2)
    if (wasWhole) yield* Effect.forkIn(Effect.interruptible(grow(state)), state.scope)
  }).pipe(Effect.uninterruptible)

const nextWait = (state: State, age: Duration.Duration): Effect.Effect<Duration.Duration> =>
  Effect.map(Monotonic.now, (now) => {
    const sinceGrowth = Duration.millis(Math.round(now - state.grownAt))
    const wait = shardWait(Duration.min(age, sinceGrowth))
    // The server may add a sixteenth.
    state.openUntil = Math.max(state.openUntil, now + Math.ceil((Duration.toMillis(wait) * 17) / 16))
    return wait
  })

const probe = (
  state: State,
  ask: Effect.Effect<unknown, ConsulError>,
  queries: Effect.Effect<number>
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { over } = yield* NewConnection
    if (over === undefined) return
    for (;;) {
      const pause = Duration.toMillis(probeInterval) * (yield* jitter)
      yield* Effect.sleep(Duration.millis(Math.round(pause)))
      if ((yield* queries) <= QueryShares.fewest) continue
      yield* over(ask).pipe(
        Effect.catchTag("TooManyConnections", ({ message }) => refused(state, message)),
        // Other errors are failures of the source, and its queries report those.
        Effect.ignore
      )
    }
  })

/** The claim of a watch that can change it. */
interface Claim extends QueryShares.Claim {
  keys: number
}

const setClaim = (state: State, claim: Claim, keys: number): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (keys === claim.keys || (keys > claim.keys / 2 && keys < claim.keys * 2)) return Effect.void
    claim.keys = keys
    return shareOut(state)
  })

const allowedWith = (state: State, claim: QueryShares.Claim, keys: number): number => {
  const claims = [...state.shares.keys()]
  const others = claims.map((one) => (one === claim ? { ...claim, keys } : one))
  return lowered(state, QueryShares.allot(state.total, others)[claims.indexOf(claim)] ?? 1)
}

const awaitOther = (state: State, claim: QueryShares.Claim, used: number): Effect.Effect<void> =>
  Effect.iterate(undefined, {
    while: () => allowed(state, claim) === used,
    body: () => Effect.suspend(() => Effect.as(Deferred.await(state.changed), undefined))
  })

const shared = (state: State): Omit<QueryBudget, "join" | "room"> => ({
  refused: (message) => refused(state, message),
  wait: (age) => nextWait(state, age),
  probe: (ask, queries) => probe(state, ask, queries)
})

const join = (state: State, most: number): Effect.Effect<WatchBudget, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { shares } = state
    const claim: Claim = { keys: 0, most }
    yield* Effect.acquireRelease(
      Effect.suspend(() => {
        shares.set(claim, 1)
        return shareOut(state)
      }),
      () =>
        Effect.suspend(() => {
          shares.delete(claim)
          return shareOut(state)
        })
    )
    return {
      ...shared(state),
      claim: (keys) => setClaim(state, claim, keys),
      allowed: Effect.sync(() => allowed(state, claim)),
      allowedWith: (keys) => Effect.sync(() => allowedWith(state, claim, keys)),
      changed: (used) => awaitOther(state, claim, used)
    }
  })

/** A budget of `total` queries for the agent at `address`. Reports trouble while it is not whole. */
export const make = (address: string, total = defaultTotal): Effect.Effect<QueryBudget, never, Scope.Scope> =>
  Effect.gen(function* () {
    const shares = new Map<QueryShares.Claim, number>()
    const state: State = {
      address,
      total,
      scope: yield* Effect.scope,
      trouble: yield* Trouble.make({ _tag: "Connections", address }),
      shares,
      room: QueryRoom.make(() => Math.max(1, QueryShares.forShards(total, shares.size))),
      share: 1,
      changed: Deferred.unsafeMake<void>(FiberId.none),
      pause: firstPause,
      refusedAt: Number.NEGATIVE_INFINITY,
      grownAt: Number.NEGATIVE_INFINITY,
      openUntil: Number.NEGATIVE_INFINITY,
      settledAt: Number.NEGATIVE_INFINITY
    }
    return { ...shared(state), join: (most) => join(state, most), room: state.room }
  })
