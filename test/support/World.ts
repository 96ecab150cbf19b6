/**
 * Two datacenters in memory, `nyc1` and `sfo1`, and instances of this program beside `sfo1`'s agent, which copy from
 * `nyc1`. Each instance has a network and logs of its own.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Checkpoint from "../../src/Checkpoint.js"
import * as ConsulHttp from "../../src/ConsulHttp.js"
import * as Waits from "../../src/internal/report/Waits.js"
import * as LeaderLock from "../../src/LeaderLock.js"
import * as Replication from "../../src/Replication.js"
import * as Replicator from "../../src/Replicator.js"
import { SimConsul } from "../../src/testing/index.js"
import * as OrderedMap from "../../src/testing/internal/go/OrderedMap.js"
import type * as Watcher from "../../src/Watcher.js"
import * as Logs from "./Logs.js"
import * as Network from "./Network.js"

export const source = "nyc1"
export const destination = "sfo1"
export const address = "http://127.0.0.1:8500"
export const lock = LeaderLock.defaults.lock
export const status = Replication.defaults.status

export const layer: Layer.Layer<SimConsul.SimConsul> = SimConsul.layer({ datacenters: [destination, source] })

export const service = LeaderLock.defaults.service

export const replication: Replication.Replication = Effect.runSync(Replication.make({ source }))

/** What differs from the defaults. */
export interface Options extends Partial<Replication.ReplicationFields> {
  readonly lock?: string
  /** How the instance takes the lock: by `LeaderLock.layer` unless given. */
  readonly leaderLock?: typeof LeaderLock.layer
}

export type Services = ConsulHttp.ConsulHttp | LeaderLock.LeaderLock | Watcher.Watcher | Checkpoint.Checkpoint

export interface Instance {
  readonly replication: Replication.Replication
  readonly network: Network.Network
  readonly logs: ReadonlyArray<string>
  /** Runs something as this instance: with its services, its logs and its clock. */
  readonly run: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, Exclude<R, Services>>
  /** Stops all that this instance does, as `SIGSTOP` does, and lets it go on. Time passes meanwhile. */
  readonly freeze: Effect.Effect<void>
  readonly thaw: Effect.Effect<void>
}

/** A clock whose sleepers do not wake while the gate is closed. */
const pausable = (clock: Clock.Clock, gate: Effect.Latch): Clock.Clock => ({
  [Clock.ClockTypeId]: Clock.ClockTypeId,
  unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis(),
  currentTimeMillis: clock.currentTimeMillis,
  unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
  currentTimeNanos: clock.currentTimeNanos,
  sleep: (duration) => Effect.zipRight(clock.sleep(duration), gate.await)
})

export const instance = (
  { leaderLock = LeaderLock.layer, lock, ...fields }: Options = {},
  listener?: Waits.Listener
): Effect.Effect<Instance, never, SimConsul.SimConsul | Scope.Scope> =>
  Effect.gen(function* () {
    const sim = yield* SimConsul.SimConsul
    const replicated = { ...replication, ...fields }
    const lockOptions = yield* Effect.orDie(
      LeaderLock.options({ lock, purpose: Replication.route(replicated) })
    )
    const network = Network.make(sim.httpClient)
    const logs = Logs.make()
    const gate = yield* Effect.makeLatch(true)
    const clock = pausable(yield* Effect.clock, gate)
    const whenRunning = network.client.pipe(HttpClient.transform(Effect.zipLeft(gate.await)))
    const services = Layer.merge(Replicator.services, leaderLock(lockOptions)).pipe(
      Layer.provideMerge(Layer.orDie(ConsulHttp.layer({ address }))),
      Layer.provide(Layer.succeed(HttpClient.HttpClient, whenRunning))
    )
    const heard = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      listener === undefined ? effect : Effect.provideService(effect, Waits.Waits, listener)
    const context: Context.Context<Services> = yield* Layer.build(services).pipe(heard, logs.capture)
    // Time stands still when a test ends: nobody may wait for an answer any more.
    yield* Effect.addFinalizer(() => Effect.zipRight(network.disturb(Network.refused), gate.open))
    return {
      replication: replicated,
      network,
      logs: logs.lines,
      run: (effect) => effect.pipe(Effect.provide(context), heard, logs.capture, Effect.withClock(clock)),
      freeze: gate.close,
      thaw: gate.open
    }
  })

/** Keys of a datacenter under a prefix, with their text. */
export const contents = (datacenter: string, prefix: string) =>
  Effect.gen(function* () {
    const sim = yield* SimConsul.SimConsul
    const entries = yield* sim.entries(datacenter, prefix)
    return Object.fromEntries(entries.map(({ key, value }) => [key, new TextDecoder().decode(value)]))
  })

/** The entry of one key as the servers hold it. */
export const entry = (datacenter: string, key: string) =>
  Effect.gen(function* () {
    const sim = yield* SimConsul.SimConsul
    const entries = yield* sim.entries(datacenter, key)
    return entries.find((entry) => entry.key === key)
  })

/** What this program has registered in the catalog: services by id, with the status of their check. */
export const services = (datacenter: string) =>
  Effect.gen(function* () {
    const sim = yield* SimConsul.SimConsul
    const { checks } = yield* sim.state(datacenter)
    return Object.fromEntries(
      OrderedMap.values(checks).flatMap(({ serviceId, status }) =>
        serviceId === "" ? [] : [[serviceId, status] as const]
      )
    )
  })
