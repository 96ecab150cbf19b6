/**
 * The invariants, checked inside of the simulated servers at every log entry, where nothing can lie.
 *
 * Who caused an entry is told by a `FiberRef` that the network sets around each request that it delivers; entries
 * without one are the servers' own or somebody else's.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { SimConsul } from "../../src/testing/index.js"
import * as OrderedMap from "../../src/testing/internal/go/OrderedMap.js"
import type { History } from "./History.js"
import { type Incarnation, knownSince } from "./Incarnation.js"
import type { Plan } from "./Plan.js"
import * as SourcePast from "./SourcePast.js"
import { type Keys, sameContent } from "./SourcePast.js"

/** The request that an entry of the log came with. */
export interface Cause {
  readonly by: Incarnation
  /** Which of its requests, counted from 1. */
  readonly request: number
}

export const cause: FiberRef.FiberRef<Option.Option<Cause>> = FiberRef.unsafeMake(Option.none<Cause>())

export interface Judge {
  /** Done with the first violation. */
  readonly violated: Deferred.Deferred<never, string>
  /** To be told after a restore, which is no log entry. */
  readonly sourceRestored: Effect.Effect<void>
  readonly destinationRestored: (datacenter: string) => Effect.Effect<void>
  /** These keys of a replica cannot be as they should: the others must, and the status must not say `in-sync`. */
  readonly spare: (keys: ReadonlyArray<string>) => void
  readonly spareNothing: () => void
  readonly sparesAny: () => boolean
  /** A process has ended by itself, which none may. */
  readonly died: (incarnation: Incarnation, why: string) => void
  /** Whether a destination equals the source, and its status says so. */
  readonly isConverged: (datacenter: string) => Effect.Effect<boolean>
  /** What differs, for a message. */
  readonly difference: (datacenter: string) => Effect.Effect<string>
  /** Fails when a process that ended has left something. */
  readonly checkGone: (incarnation: Incarnation) => Effect.Effect<void>
}

const decoder = new TextDecoder()

export const make = (
  plan: Plan,
  own: { readonly lock: string; readonly status: string },
  history: History,
  sim: SimConsul.SimConsul
): Effect.Effect<Judge, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { destinationPrefix, prefix, source } = plan
    const clock = yield* Effect.clock
    const violated = yield* Deferred.make<never, string>()
    const now = () => clock.unsafeCurrentTimeMillis()

    const violation = (what: string) => {
      history.add(now(), `VIOLATION: ${what}`)
      Deferred.unsafeDone(violated, Effect.fail(what))
    }

    const past = SourcePast.make(prefix, now)

    // --- what a replica should hold

    const isOwn = (key: string) => key === own.lock || key === own.status
    const sourceKey = (key: string) => prefix + key.slice(destinationPrefix.length)
    const isExcluded = (key: string) => plan.exclude.some((front) => key.startsWith(front))
    const isReplica = (key: string) =>
      key.startsWith(destinationPrefix) && !isOwn(key) && !isExcluded(sourceKey(key))

    const differing = (from: Keys, to: Keys): ReadonlyArray<string> => {
      const keys = new Set<string>()
      for (const { key } of OrderedMap.withPrefix(from, prefix)) {
        if (!isOwn(key) && !isExcluded(key)) keys.add(destinationPrefix + key.slice(prefix.length))
      }
      for (const { key } of OrderedMap.withPrefix(to, destinationPrefix)) if (isReplica(key)) keys.add(key)
      return Array.from(keys).filter(
        (key) => !sameContent(OrderedMap.get(from, sourceKey(key)), OrderedMap.get(to, key))
      )
    }

    /** Datacenters whose status somebody else wrote last; the next change puts it right. */
    const overwritten = new Set<string>()

    /** Keys that somebody else wrote at a destination: a checkpoint may not know of them yet. */
    const drifted = new Set<string>()

    const replicaSize = (kv: Keys) =>
      OrderedMap.withPrefix(kv, destinationPrefix).filter(({ key }) => isReplica(key)).length

    /** How many keys a destination held before its last pass: of so many its deletes were judged. */
    const judgedOf = new Map<string, number>()

    /** The default of the option, and those that are never held. */
    const deletable = (keys: number) => Math.max(10, keys / 2)

    /** Destinations where deletes past the limit are held back: there all others are too, until none is left. */
    const holding = new Set<string>()

    /**
     * Sessions and services that a restore brought back. What a process had ended before stays: a session for its time to
     * live, a service until its agent compares all that it has, about once a minute.
     */
    const restored = new Set<string>()

    /** Keys that nobody can expect to be right for now. */
    const spared = new Set<string>()

    /** Equal, or but for deletes past the limit that are held back and said to be. */
    const isRight = (datacenter: string, from: Keys, to: Keys): boolean => {
      const all = differing(from, to)
      const wrong = all.filter((key) => !spared.has(key))
      const status = statusOf(to)
      const isSpared = wrong.length < all.length
      if (wrong.length === 0) {
        return overwritten.has(datacenter) || (status?.State === "in-sync") !== isSpared
      }
      const isExtra = (key: string) => OrderedMap.get(from, sourceKey(key)) === undefined
      const keys = judgedOf.get(datacenter) ?? replicaSize(to)
      // Told by parts one after another, some of the same loss may have gone before it was judged.
      const gone = plan.divided === undefined ? 0 : 10
      const isPastLimit = wrong.length + gone > deletable(keys + gone)
      if (!wrong.every(isExtra) || !(isPastLimit || holding.has(datacenter))) return false
      // Deletes that were refused are not tried while others are held.
      const { HeldDeletes: held = 0, RefusedWrites: refused = 0, State: state } = status ?? {}
      const isSaid = state === (refused === 0 ? "deletes-held" : "writes-refused")
      // A spared key can count as refused though it is as it should be.
      const isCounted = isSpared ? held + refused >= all.length : held + refused === wrong.length
      if (!overwritten.has(datacenter) && !(isSaid && held > 0 && isCounted)) return false
      history.count("deletes held")
      return true
    }

    const statusOf = (kv: Keys) => {
      const entry = OrderedMap.get(kv, own.status)
      if (entry === undefined) return undefined
      try {
        return JSON.parse(decoder.decode(entry.value)) as {
          State?: unknown
          LastReplicated?: unknown
          HeldDeletes?: number
          RefusedWrites?: number
        }
      } catch {
        return undefined
      }
    }

    // --- the invariants

    /** The sessions that any process has created. */
    const ours = new Set<string>()

    const checkChange = (commit: SimConsul.Commit, change: SimConsul.KeyChange, { by, request }: Cause) => {
      const { after, before, key } = change
      const what = `${by.name} (request ${request}) ${after === undefined ? "deletes" : "writes"} ${JSON.stringify(key)}`
      const isSame = sameContent(before, after)
      if (commit.datacenter !== by.datacenter) return violation(`${what} in ${commit.datacenter}`)
      if (key === own.lock) {
        const takes = after !== undefined && (after.session === "" || by.sessions.has(after.session))
        return takes ? undefined : violation(`${what}, the lock, without a session of its own`)
      }
      if (!isOwn(key) && !isReplica(key)) return violation(`${what}, which is none of the replica`)
      if (isSame) return
      const holder = OrderedMap.get(commit.before.kv, own.lock)?.session ?? ""
      if (!by.sessions.has(holder)) return violation(`${what} without holding the lock`)
      if (request <= by.barrier && request > by.pardoned)
        return violation(`${what} late: it has looked at the destination since`)
      if (isOwn(key)) return
      const since = knownSince(by, sourceKey(key), after === undefined)
      if (since === undefined) return violation(`${what} without knowing the source`)
      if (!past.wasHeld(sourceKey(key), after, since)) {
        return violation(`${what}, which the source did not hold since ${since} ms`)
      }
    }

    /** Since the last write of a status: how many keys there were then, which came, and how many of both have gone. */
    const passes = new Map<
      string,
      { keys: number; fresh: Set<string>; deletes: number; freshDeletes: number }
    >()

    /** Written again as it was, it is no change. */
    const isStatus = ({ command }: SimConsul.Commit) =>
      command._tag === "Txn" &&
      command.operations.some(({ key, verb }) => key === own.status && (verb === "cas" || verb === "set"))

    /** Deletes since the status names the index that it names. */
    const lately = new Map<string, { index: unknown; deletes: number }>()

    const checkLimit = (commit: SimConsul.Commit, { by, request }: Cause) => {
      const pass = passes.get(by.datacenter) ?? {
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
      passes.set(by.datacenter, pass)
      // Keys that a comparison wrote itself are judged among all, and say nothing about those that there were.
      const all = pass.deletes + pass.freshDeletes
      if (pass.deletes > deletable(pass.keys) || all > deletable(pass.keys + pass.fresh.size)) {
        violation(`${by.name} (request ${request}) deletes ${all} of ${pass.keys} keys`)
      }
      if (all > 0 && holding.has(by.datacenter)) {
        violation(`${by.name} (request ${request}) deletes keys while it holds others back`)
      }
      const { HeldDeletes: held, LastReplicated: index, State: state } = statusOf(commit.after.kv) ?? {}
      // Parts of the source told of the same loss one after another.
      const before = lately.get(by.datacenter)
      const gone = all + (before !== undefined && before.index === index ? before.deletes : 0)
      if (isStatus(commit)) lately.set(by.datacenter, { index, deletes: gone })
      // Whoever takes over meanwhile knows it by the status.
      if (typeof held !== "number" || held === 0) holding.delete(by.datacenter)
      else if (state !== "comparing" && held + gone > deletable(pass.keys + gone)) {
        holding.add(by.datacenter)
      }
      if (isStatus(commit)) {
        passes.delete(by.datacenter)
        judgedOf.set(by.datacenter, pass.keys)
      }
    }

    const checkCheckpoint = (commit: SimConsul.Commit, { by, request }: Cause) => {
      const status = statusOf(commit.after.kv)
      if (status?.State !== "in-sync") return
      history.count("checkpoints")
      const { LastReplicated: index } = status
      const candidates = typeof index === "number" ? past.at(index) : []
      // Parts of the source may be further than the checkpoint tells, and so is a key that was read alone.
      const isLater = (key: string, at: number) =>
        past.wasHeld(sourceKey(key), OrderedMap.get(commit.after.kv, key), at)
      const missed = ({ at, kv }: { readonly kv: Keys; readonly at: number }) =>
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

    /** By datacenter. */
    const leaderships = new Map<string, number>()

    /** All processes that have changed something. */
    const incarnations = new Set<Incarnation>()

    const causeOf = (): Option.Option<Cause> =>
      Option.flatMap(Fiber.getCurrentFiber(), (fiber) => fiber.getFiberRef(cause))

    yield* sim.observe((commit) => {
      // A key that is written and deleted at once has changed nothing, but the index.
      if (commit.datacenter === source && commit.before.kv !== commit.after.kv) {
        past.remember(
          commit.after,
          commit.changes.map(({ key }) => key)
        )
      }
      const found = causeOf()
      if (commit.changes.some(({ key }) => key === own.status)) {
        if (Option.isNone(found)) overwritten.add(commit.datacenter)
        else overwritten.delete(commit.datacenter)
      }
      if (Option.isNone(found)) {
        if (commit.datacenter !== source) {
          for (const { key } of commit.changes) if (isReplica(key)) drifted.add(`${commit.datacenter} ${key}`)
        }
        return
      }
      const { by, request } = found.value
      incarnations.add(by)
      const { command, reply } = commit
      if (command._tag === "SessionCreate") {
        by.sessions.add(command.session.id)
        ours.add(command.session.id)
      }
      for (const { id, name } of commit.ended) {
        if (!ours.has(id))
          violation(`${by.name} (request ${request}) ends the session ${name} of somebody else`)
      }
      if (reply._tag === "Failures") {
        for (const { opIndex } of reply.failures) {
          if (opIndex === 0) history.count("refused by the fence")
          if (opIndex === 1) history.count("refused by the guard")
        }
      }
      if (commit.changes.length === 0) return
      history.add(
        now(),
        `${commit.datacenter} ${commit.index}: ${by.name} #${request} ${command._tag} ${commit.changes
          .map(({ after, key }) => (after === undefined ? "-" : "") + JSON.stringify(key))
          .join(" ")}`
      )
      for (const change of commit.changes) checkChange(commit, change, found.value)
      checkLimit(commit, found.value)
      if (commit.changes.some(({ key }) => key === own.status)) checkCheckpoint(commit, found.value)
      if (command._tag === "Lock" && commit.changes.some(({ key }) => key === own.lock)) {
        history.count("leaderships")
        const led = (leaderships.get(commit.datacenter) ?? 0) + 1
        leaderships.set(commit.datacenter, led)
        if (led > plan.mostLeaderships && now() <= plan.calmAt) {
          violation(
            `${by.name} (request ${request}) takes the lock, which nothing has cost the leader before`
          )
        }
      }
    })

    const start = yield* sim.state(source)
    past.remember(
      start,
      OrderedMap.values(start.kv).map(({ key }) => key)
    )

    return {
      violated,
      sourceRestored: Effect.map(sim.state(source), (state) => {
        const keys = new Set(past.keys())
        for (const { key } of OrderedMap.withPrefix(state.kv, prefix)) keys.add(key)
        past.remember(state, keys)
      }),
      destinationRestored: (datacenter) =>
        Effect.map(sim.state(datacenter), ({ kv, services, sessions }) => {
          for (const by of incarnations) if (by.datacenter === datacenter) by.pardoned = by.sent
          for (const { id } of OrderedMap.values(sessions)) restored.add(id)
          for (const { id } of OrderedMap.values(services)) restored.add(id)
          passes.delete(datacenter)
          lately.delete(datacenter)
          judgedOf.delete(datacenter)
          // Whoever leads next knows it by the status of then.
          if ((statusOf(kv)?.HeldDeletes ?? 0) > 0) holding.add(datacenter)
          else holding.delete(datacenter)
          for (const { key } of OrderedMap.withPrefix(kv, destinationPrefix))
            drifted.add(`${datacenter} ${key}`)
          for (const key of past.keys()) {
            drifted.add(`${datacenter} ${destinationPrefix}${key.slice(prefix.length)}`)
          }
        }),
      spare: (keys) => {
        for (const key of keys) spared.add(key)
      },
      spareNothing: () => spared.clear(),
      sparesAny: () => spared.size > 0,
      died: ({ name }, why) => violation(`${name} died: ${why}`),
      isConverged: (datacenter) =>
        Effect.map(Effect.all([sim.state(source), sim.state(datacenter)]), ([from, to]) =>
          isRight(datacenter, from.kv, to.kv)
        ),
      difference: (datacenter) =>
        Effect.map(Effect.all([sim.state(source), sim.state(datacenter)]), ([from, to]) =>
          JSON.stringify({
            keys: differing(from.kv, to.kv).slice(0, 5),
            state: statusOf(to.kv)?.State
          })
        ),
      checkGone: (incarnation) =>
        Effect.map(sim.state(incarnation.datacenter), (state) => {
          const { name } = incarnation
          const left = (ids: ReadonlySet<string>) => new Set([...ids].filter((id) => !restored.has(id)))
          const services = left(incarnation.services)
          const sessions = left(incarnation.sessions)
          // Without an agent, a session whose creation was not answered lives for its time, and holds nothing.
          for (const { id } of OrderedMap.values(state.sessions)) {
            if (sessions.has(id) && !plan.agentless) violation(`${name} stopped and left a session`)
          }
          for (const { id } of OrderedMap.values(state.services)) {
            if (services.has(id)) violation(`${name} stopped and left a service`)
          }
          const holder = OrderedMap.get(state.kv, own.lock)?.session ?? ""
          if (sessions.has(holder)) violation(`${name} stopped and left the lock`)
        })
    }
  })
