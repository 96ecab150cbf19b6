/**
 * The servers of one datacenter, simulated as one: the state, the log, the leader, and blocking queries.
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
 * A committed log entry with its result.
 *
 * @since 0.1.0
 * @category models
 */
export interface Commit {
  /** The name of the datacenter. */
  readonly datacenter: string
  /** The index of the entry in the log. It is the ModifyIndex of the keys that the entry wrote. */
  readonly index: number
  /** The agent that received the request. Absent if the servers or a test made the entry. */
  readonly agent: string | undefined
  /** The entry. */
  readonly command: Command.Command
  /** The servers' reply. A failed entry (another session has the lock, the index is stale) changes nothing. */
  readonly reply: Command.Reply
  /** The keys that changed. */
  readonly changes: ReadonlyArray<Command.KeyChange>
  /** The sessions that the entry ended. */
  readonly ended: ReadonlyArray<Store.Session>
  /** The state before the entry. */
  readonly before: Store.State
  /** The state after the entry. */
  readonly after: Store.State
}

/** A query that can block. */
export interface Query<A> {
  /** Reads a state. */
  readonly read: (state: Store.State) => Read<A>
  /** Whether a commit wakes the blocked query, so that it reads again. */
  readonly wakes: (commit: Commit) => boolean
}

export interface Read<A> {
  /** The index of the answer. */
  readonly index: number
  /** The content of the answer. */
  readonly value: A
}

/** The parameters of a blocking query. */
export interface Wait {
  /** The query blocks until the index of its answer is above this one. 0 does not block. */
  readonly index: bigint
  /** The longest time that the query blocks, in ms. 0 stands for the default of 5 minutes. */
  readonly milliseconds: number
}

export interface Datacenter {
  readonly name: string
  /** The clock and the timers of the servers. */
  readonly timers: Timers.Timers
  /** The present state. */
  readonly state: () => Store.State
  readonly hasLeader: () => boolean
  /** Succeeds when there is a leader. Fails after 7 s, and up to a sixteenth more, without one. */
  readonly led: Effect.Effect<void, Refusal.Refusal>
  /** Adds an entry to the log. The caller has checked that there is a leader, except for the entries of a test. */
  readonly commit: (command: Command.Command, agent: string | undefined) => Command.Reply
  /** Runs a query, which blocks as `wait` says. Interruption ends the query. */
  readonly query: <A>(query: Query<A>, wait: Wait) => Effect.Effect<Read<A>>
  /** Restarts the TTL of a session. */
  readonly renew: (session: Store.Session) => void
  /** The present settings. */
  readonly settings: () => Settings.Settings
  /** Changes some settings. */
  readonly configure: (settings: Partial<Settings.Settings>) => void
  /** Elects a leader (`true`), or takes the leader away (`false`). */
  readonly setLeader: (leader: boolean) => void
  /** Replaces the state. `index` is the index of the log after the restore. */
  readonly restore: (state: Store.State, index: number) => void
  /** Calls a listener after each restore. */
  readonly onRestore: (listener: () => void) => void
  /** Calls an observer within each commit: after the change of the state, and before any query wakes. Returns the unsubscription. */
  readonly observe: (observer: (commit: Commit) => void) => () => void
}

/** The time for which a request waits for a leader, in ms (`rpc_hold_timeout`). */
const holdTimeout = 7_000
/** Consul lengthens each wait by a random time of up to this fraction (1/16), so that not all waits end together. */
const jitterFraction = 16
/** In ms. */
const defaultWait = 300_000
/** In ms. */
const longestWait = 600_000
/** The life of a tombstone, in ms. */
const tombstoneLife = 900_000
/** The end of a tombstone's life is rounded up to a multiple of this, in ms. */
const tombstoneGrain = 30_000

/** A blocked query. */
interface Waiter {
  /** Whether a commit wakes the query. */
  readonly wakes: (commit: Commit) => boolean
  /** Reads again, and answers if the index is high enough. */
  readonly retry: () => void
  /** Answers with the last read. */
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
    // For each time at which tombstones are reaped, the index up to which they are reaped.
    const graves = new Map<number, number>()
    let state: Store.State = { ...Store.empty, index: 4 }
    let settings: Settings.Settings = { ...Settings.defaults, ...given }
    // Some while there is no leader. Completed when there is one again.
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

    // --- timers of the leader

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

    /** Reaps the tombstones up to an index after `life` ms. Without a leader at that time, tries again later. */
    const reapLater = (index: number, life: number) => {
      const due = Math.ceil((timers.now() + life) / tombstoneGrain) * tombstoneGrain
      const hasTimer = graves.has(due)
      graves.set(due, index)
      if (hasTimer) return
      timers.after(due - timers.now(), () => {
        const upTo = graves.get(due) ?? index
        graves.delete(due)
        if (Option.isNone(leaderless)) commit({ _tag: "ReapTombstones", index: upTo }, undefined)
        else reapLater(upTo, tombstoneGrain)
      })
    }

    // --- blocking queries

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
        const longest = wait.milliseconds <= 0 ? defaultWait : Math.min(wait.milliseconds, longestWait)
        return Effect.flatMap(jittered(longest), (milliseconds) => block(query, wait.index, milliseconds))
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
