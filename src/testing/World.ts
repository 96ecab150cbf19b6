/**
 * Two datacenters in memory, `nyc1` and `sfo1`, and instances of this program beside `sfo1`'s agent, which copy from
 * `nyc1`. Each instance has a network, a clock, events and logs of its own.
 *
 * @since 0.5.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Checkpoint from "../Checkpoint.js"
import * as ConsulHttp from "../ConsulHttp.js"
import type { InvalidOptions } from "../InvalidOptions.js"
import { observing } from "../internal/report/EventSink.js"
import * as LeaderLock from "../LeaderLock.js"
import * as Replication from "../Replication.js"
import type { ReplicationEvent, ReplicationEvents } from "../ReplicationEvent.js"
import * as Replicator from "../Replicator.js"
import type * as Watcher from "../Watcher.js"
import * as OrderedMap from "./internal/go/OrderedMap.js"
import * as Logs from "./Logs.js"
import * as Network from "./Network.js"
import * as SimConsul from "./SimConsul.js"

/**
 * The datacenter that is replicated from.
 *
 * @since 0.5.0
 * @category the datacenters
 */
export const source = "nyc1"

/**
 * The datacenter that is replicated into.
 *
 * @since 0.5.0
 * @category the datacenters
 */
export const destination = "sfo1"

/**
 * The address of the destination's agent.
 *
 * @since 0.5.0
 * @category the datacenters
 */
export const address = "http://127.0.0.1:8500"

/**
 * Key of an instance's lock, unless it is given another.
 *
 * @since 0.5.0
 * @category the datacenters
 */
export const lock = LeaderLock.defaults.lock

/**
 * Key of an instance's status, unless it is given another.
 *
 * @since 0.5.0
 * @category the datacenters
 */
export const status = Replication.defaults.status

/**
 * Both datacenters, empty.
 *
 * @since 0.5.0
 * @category layers
 */
export const layer: Layer.Layer<SimConsul.SimConsul> = SimConsul.layer({ datacenters: [destination, source] })

/**
 * The options of an instance, in place of `Replication.defaults` and `LeaderLock.defaults`.
 *
 * @since 0.5.0
 * @category models
 */
export interface Options extends Partial<Replication.ReplicationOptions> {
  /** Key of the lock: {@link lock} unless given. */
  readonly lock?: string
  /** Name of the service: `LeaderLock.defaults.service` unless given. */
  readonly service?: string
  /** Whether the instance has no agent beside it. */
  readonly agentless?: boolean
  /** The time to live of the lock's session. */
  readonly sessionTtl?: Duration.DurationInput
  /** Something between the instance's network and the agents, such as a balancer: nothing unless given. */
  readonly between?: (agents: HttpClient.HttpClient) => HttpClient.HttpClient
  /** The layer of the instance's lock: `LeaderLock.layer` unless given. */
  readonly leaderLock?: typeof LeaderLock.layer
}

/**
 * The services of an instance.
 *
 * @since 0.5.0
 * @category models
 */
export type Services =
  | ConsulHttp.ConsulHttp
  | LeaderLock.LeaderLock
  | Watcher.Watcher
  | Checkpoint.Checkpoint
  | ReplicationEvents

/**
 * @since 0.5.0
 * @category models
 */
export interface Instance {
  readonly replication: Replication.Replication
  /** Between the instance and its agent. */
  readonly network: Network.Network
  /** The events of the instance. */
  readonly events: ReadonlyArray<ReplicationEvent>
  /** The lines that the instance has logged. */
  readonly logs: ReadonlyArray<string>
  /** Runs something as this instance: with its services, its events, its logs and its clock. */
  readonly run: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, Exclude<R, Services>>
  /** Stops all that this instance does, as `SIGSTOP` does. Time passes meanwhile. */
  readonly freeze: Effect.Effect<void>
  /** Lets a frozen instance go on. */
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

/**
 * An instance that does nothing yet: see {@link replicate}. Dies of options that cannot be used.
 *
 * @since 0.5.0
 * @category instances
 * @example
 * ```ts
 * import * as assert from "node:assert"
 * import { Network, VirtualTime, World } from "consul-replicate/testing"
 * import { Effect } from "effect"
 *
 * export const program = Effect.gen(function* () {
 *   const instance = yield* World.instance({ reconcile: "10 seconds" })
 *   yield* World.put("nyc1", { "global/motd": "hello" })
 *   yield* World.replicate(instance)
 *   yield* VirtualTime.until(World.isInSync(instance))
 *   assert.deepStrictEqual(yield* World.contents("sfo1", "global/"), { "global/motd": "hello" })
 *
 *   // What others change is put right.
 *   yield* World.put("sfo1", { "global/motd": "goodbye" })
 *   yield* VirtualTime.pass("10 seconds")
 *   assert.strictEqual(yield* World.text("sfo1", "global/motd"), "hello")
 *
 *   // For a while, nothing answers.
 *   yield* instance.network.disturb(Network.silent)
 *   yield* World.put("nyc1", { "global/motd": "welcome" })
 *   yield* VirtualTime.pass("1 minute")
 *   assert.strictEqual(yield* World.text("sfo1", "global/motd"), "hello")
 *   yield* instance.network.heal
 *   yield* VirtualTime.until(
 *     Effect.map(World.text("sfo1", "global/motd"), (text) => text === "welcome")
 *   )
 * }).pipe(Effect.scoped, Effect.provide(World.layer))
 * ```
 */
export const instance = (
  options: Options = {}
): Effect.Effect<Instance, never, SimConsul.SimConsul | Scope.Scope> =>
  Effect.gen(function* () {
    const { agentless, between = identity, leaderLock = LeaderLock.layer, ...others } = options
    const { lock, service, sessionTtl, ...given } = others
    const sim = yield* SimConsul.SimConsul
    const replication = yield* Effect.orDie(Replication.make({ source, ...given }))
    const lockOptions = yield* Effect.orDie(
      LeaderLock.options({ agentless, lock, service, sessionTtl, purpose: Replication.route(replication) })
    )
    const network = Network.make(between(sim.httpClient))
    const logs = Logs.make()
    const events: Array<ReplicationEvent> = []
    const collecting = observing({ consume: (event) => Effect.sync(() => void events.push(event)) })
    const gate = yield* Effect.makeLatch(true)
    const clock = pausable(yield* Effect.clock, gate)
    const whenRunning = network.client.pipe(HttpClient.transform(Effect.zipLeft(gate.await)))
    const services = Layer.merge(Replicator.services, leaderLock(lockOptions)).pipe(
      Layer.provideMerge(Layer.orDie(ConsulHttp.layer({ address }))),
      Layer.provide(Layer.succeed(HttpClient.HttpClient, whenRunning))
    )
    const context: Context.Context<Services> = yield* Layer.build(services).pipe(logs.capture)
    // Time stands still when a test ends: an answer would never come.
    yield* Effect.addFinalizer(() => Effect.zipRight(network.disturb(Network.refused), gate.open))
    return {
      replication,
      network,
      events,
      logs: logs.lines,
      run: (effect) =>
        effect.pipe(collecting, Effect.provide(context), logs.capture, Effect.withClock(clock)),
      freeze: gate.close,
      thaw: gate.open
    }
  })

/**
 * Lets an instance stand for leadership and replicate until the scope closes, or the fiber is interrupted.
 *
 * @since 0.5.0
 * @category instances
 */
export const replicate = ({
  replication,
  run
}: Instance): Effect.Effect<Fiber.RuntimeFiber<never, InvalidOptions>, never, Scope.Scope> =>
  Effect.forkScoped(run(Replicator.run(replication)))

const decoder = new TextDecoder()

/**
 * Writes keys of a datacenter past all agents.
 *
 * @since 0.5.0
 * @category keys
 */
export const put = (
  datacenter: string,
  texts: Readonly<Record<string, string>>
): Effect.Effect<void, never, SimConsul.SimConsul> =>
  Effect.flatMap(SimConsul.SimConsul, (sim) =>
    Effect.forEach(Object.entries(texts), ([key, text]) => sim.put(datacenter, key, text), { discard: true })
  )

/**
 * Deletes keys of a datacenter one by one, so that a watch may see each of them go.
 *
 * @since 0.5.0
 * @category keys
 */
export const remove = (
  datacenter: string,
  ...keys: ReadonlyArray<string>
): Effect.Effect<void, never, SimConsul.SimConsul> =>
  Effect.flatMap(SimConsul.SimConsul, (sim) =>
    Effect.forEach(keys, (key) => sim.remove(datacenter, key), { discard: true })
  )

/**
 * The keys of a datacenter under a prefix, with their text.
 *
 * @since 0.5.0
 * @category keys
 */
export const contents = (
  datacenter: string,
  prefix: string
): Effect.Effect<Record<string, string>, never, SimConsul.SimConsul> =>
  Effect.gen(function* () {
    const sim = yield* SimConsul.SimConsul
    const entries = yield* sim.entries(datacenter, prefix)
    return Object.fromEntries(entries.map(({ key, value }) => [key, decoder.decode(value)]))
  })

/**
 * The entry of one key as the servers hold it; `undefined` if there is none.
 *
 * @since 0.5.0
 * @category keys
 */
export const entry = (
  datacenter: string,
  key: string
): Effect.Effect<SimConsul.Entry | undefined, never, SimConsul.SimConsul> =>
  Effect.gen(function* () {
    const sim = yield* SimConsul.SimConsul
    const entries = yield* sim.entries(datacenter, key)
    return entries.find((entry) => entry.key === SimConsul.key(key))
  })

/**
 * The text of one key; `undefined` if there is none.
 *
 * @since 0.5.0
 * @category keys
 */
export const text = (
  datacenter: string,
  key: string
): Effect.Effect<string | undefined, never, SimConsul.SimConsul> =>
  Effect.map(entry(datacenter, key), (entry) =>
    entry === undefined ? undefined : decoder.decode(entry.value)
  )

/**
 * The checks of the services in a datacenter's catalog, by the ids of the services: `passing`, `warning` or `critical`.
 *
 * @since 0.5.0
 * @category the datacenters
 */
export const services = (
  datacenter: string
): Effect.Effect<Record<string, string>, never, SimConsul.SimConsul> =>
  Effect.gen(function* () {
    const sim = yield* SimConsul.SimConsul
    const { checks } = yield* sim.state(datacenter)
    return Object.fromEntries(
      OrderedMap.values(checks).flatMap(({ serviceId, status }) =>
        serviceId === "" ? [] : [[serviceId, status] as const]
      )
    )
  })

const decodeStatus = Schema.decodeOption(Schema.parseJson(Checkpoint.Status))

/**
 * The status of an instance's replication; none before it was first written.
 *
 * @since 0.5.0
 * @category instances
 */
export const statusOf = ({
  replication
}: Instance): Effect.Effect<Option.Option<Checkpoint.Status>, never, SimConsul.SimConsul> =>
  Effect.map(text(destination, replication.status), (text) =>
    Option.flatMap(Option.fromNullable(text), decodeStatus)
  )

/**
 * Whether the status reports that the destination equals the source.
 *
 * @since 0.5.0
 * @category instances
 */
export const isInSync = (instance: Instance): Effect.Effect<boolean, never, SimConsul.SimConsul> =>
  Effect.map(
    statusOf(instance),
    Option.exists(({ State }) => State === "in-sync")
  )
