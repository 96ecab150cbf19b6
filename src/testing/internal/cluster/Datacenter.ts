/**
 * The servers of one datacenter as one: a state, a log that changes it, a leader or none, and the queries that wait.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { ByteString } from "../go/ByteString.js"
import * as OrderedMap from "../go/OrderedMap.js"
import * as Uuid from "../go/Uuid.js"
import * as Refusal from "../http/Refusal.js"
import * as Command from "./Command.js"
import * as Sessions from "./Sessions.js"
import * as Settings from "./Settings.js"
import * as Store from "./Store.js"
import * as Timers from "./Timers.js"

/**
 * One log entry that the servers agreed on, with all that it did.
 *
 * @since 0.1.0
 * @category models
 */
export interface Commit {
  readonly datacenter: string
  /** The log's index of this entry: the ModifyIndex of what it wrote. */
  readonly index: number
  /** The agent that the request came to; none for what the servers or a test did by themselves. */
  readonly agent: string | undefined
  readonly command: Command.Command
  /** Whether it was done; a failed one (a lock that another holds, a stale index) changes nothing. */
  readonly reply: Command.Reply
  readonly changes: ReadonlyArray<Command.KeyChange>
  /** The sessions that ended with it. */
  readonly ended: ReadonlyArray<Store.Session>
  readonly before: Store.State
  readonly after: Store.State
}

/** What may be read, what index goes with it, and which commits can have changed that. */
export interface Query<A> {
  readonly read: (state: Store.State) => Read<A>
  readonly wakes: (commit: Commit) => boolean
}

export interface Read<A> {
  readonly index: number
  readonly value: A
}

export interface Wait {
  /** Answer when the index is above this; 0 is at once. */
  readonly index: bigint
  /** How long to wait for that, in milliseconds; 0 is the default. */
  readonly milliseconds: number
}

export interface Datacenter {
  readonly name: string
  readonly timers: Timers.Timers
  readonly state: () => Store.State
  readonly hasLeader: () => boolean
  /** Succeeds with a leader, waiting for one for 7 s and a little. */
  readonly led: Effect.Effect<void, Refusal.Refusal>
  /** Adds an entry to the log. For those who have made sure of a leader. */
  readonly commit: (command: Command.Command, agent: string | undefined) => Command.Reply
  /** Reads, waiting if asked to. Interruption ends the wait. */
  readonly query: <A>(query: Query<A>, wait: Wait) => Effect.Effect<Read<A>>
  /** Starts a session's TTL anew. */
  readonly renew: (session: Store.Session) => void
  readonly settings: () => Settings.Settings
  readonly configure: (settings: Partial<Settings.Settings>) => void
  readonly setLeader: (leader: boolean) => void
  readonly restore: (state: Store.State, index: number) => void
  /** Calls back after each restore. */
  readonly onRestore: (listener: () => void) => void
  /** Calls back within each commit, after the change and before anyone hears of it. */
  readonly observe: (observer: (commit: Commit) => void) => () => void
}

/** For how long a request waits for a leader, in milliseconds (`rpc_hold_timeout`). */
const holdTimeout = 7_000
/** Waits are lengthened by up to this part of themselves, so that they don't all end together. */
const jitterFraction = 16
const defaultWait = 300_000
const longestWait = 600_000
/** A tombstone is kept for 15 minutes, rounded up to half a minute. */
const tombstoneLife = 900_000
const tombstoneGrain = 30_000

interface Waiter {
  readonly wakes: (commit: Commit) => boolean
  /** Reads again, and answers if that is new enough. */
  readonly retry: () => void
  /** Answers with what was read last. */
  readonly abandon: () => void
}

export const make = (
  name: string,
  given: Partial<Settings.Settings>
): Effect.Effect<Datacenter, never, Scope.Scope> =>
  Effect.gen(function* () {
    const random = yield* Effect.random
    const timers = yield* Timers.make
    const observers = new Set<(commit: Commit) => void>()
    const restores: Array<() => void> = []
    const waiters = new Set<Waiter>()
    const expiries = new Map<ByteString, Timers.Cancel>()
    const graves = new Map<number, number>()
    let state: Store.State = { ...Store.empty, index: 4 }
    let settings: Settings.Settings = { ...Settings.defaults, ...given }
    // While there is no leader: done when there is one again.
    let leaderless: Option.Option<Deferred.Deferred<void>> = Option.none()

    const jittered = (milliseconds: number) =>
      Effect.map(random.next, (part) => milliseconds + (part * milliseconds) / jitterFraction)

    const commit = (command: Command.Command, agent: string | undefined): Command.Reply => {
      const before = state
      const { state: after, reply, changes, ended } = Command.apply(before, command, timers.now())
      state = after
      const done: Commit = {
        datacenter: name,
        index: after.index,
        agent,
        command,
        reply,
        changes,
        ended,
        before,
        after
      }
      for (const observer of observers) observer(done)
      for (const session of ended) stopExpiry(session.id)
      if (command._tag === "SessionCreate") startExpiry(command.session.id)
      if (Store.indexOf(after, "tombstones") === after.index) reapLater(after.index, tombstoneLife)
      for (const waiter of Array.from(waiters)) if (waiter.wakes(done)) waiter.retry()
      return reply
    }

    // --- what the leader does by itself

    const stopExpiry = (id: ByteString) => {
      expiries.get(Uuid.canonical(id))?.()
      expiries.delete(Uuid.canonical(id))
    }

    const startExpiry = (id: ByteString) => {
      stopExpiry(id)
      const session = OrderedMap.get(state.sessions, Uuid.canonical(id))
      if (session === undefined) return
      const life = Sessions.expiresAfter(session)
      if (Option.isNone(life)) return
      const end = () => commit({ _tag: "SessionDestroy", id: session.id }, undefined)
      expiries.set(Uuid.canonical(id), timers.after(life.value, end))
    }

    const stopExpiries = () => {
      for (const cancel of expiries.values()) cancel()
      expiries.clear()
    }

    const startExpiries = () => {
      for (const session of OrderedMap.values(state.sessions)) startExpiry(session.id)
    }

    /** Reaps the tombstones up to an index when they are old enough, or later when there is a leader. */
    const reapLater = (index: number, life: number) => {
      const due = Math.ceil((timers.now() + life) / tombstoneGrain) * tombstoneGrain
      const known = graves.has(due)
      graves.set(due, index)
      if (known) return
      timers.after(due - timers.now(), () => {
        const upTo = graves.get(due) ?? index
        graves.delete(due)
        if (Option.isNone(leaderless)) commit({ _tag: "ReapTombstones", index: upTo }, undefined)
        else reapLater(upTo, tombstoneGrain)
      })
    }

    // --- what waits

    const timeout = (milliseconds: number): Effect.Effect<void> =>
      Effect.async<void>((resume) => {
        const cancel = timers.after(milliseconds, () => resume(Effect.void))
        return Effect.sync(cancel)
      })

    const led = Effect.suspend(() =>
      Option.match(leaderless, {
        onNone: () => Effect.void,
        onSome: (back) =>
          Effect.raceFirst(
            Deferred.await(back),
            jittered(holdTimeout).pipe(
              Effect.flatMap(timeout),
              Effect.zipRight(Effect.fail(Refusal.failed("No cluster leader")))
            )
          )
      })
    )

    const block = <A>(query: Query<A>, index: bigint, milliseconds: number): Effect.Effect<Read<A>> =>
      Effect.async<Read<A>>((resume) => {
        let last = query.read(state)
        const answer = () => {
          stop()
          resume(Effect.succeed(last))
        }
        const retry = () => {
          last = query.read(state)
          if (isNew(last)) answer()
        }
        const isNew = (read: Read<A>) => BigInt(Math.max(read.index, 1)) > index
        const waiter: Waiter = { wakes: query.wakes, retry, abandon: answer }
        const cancel = timers.after(milliseconds, answer)
        const stop = () => {
          cancel()
          waiters.delete(waiter)
        }
        waiters.add(waiter)
        if (isNew(last)) answer()
        return Effect.sync(stop)
      })

    return {
      name,
      timers,
      state: () => state,
      hasLeader: () => Option.isNone(leaderless),
      led,
      commit,
      query: (query, wait) => {
        if (wait.index === 0n) return Effect.sync(() => query.read(state))
        const asked = wait.milliseconds <= 0 ? defaultWait : Math.min(wait.milliseconds, longestWait)
        return Effect.flatMap(jittered(asked), (milliseconds) => block(query, wait.index, milliseconds))
      },
      renew: (session) => startExpiry(session.id),
      settings: () => settings,
      configure: (changed) => {
        settings = { ...settings, ...changed }
      },
      setLeader: (present) => {
        if (present === Option.isNone(leaderless)) return
        if (present) {
          startExpiries()
          Option.map(leaderless, (back) => Deferred.unsafeDone(back, Effect.void))
          leaderless = Option.none()
        } else {
          stopExpiries()
          leaderless = Option.some(Deferred.unsafeMake<void>(FiberId.none))
        }
      },
      restore: (restored, index) => {
        const waiting = Array.from(waiters)
        stopExpiries()
        state = { ...restored, index, lockDelays: new Map() }
        if (Option.isNone(leaderless)) startExpiries()
        for (const waiter of waiting) waiter.abandon()
        for (const listener of restores) listener()
      },
      onRestore: (listener) => {
        restores.push(listener)
      },
      observe: (observer) => {
        observers.add(observer)
        return () => void observers.delete(observer)
      }
    }
  })
