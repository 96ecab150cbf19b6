/**
 * An agent: the services and checks registered with it, their timers, and keeping the servers' catalog in step.
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
  /** Empty rather than absent, other than in the catalog. */
  readonly meta: ReadonlyMap<ByteString, ByteString>
}

/** A check with the rules that only its agent knows. */
export interface LocalCheck {
  readonly check: Catalog.NewCheck
  /** Milliseconds without news until it is critical. */
  readonly ttl: number
  /** How many milliseconds it may be critical before its service is deregistered. */
  readonly deregisterAfter: Option.Option<number>
}

export interface Agent {
  readonly name: string
  readonly id: ByteString
  /** The host that the node is known by. */
  readonly host: string
  readonly server: boolean
  readonly timers: Timers.Timers
  readonly services: () => ReadonlyArray<LocalService>
  readonly checks: () => ReadonlyArray<Catalog.NewCheck>
  readonly addService: (service: LocalService, checks: ReadonlyArray<LocalCheck>) => void
  readonly removeService: (id: ByteString) => void
  readonly addCheck: (check: LocalCheck) => void
  readonly removeCheck: (id: ByteString) => void
  /** Sets a check's status and starts its TTL anew. `false` if there is no such check. */
  readonly update: (id: ByteString, status: Store.Status, output: ByteString) => boolean
  /** Waits until the servers know what has changed, or have no leader to tell; then it is tried again later. */
  readonly sync: Effect.Effect<void>
}

/** The least time that a service may be critical, in milliseconds. */
export const shortestDeregistration = 60_000

/** How often Consul looks for services that were critical for too long, in milliseconds. */
const reapEvery = 30_000

/** How often Consul compares the whole catalog with what it should be, in milliseconds. */
const compareEvery = 60_000

/** How long Consul waits after a failed attempt to tell the servers: this and up to as much again, in milliseconds. */
const retryAfter = 15_000

/** Consul tells a new output with an old status 150 to 450 s late. This is the middle, in milliseconds. */
const outputAfter = 300_000

interface Tracked extends LocalCheck {
  /** Since when it is critical, by the agent's clock. One that was registered so and heard of no more isn't counted. */
  readonly criticalSince: number | undefined
  /** What the last news said, for the output of a TTL that expires. */
  readonly lastOutput: ByteString
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
    const started = timers.now()
    const retryDelay = retryAfter * (1 + (yield* options.random.next))
    const services = new Map<ByteString, LocalService>()
    const checks = new Map<ByteString, Tracked>()
    // What the servers have yet to be told.
    const unsynced = { services: new Set<ByteString>(), checks: new Set<ByteString>() }
    const lateOutputs = new Set<ByteString>()
    let retrying = false

    // --- telling the servers

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

    /** Tells them now if there is a leader, for changes that nobody waits for. */
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
      else if (check.output !== output && !unsynced.checks.has(id)) tellOutputLater(id)
    }

    const tellOutputLater = (id: ByteString) => {
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
      // A check that is registered again stays what it was.
      const kept = before === undefined ? {} : { status: before.check.status, output: before.check.output }
      const tracked = {
        ...local,
        check: { ...local.check, ...kept },
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

    // --- what the agent does from time to time: only when there is something to do, but at the time of its ticker

    const atTick = (period: number, time: number, action: () => void) => {
      const due = started + Math.ceil((time - started) / period) * period
      timers.after(due - timers.now(), action)
    }

    const reapLater = ({ check, criticalSince, deregisterAfter }: Tracked) => {
      if (criticalSince === undefined || Option.isNone(deregisterAfter)) return
      // Longer than the limit, not as long.
      atTick(reapEvery, criticalSince + deregisterAfter.value + 1, () => {
        const now = checks.get(check.id)
        if (now?.criticalSince !== criticalSince || Option.isNone(now.deregisterAfter)) return
        removeService(check.serviceId)
        push()
      })
    }

    /** Marks what differs from the servers' catalog: after a restore they may not know it. */
    const compare = () => {
      const state = datacenter.state()
      for (const id of services.keys()) {
        if (!OrderedMap.has(state.services, Store.nodeKey(name, id))) unsynced.services.add(id)
      }
      for (const [id, { check }] of checks) {
        const known = OrderedMap.get(state.checks, Store.nodeKey(name, id))
        if (known?.status !== check.status) unsynced.checks.add(id)
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
