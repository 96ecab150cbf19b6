/**
 * An agent: its services and checks, their timers, and the synchronization of the servers' catalog with them.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import type { ByteString } from "../go/ByteString.js"
import * as OrderedMap from "../go/OrderedMap.js"
import type * as Catalog from "./Catalog.js"
import type * as Datacenter from "./Datacenter.js"
import * as Store from "./Store.js"
import * as Timers from "./Timers.js"

export interface LocalService extends Catalog.NewService {
  /** Empty if the service has none. In the catalog `meta` is then absent. */
  readonly meta: ReadonlyMap<ByteString, ByteString>
}

/** A check with the rules that its agent does not register with the servers. */
export interface LocalCheck {
  /** The check as the servers register it. */
  readonly check: Catalog.NewCheck
  /** The check becomes critical after this time without an update, in ms. */
  readonly ttl: number
  /** The service of the check is deregistered after the check was critical for this time, in ms. */
  readonly deregisterAfter: Option.Option<number>
}

export interface Agent {
  /** The node name. */
  readonly name: string
  /** The node id. */
  readonly id: ByteString
  /** The address of the node, without a port. */
  readonly host: string
  /** Whether the agent is a server. */
  readonly server: boolean
  /** The clock and the timers of the agent. */
  readonly timers: Timers.Timers
  /** The services that are registered with the agent. */
  readonly services: () => ReadonlyArray<LocalService>
  /** The checks that are registered with the agent. */
  readonly checks: () => ReadonlyArray<Catalog.NewCheck>
  /** Registers a service with its checks. */
  readonly addService: (service: LocalService, checks: ReadonlyArray<LocalCheck>) => void
  /** Deregisters a service and its checks. */
  readonly removeService: (id: ByteString) => void
  /** Registers a check. */
  readonly addCheck: (check: LocalCheck) => void
  /** Deregisters a check. */
  readonly removeCheck: (id: ByteString) => void
  /** Sets the status and the output of a check, and restarts its TTL. Returns `false` if the agent has no such check. */
  readonly update: (id: ByteString, status: Store.Status, output: ByteString) => boolean
  /** Sends all changes to the servers. Returns also if the servers have no leader. Then a later attempt follows. */
  readonly sync: Effect.Effect<void>
}

/** The least `deregisterAfter`, in ms. */
export const shortestDeregistration = 60_000

/** The time between two searches of Consul for services to deregister, in ms. */
const reapEvery = 30_000

/** The time between two comparisons of the catalog with the agent's services and checks, in ms. */
const compareEvery = 60_000

/** The pause of Consul after a failed synchronization, in ms. A random time up to as long is added. */
const retryAfter = 15_000

/** Consul sends a new output with an old status to the servers after 150 to 450 s. This is the middle, in ms. */
const outputAfter = 300_000

interface Tracked extends LocalCheck {
  /**
   * When the check became critical, in ms of the agent's clock. Absent for a check that was registered as critical and never
   * updated.
   */
  readonly criticalSince: number | undefined
  /** The output of the last update. The output of an expired TTL repeats it. */
  readonly lastOutput: ByteString
  /** Cancels the timer of the TTL. */
  readonly expiry: Timers.Cancel
}

export const make = (options: {
  readonly name: string
  readonly id: ByteString
  readonly host: string
  readonly server: boolean
  readonly datacenter: Datacenter.Datacenter
  readonly random: Random.Random
}): Effect.Effect<Agent, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { datacenter, name } = options
    const timers = yield* Timers.make
    const startedAt = timers.now()
    const retryDelay = retryAfter * (1 + (yield* options.random.next))
    const services = new Map<ByteString, LocalService>()
    const checks = new Map<ByteString, Tracked>()
    // The ids of services and checks whose changes the servers do not have yet.
    const unsynced = { services: new Set<ByteString>(), checks: new Set<ByteString>() }
    const lateOutputs = new Set<ByteString>()
    let retrying = false

    // --- synchronization with the servers

    const isSynced = () => unsynced.services.size === 0 && unsynced.checks.size === 0

    const register = (registration: Catalog.Registration) =>
      datacenter.commit({ _tag: "Register", registration }, name)

    const flushService = (id: ByteString) => {
      const service = services.get(id)
      if (service === undefined) {
        datacenter.commit({ _tag: "DeregisterService", node: name, id }, name)
        return
      }
      const own = Array.from(checks.values(), ({ check }) => check).filter(
        (check) => check.serviceId === id && unsynced.checks.delete(check.id)
      )
      const meta = service.meta.size === 0 ? undefined : service.meta
      register({ node: name, service: { ...service, meta }, checks: own })
    }

    const flushCheck = (id: ByteString) => {
      const check = checks.get(id)?.check
      if (check !== undefined) register({ node: name, checks: [check] })
      else if (OrderedMap.has(datacenter.state().checks, Store.nodeKey(name, id))) {
        datacenter.commit({ _tag: "DeregisterCheck", node: name, id }, name)
      }
    }

    const flush = () => {
      for (const id of Array.from(unsynced.services)) {
        unsynced.services.delete(id)
        flushService(id)
      }
      for (const id of Array.from(unsynced.checks)) if (unsynced.checks.delete(id)) flushCheck(id)
    }

    /** Sends changes to the servers now, or later if there is no leader. Does not wait. */
    const push = () => {
      if (isSynced()) return
      if (datacenter.hasLeader()) flush()
      else pushLater()
    }

    const pushLater = () => {
      if (retrying) return
      retrying = true
      timers.after(retryDelay, () => {
        retrying = false
        push()
      })
    }

    const sync = Effect.suspend(() =>
      isSynced() ? Effect.void : Effect.match(datacenter.led, { onSuccess: flush, onFailure: pushLater })
    )

    // --- checks

    const expire = (id: ByteString) => {
      const { lastOutput = "" } = checks.get(id) ?? {}
      const last = lastOutput === "" ? "" : ` (last output before timeout follows): ${lastOutput}`
      change(id, "critical", `TTL expired${last}`)
      push()
    }

    const change = (id: ByteString, status: Store.Status, output: ByteString) => {
      const tracked = checks.get(id)
      if (tracked === undefined) return
      const { check } = tracked
      const criticalSince = status === "critical" ? (tracked.criticalSince ?? timers.now()) : undefined
      const changed = { ...tracked, criticalSince, check: { ...check, status, output } }
      checks.set(id, changed)
      reapLater(changed)
      if (check.status !== status) unsynced.checks.add(id)
      else if (check.output !== output && !unsynced.checks.has(id)) pushOutputLater(id)
    }

    const pushOutputLater = (id: ByteString) => {
      if (lateOutputs.has(id)) return
      lateOutputs.add(id)
      timers.after(outputAfter, () => {
        lateOutputs.delete(id)
        unsynced.checks.add(id)
        push()
      })
    }

    const track = (local: LocalCheck) => {
      const { id } = local.check
      const before = checks.get(id)
      before?.expiry()
      // A check that is registered again keeps its status and its output.
      const preserved =
        before === undefined ? {} : { status: before.check.status, output: before.check.output }
      const tracked = {
        ...local,
        check: { ...local.check, ...preserved },
        criticalSince: before?.criticalSince,
        lastOutput: before?.lastOutput ?? "",
        expiry: timers.after(local.ttl, () => expire(id))
      }
      checks.set(id, tracked)
      reapLater(tracked)
      unsynced.checks.add(id)
    }

    const untrack = (id: ByteString) => {
      checks.get(id)?.expiry()
      checks.delete(id)
    }

    const removeService = (id: ByteString) => {
      if (!services.delete(id)) return
      for (const { check } of Array.from(checks.values())) if (check.serviceId === id) untrack(check.id)
      unsynced.services.add(id)
    }

    // --- periodic work. A timer is set only if there is work, for the next tick of the period.

    const atTick = (period: number, time: number, action: () => void) => {
      const due = startedAt + Math.ceil((time - startedAt) / period) * period
      timers.after(due - timers.now(), action)
    }

    const reapLater = ({ check, criticalSince, deregisterAfter }: Tracked) => {
      if (criticalSince === undefined || Option.isNone(deregisterAfter)) return
      // Consul deregisters a service that was critical for longer than the limit, not for exactly as long.
      atTick(reapEvery, criticalSince + deregisterAfter.value + 1, () => {
        const now = checks.get(check.id)
        if (now?.criticalSince !== criticalSince || Option.isNone(now.deregisterAfter)) return
        removeService(check.serviceId)
        push()
      })
    }

    /** Marks the services and checks that differ from the servers' catalog, for example after a restore. */
    const compare = () => {
      const state = datacenter.state()
      for (const id of services.keys()) {
        if (!OrderedMap.has(state.services, Store.nodeKey(name, id))) unsynced.services.add(id)
      }
      for (const [id, { check }] of checks) {
        const registered = OrderedMap.get(state.checks, Store.nodeKey(name, id))
        if (registered?.status !== check.status) unsynced.checks.add(id)
      }
      for (const { id } of OrderedMap.withPrefix(state.services, Store.nodeKey(name))) {
        if (id !== "consul" && !services.has(id)) unsynced.services.add(id)
      }
      for (const { id } of OrderedMap.withPrefix(state.checks, Store.nodeKey(name))) {
        if (id !== "serfHealth" && !checks.has(id)) unsynced.checks.add(id)
      }
    }

    datacenter.onRestore(() =>
      atTick(compareEvery, timers.now() + 1, () => {
        compare()
        push()
      })
    )

    return {
      name,
      id: options.id,
      host: options.host,
      server: options.server,
      timers,
      services: () => Array.from(services.values()),
      checks: () => Array.from(checks.values(), ({ check }) => check),
      addService: (service, own) => {
        services.set(service.id, service)
        unsynced.services.add(service.id)
        for (const check of own) track(check)
      },
      removeService,
      addCheck: track,
      removeCheck: (id) => {
        if (!checks.has(id)) return
        untrack(id)
        unsynced.checks.add(id)
      },
      update: (id, status, output) => {
        checks.get(id)?.expiry()
        change(id, status, output)
        const tracked = checks.get(id)
        if (tracked === undefined) return false
        checks.set(id, {
          ...tracked,
          lastOutput: output,
          expiry: timers.after(tracked.ttl, () => expire(id))
        })
        return true
      },
      sync
    }
  })
