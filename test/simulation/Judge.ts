/**
 * Checks the invariants inside the simulated servers, at every log entry. `Judge` has the invariants of a process and its lock,
 * `ReplicaJudge` those of each replication.
 *
 * The network sets a `FiberRef` to the cause of each request that it delivers. An entry without a cause is an entry of the
 * servers, or of another client.
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
import type { Incarnation } from "./Incarnation.js"
import { type Plan, routesOf } from "./Plan.js"
import * as ReplicaJudge from "./ReplicaJudge.js"
import type { Configuration } from "./Route.js"

export const cause: FiberRef.FiberRef<Option.Option<ReplicaJudge.Cause>> = FiberRef.unsafeMake(
  Option.none<ReplicaJudge.Cause>()
)

export interface Judge {
  /** Completed with the first violation. */
  readonly violated: Deferred.Deferred<never, string>
  /** From now on only these replications must run. */
  readonly configured: (configuration: Configuration) => void
  /** From now on a source is silent: its copies need not be equal. */
  readonly sourceDied: (datacenter: string) => void
  /** Records a restore. A restore is no log entry. */
  readonly sourceRestored: (datacenter: string) => Effect.Effect<void>
  readonly destinationRestored: (datacenter: string) => Effect.Effect<void>
  /** From now on these keys of a replica cannot be equal. The other keys must be equal, and the status must not be `in-sync`. */
  readonly spare: (keys: ReadonlyArray<string>) => void
  readonly spareNothing: () => void
  readonly sparesAny: () => boolean
  /** Reports that a process or a replication has ended by itself: a violation. */
  readonly died: (incarnation: Incarnation, why: string) => void
  /** The replications that must run and whose source answers. */
  readonly alive: () => ReadonlyArray<ReplicaJudge.ReplicaJudge>
  /** The replications that must run and whose source is silent. */
  readonly silent: () => ReadonlyArray<ReplicaJudge.ReplicaJudge>
  /** Fails if a process that ended has left a session or a service. */
  readonly checkGone: (incarnation: Incarnation) => Effect.Effect<void>
}

export const make = (
  plan: Plan,
  lock: string,
  history: History,
  sim: SimConsul.SimConsul
): Effect.Effect<Judge, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Effect.clock
    const violated = yield* Deferred.make<never, string>()
    const now = () => clock.unsafeCurrentTimeMillis()

    const violation = (what: string) => {
      history.add(now(), `VIOLATION: ${what}`)
      Deferred.unsafeDone(violated, Effect.fail(what))
    }

    /** Keys that cannot be equal at present. */
    const spared = new Set<string>()

    const routes = routesOf(plan)
    const replicas = yield* Effect.forEach(routes, (route) =>
      ReplicaJudge.make(route, lock, { plan, history, sim, now, violation, spared })
    )
    const sources = new Set(routes.map(({ source }) => source))
    const from = (datacenter: string) => replicas.filter(({ route }) => route.source === datacenter)
    let configuration = plan.configuration
    const dead = new Set<string>()
    const running = (isDead: boolean) =>
      replicas.filter(
        ({ route }) =>
          dead.has(route.source) === isDead && configuration.some(({ prefix }) => prefix === route.prefix)
      )

    /**
     * Sessions and services that a restore brought back. If their process had ended, a session stays for its time to live, and a
     * service until its agent compares all services, about once a minute.
     */
    const restored = new Set<string>()

    /** The sessions that any process has created. */
    const ours = new Set<string>()

    /** The number of leaderships of each datacenter. */
    const leaderships = new Map<string, number>()

    /** All processes that have changed something. */
    const incarnations = new Set<Incarnation>()

    const checkLock = (
      { datacenter, command }: SimConsul.Commit,
      { after }: SimConsul.KeyChange,
      { by, request }: ReplicaJudge.Cause
    ) => {
      const takes = after !== undefined && (after.session === "" || by.sessions.has(after.session))
      if (!takes)
        violation(`${by.name} (request ${request}) changes ${lock}, the lock, without a session of its own`)
      if (command._tag !== "Lock") return
      history.count("leaderships")
      const led = (leaderships.get(datacenter) ?? 0) + 1
      leaderships.set(datacenter, led)
      if (led > plan.mostLeaderships && now() <= plan.calmAt) {
        violation(`${by.name} (request ${request}) takes the lock, which nothing has cost the leader before`)
      }
    }

    /** The replication of an entry, by the keys that the entry changes, or by the status in its transaction. */
    const ownerOf = (commit: SimConsul.Commit, { by, request }: ReplicaJudge.Cause) => {
      const { changes, command } = commit
      const keys = changes.flatMap(({ key }) => (key === lock ? [] : [key]))
      const what = () =>
        `${by.name} (request ${request}) changes ${keys.map((key) => JSON.stringify(key)).join(", ")}`
      const statuses = command._tag === "Txn" ? new Set(command.operations.map(({ key }) => key)) : undefined
      const guarding = replicas.find(({ route }) => statuses?.has(route.status))
      const [owner, ...others] = replicas.filter(({ owns }) => keys.some(owns))
      const outside = keys.find((key) => owner?.owns(key) !== true)
      if (others.length > 0) violation(`${what()}, which are of several replications`)
      else if (outside !== undefined)
        violation(`${what()}: ${JSON.stringify(outside)} is none of the replica`)
      else if (guarding !== undefined && owner !== undefined && guarding !== owner)
        violation(`${what()} for ${JSON.stringify(guarding.route.prefix)}, which is another replication's`)
      return owner
    }

    const causeOf = (): Option.Option<ReplicaJudge.Cause> =>
      Option.flatMap(Fiber.getCurrentFiber(), (fiber) => fiber.getFiberRef(cause))

    yield* sim.observe((commit) => {
      const { changes, command, datacenter, reply } = commit
      const isSource = sources.has(datacenter)
      // A key that is written and deleted in one transaction changes only the index.
      if (isSource && commit.before.kv !== commit.after.kv) {
        for (const { sourceChanged } of from(datacenter)) sourceChanged(commit)
      }
      const found = causeOf()
      if (Option.isNone(found)) {
        if (!isSource) for (const { othersChanged } of replicas) othersChanged(commit)
        return
      }
      const { by, request } = found.value
      incarnations.add(by)
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
      if (changes.length === 0) return
      history.add(
        now(),
        `${datacenter} ${commit.index}: ${by.name} #${request} ${command._tag} ${changes
          .map(({ after, key }) => (after === undefined ? "-" : "") + JSON.stringify(key))
          .join(" ")}`
      )
      if (datacenter !== by.datacenter)
        violation(`${by.name} (request ${request}) changes keys in ${datacenter}`)
      for (const change of changes) if (change.key === lock) checkLock(commit, change, found.value)
      if (changes.some(({ key }) => key !== lock)) ownerOf(commit, found.value)?.check(commit, found.value)
    })

    return {
      violated,
      configured: (next) => {
        configuration = next
      },
      sourceDied: (datacenter) => dead.add(datacenter),
      sourceRestored: (datacenter) =>
        Effect.forEach(from(datacenter), ({ sourceRestored }) => sourceRestored, { discard: true }),
      destinationRestored: (datacenter) =>
        Effect.flatMap(sim.state(datacenter), ({ services, sessions }) => {
          for (const by of incarnations) if (by.datacenter === datacenter) by.pardoned = by.sent
          for (const { id } of OrderedMap.values(sessions)) restored.add(id)
          for (const { id } of OrderedMap.values(services)) restored.add(id)
          return Effect.forEach(replicas, ({ destinationRestored }) => destinationRestored(datacenter), {
            discard: true
          })
        }),
      spare: (keys) => {
        for (const key of keys) spared.add(key)
      },
      spareNothing: () => spared.clear(),
      sparesAny: () => spared.size > 0,
      died: ({ name }, why) => violation(`${name} died: ${why}`),
      alive: () => running(false),
      silent: () => running(true),
      checkGone: (incarnation) =>
        Effect.map(sim.state(incarnation.datacenter), (state) => {
          const { name } = incarnation
          const left = (ids: ReadonlySet<string>) => new Set([...ids].filter((id) => !restored.has(id)))
          const services = left(incarnation.services)
          const sessions = left(incarnation.sessions)
          // Without an agent, a session whose creation was not answered lives for its time to live, without a lock.
          for (const { id } of OrderedMap.values(state.sessions)) {
            if (sessions.has(id) && !plan.agentless) violation(`${name} stopped and left a session`)
          }
          for (const { id } of OrderedMap.values(state.services)) {
            if (services.has(id)) violation(`${name} stopped and left a service`)
          }
          const holder = OrderedMap.get(state.kv, lock)?.session ?? ""
          if (sessions.has(holder)) violation(`${name} stopped and left the lock`)
        })
    }
  })
