/** The invariants of one replication, at all of its destinations. */
import * as Effect from "effect/Effect"
import type { SimConsul } from "../../src/testing/index.js"
import * as OrderedMap from "../../src/testing/internal/go/OrderedMap.js"
import type { History } from "./History.js"
import { completeViewAt, type Incarnation, oldestReadAt, viewOf } from "./Incarnation.js"
import type { Plan } from "./Plan.js"
import { atDestination, atSource, isCopy, isExcluded, type Route } from "./Route.js"
import * as SourcePast from "./SourcePast.js"
import { type Keys, sameContent } from "./SourcePast.js"

/** The request that caused an entry of the log. */
export interface Cause {
  readonly by: Incarnation
  /** The number of the request among those of the process, counted from 1. */
  readonly request: number
}

export interface ReplicaJudge {
  readonly route: Route
  /** Whether the replication may write a key of the destination: a copy, or its status. */
  readonly owns: (key: string) => boolean
  /** Records the changes of an entry of the source's log. */
  readonly sourceChanged: (commit: SimConsul.Commit) => void
  /** Records the changes of other clients at a destination. */
  readonly othersChanged: (commit: SimConsul.Commit) => void
  /** Checks an entry of a destination's log that changes keys of the replication. A violation ends the history. */
  readonly check: (commit: SimConsul.Commit, cause: Cause) => void
  /** Records a restore of the source. A restore is no log entry. */
  readonly sourceRestored: Effect.Effect<void>
  readonly destinationRestored: (datacenter: string) => Effect.Effect<void>
  /** Whether a destination equals the source, and the status says so. */
  readonly isConverged: (datacenter: string) => Effect.Effect<boolean>
  /** Whether the status reports that the source is silent. */
  readonly reportsSilence: (datacenter: string) => Effect.Effect<boolean>
  /** The difference between source and destination, for a message. */
  readonly difference: (datacenter: string) => Effect.Effect<string>
}

export interface Surroundings {
  readonly plan: Plan
  readonly history: History
  readonly sim: SimConsul.SimConsul
  /** The time in ms. */
  readonly now: () => number
  readonly violation: (what: string) => void
  /** Keys of destinations that cannot be equal to the source at present. */
  readonly spared: ReadonlySet<string>
}

/**
 * The time from one complete view of the source to the next, in one leadership. The status names the same index all the time.
 * While keys are refused, the status names that index also after the next complete view.
 */
interface Span {
  readonly index: unknown
  readonly session: unknown
  /** When the span began, in ms. */
  readonly at: number
  /** The keys of the destination when the span began, and those that were created since. */
  keys: number
  deletes: number
}

/** The time between two writes of a status. */
interface Pass {
  /** The keys of the destination when the pass began. */
  readonly keys: number
  /** The keys that the pass created. `deletes` counts deletes of older keys, `freshDeletes` deletes of keys in `fresh`. */
  readonly fresh: Set<string>
  deletes: number
  freshDeletes: number
}

interface Status {
  readonly State?: unknown
  readonly LastReplicated?: unknown
  readonly Session?: unknown
  readonly Prefix?: unknown
  readonly DestinationPrefix?: unknown
  readonly HeldDeletes?: number
  readonly RefusedWrites?: number
}

const decoder = new TextDecoder()

/** The most deletes that the default limit allows for a number of keys. */
const deletable = (keys: number) => Math.max(10, keys / 2)

export const make = (
  route: Route,
  lock: string,
  { history, now, plan, sim, spared, violation }: Surroundings
): Effect.Effect<ReplicaJudge> =>
  Effect.gen(function* () {
    const { destinationPrefix, prefix, source, status: statusKey } = route
    const past = SourcePast.make(prefix, now)
    const isReplica = (key: string) => isCopy(route, key) && key !== lock && key !== statusKey

    const differing = (from: Keys, to: Keys): ReadonlyArray<string> => {
      const keys = new Set<string>()
      for (const { key } of OrderedMap.withPrefix(from, prefix)) {
        if (key !== lock && key !== statusKey && !isExcluded(route, key)) keys.add(atDestination(route, key))
      }
      for (const { key } of OrderedMap.withPrefix(to, destinationPrefix)) if (isReplica(key)) keys.add(key)
      return Array.from(keys).filter(
        (key) => !sameContent(OrderedMap.get(from, atSource(route, key)), OrderedMap.get(to, key))
      )
    }

    /** Datacenters whose status another client wrote last. The next change repairs the status. */
    const overwritten = new Set<string>()

    /** Keys that another client wrote at a destination. A checkpoint may not include these writes yet. */
    const drifted = new Set<string>()

    /** The number of keys of each destination before its last pass. The delete limit of the pass is a share of it. */
    const judgedOf = new Map<string, number>()

    /** Destinations with deletes held past the limit. There all other deletes are held too, until none is left. */
    const holding = new Set<string>()

    const passes = new Map<string, Pass>()

    /** The present span of each destination, by datacenter. */
    const spans = new Map<string, Span>()

    /** The deletes since the last change of the index in the status. */
    const lately = new Map<string, { readonly index: unknown; readonly deletes: number }>()

    const replicaSize = (kv: Keys) =>
      OrderedMap.withPrefix(kv, destinationPrefix).filter(({ key }) => isReplica(key)).length

    const statusOf = (kv: Keys): Status | undefined => {
      const entry = OrderedMap.get(kv, statusKey)
      if (entry === undefined) return undefined
      try {
        return JSON.parse(decoder.decode(entry.value)) as Status
      } catch {
        return undefined
      }
    }

    /** Whether both sides are equal, except for held deletes that the status reports. */
    const isRight = (datacenter: string, from: Keys, to: Keys): boolean => {
      const all = differing(from, to)
      const wrong = all.filter((key) => !spared.has(key))
      const status = statusOf(to)
      const isSpared = wrong.length < all.length
      if (wrong.length === 0) {
        return overwritten.has(datacenter) || (status?.State === "in-sync") !== isSpared
      }
      const isExtra = (key: string) => OrderedMap.get(from, atSource(route, key)) === undefined
      const keys = judgedOf.get(datacenter) ?? replicaSize(to)
      // Shards report a loss one after another: some of its keys may be deleted before the limit is reached.
      const gone = plan.divided === undefined ? 0 : 10
      const isPastLimit = wrong.length + gone > deletable(keys + gone)
      if (!wrong.every(isExtra) || !(isPastLimit || holding.has(datacenter))) return false
      // Refused deletes are not tried while other deletes are held.
      const { HeldDeletes: held = 0, RefusedWrites: refused = 0, State: state } = status ?? {}
      const isSaid = state === (refused === 0 ? "deletes-held" : "writes-refused")
      // A spared key can count as refused although it is equal on both sides.
      const isCounted = isSpared ? held + refused >= all.length : held + refused === wrong.length
      if (!overwritten.has(datacenter) && !(isSaid && held > 0 && isCounted)) return false
      history.count("deletes held")
      return true
    }

    /** Whether no fault of the plan can end the lock, or make the destination unknown. */
    const isQuiet = plan.mostLeaderships === 1

    // --- the invariants

    const checkChange = (commit: SimConsul.Commit, change: SimConsul.KeyChange, { by, request }: Cause) => {
      const { after, before, key } = change
      const what = `${by.name} (request ${request}) ${after === undefined ? "deletes" : "writes"} ${JSON.stringify(key)}`
      if (sameContent(before, after)) return
      const view = viewOf(by, route)
      const holder = OrderedMap.get(commit.before.kv, lock)?.session ?? ""
      if (!by.sessions.has(holder)) return violation(`${what} without holding the lock`)
      if (request <= view.barrier && request > by.pardoned)
        return violation(`${what} late: it has looked at the destination since, or has stopped`)
      if (view.endedAt !== undefined && request > view.endedAt)
        return violation(`${what} after a reload has ended this replication`)
      if (key === statusKey) return
      const at = atSource(route, key)
      const since = oldestReadAt(view, at, after === undefined)
      if (since === undefined) return violation(`${what} without knowing the source`)
      if (!past.wasHeld(at, after, since)) {
        return violation(`${what}, which the source did not hold since ${since} ms`)
      }
    }

    /** A status that is written again unchanged is no change. */
    const isStatus = ({ command }: SimConsul.Commit) =>
      command._tag === "Txn" &&
      command.operations.some(({ key, verb }) => key === statusKey && (verb === "cas" || verb === "set"))

    const checkLimit = (commit: SimConsul.Commit, { by, request }: Cause) => {
      const pass = passes.get(commit.datacenter) ?? {
        keys: replicaSize(commit.before.kv),
        fresh: new Set(),
        deletes: 0,
        freshDeletes: 0
      }
      for (const { after, before, key } of commit.changes) {
        if (!isReplica(key)) continue
        if (before === undefined) pass.fresh.add(key)
        else if (after !== undefined) continue
        else if (pass.fresh.has(key)) pass.freshDeletes += 1
        else pass.deletes += 1
      }
      passes.set(commit.datacenter, pass)
      // Keys that a comparison wrote itself count as keys, but not as keys that existed before.
      const all = pass.deletes + pass.freshDeletes
      if (pass.deletes > deletable(pass.keys) || all > deletable(pass.keys + pass.fresh.size)) {
        violation(`${by.name} (request ${request}) deletes ${all} of ${pass.keys} keys`)
      }
      if (all > 0 && holding.has(commit.datacenter)) {
        violation(`${by.name} (request ${request}) deletes keys while it holds others back`)
      }
      const { HeldDeletes: held, LastReplicated: index, State: state } = statusOf(commit.after.kv) ?? {}
      // Shards of the source report the same loss one after another.
      const before = lately.get(commit.datacenter)
      const gone = all + (before !== undefined && before.index === index ? before.deletes : 0)
      if (isStatus(commit)) lately.set(commit.datacenter, { index, deletes: gone })
      // The next leader reads it in the status.
      if (typeof held !== "number" || held === 0) holding.delete(commit.datacenter)
      else if (state !== "comparing" && held + gone > deletable(pass.keys + gone)) {
        holding.add(commit.datacenter)
      }
      if (isStatus(commit)) {
        passes.delete(commit.datacenter)
        judgedOf.set(commit.datacenter, pass.keys)
      }
    }

    const checkSpan = (commit: SimConsul.Commit, { by, request }: Cause) => {
      const span = spans.get(commit.datacenter)
      if (span !== undefined) {
        for (const { after, before, key } of commit.changes) {
          if (!isReplica(key)) continue
          if (before === undefined) span.keys += 1
          if (after === undefined) span.deletes += 1
        }
        if (span.deletes > deletable(span.keys)) {
          violation(
            `${by.name} (request ${request}) deletes ${span.deletes} of ${span.keys} keys between two complete views of the source`
          )
        }
      }
      if (!isStatus(commit)) return
      const { LastReplicated: index, Session: session, State: state } = statusOf(commit.after.kv) ?? {}
      if (
        span !== undefined &&
        span.index === index &&
        span.session === session &&
        state !== "comparing" &&
        !(state === "writes-refused" && completeViewAt(viewOf(by, route), prefix) > span.at)
      ) {
        return
      }
      spans.set(commit.datacenter, {
        index,
        session,
        at: now(),
        keys: replicaSize(commit.after.kv),
        deletes: 0
      })
    }

    const checkCheckpoint = (commit: SimConsul.Commit, { by, request }: Cause) => {
      const status = statusOf(commit.after.kv)
      if (status?.State !== "in-sync") return
      history.count("checkpoints")
      const { LastReplicated: index } = status
      const candidates = typeof index === "number" ? past.at(index) : []
      // A shard may be ahead of the checkpoint, and so may a key that was read alone.
      const isLater = (key: string, at: number) =>
        past.wasHeld(atSource(route, key), OrderedMap.get(commit.after.kv, key), at)
      const missed = ({ at, kv }: SourcePast.Moment) =>
        differing(kv, commit.after.kv).filter(
          (key) => !drifted.has(`${commit.datacenter} ${key}`) && !isLater(key, at)
        )
      if (!candidates.some((one) => missed(one).length === 0)) {
        const [first] = candidates
        const keys = first === undefined ? [] : missed(first)
        violation(
          `the checkpoint of ${by.name} (request ${request}) names index ${String(index)}, ` +
            (first === undefined
              ? "which the source never had"
              : `whose changes have not landed: ${JSON.stringify(keys.slice(0, 5))}`)
        )
      }
    }

    /** Checks that a status belongs to its replication, and that a replication that continues neither stops nor restarts. */
    const checkStatus = (commit: SimConsul.Commit, { by, request }: Cause) => {
      const [before, after] = [statusOf(commit.before.kv), statusOf(commit.after.kv)]
      if (after === undefined) return
      const what = `${by.name} (request ${request}) writes ${JSON.stringify(statusKey)}`
      if (after.Prefix !== prefix || after.DestinationPrefix !== destinationPrefix) {
        return violation(`${what}, the status of ${JSON.stringify(prefix)}, for ${String(after.Prefix)}`)
      }
      const view = viewOf(by, route)
      if (after.State === "stopped") {
        view.barrier = by.sent
        const isToStop = by.isStopping || view.isEnding || view.endedAt !== undefined
        if (!isToStop && isQuiet) violation(`${what}: it has stopped, which nothing has asked for`)
      }
      const wasFollowing = before?.State !== "comparing" && before?.State !== "stopped"
      if (isQuiet && after.State === "comparing" && after.Session === before?.Session && wasFollowing) {
        violation(`${what}: it compares anew, for which there is no reason`)
      }
    }

    const start = yield* sim.state(source)
    past.remember(
      start,
      OrderedMap.values(start.kv).map(({ key }) => key)
    )

    const both = <A>(datacenter: string, use: (from: Keys, to: Keys) => A) =>
      Effect.map(Effect.all([sim.state(source), sim.state(datacenter)]), ([from, to]) => use(from.kv, to.kv))

    return {
      route,
      owns: (key) => key === statusKey || isReplica(key),
      sourceChanged: ({ after, changes }) =>
        past.remember(
          after,
          changes.map(({ key }) => key)
        ),
      othersChanged: ({ changes, datacenter }) => {
        for (const { key } of changes) {
          if (key === statusKey) overwritten.add(datacenter)
          if (isReplica(key)) drifted.add(`${datacenter} ${key}`)
        }
      },
      check: (commit, cause) => {
        for (const change of commit.changes) if (change.key !== lock) checkChange(commit, change, cause)
        checkLimit(commit, cause)
        checkSpan(commit, cause)
        if (!commit.changes.some(({ key }) => key === statusKey)) return
        overwritten.delete(commit.datacenter)
        checkCheckpoint(commit, cause)
        checkStatus(commit, cause)
      },
      sourceRestored: Effect.map(sim.state(source), (state) => {
        const keys = new Set(past.keys())
        for (const { key } of OrderedMap.withPrefix(state.kv, prefix)) keys.add(key)
        past.remember(state, keys)
      }),
      destinationRestored: (datacenter) =>
        Effect.map(sim.state(datacenter), ({ kv }) => {
          passes.delete(datacenter)
          spans.delete(datacenter)
          lately.delete(datacenter)
          judgedOf.delete(datacenter)
          // The next leader reads it in the present status.
          if ((statusOf(kv)?.HeldDeletes ?? 0) > 0) holding.add(datacenter)
          else holding.delete(datacenter)
          for (const { key } of OrderedMap.withPrefix(kv, destinationPrefix))
            drifted.add(`${datacenter} ${key}`)
          for (const key of past.keys()) drifted.add(`${datacenter} ${atDestination(route, key)}`)
        }),
      isConverged: (datacenter) => both(datacenter, (from, to) => isRight(datacenter, from, to)),
      reportsSilence: (datacenter) => both(datacenter, (_, to) => statusOf(to)?.State === "source-silent"),
      difference: (datacenter) =>
        both(datacenter, (from, to) =>
          JSON.stringify({ keys: differing(from, to).slice(0, 5), state: statusOf(to)?.State })
        )
    }
  })
