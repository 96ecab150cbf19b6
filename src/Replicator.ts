/**
 * Keeps a prefix of this datacenter equal to a prefix of another, for as long as it runs.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Checkpoint from "./Checkpoint.js"
import type { ConsulHttp } from "./ConsulHttp.js"
import type { InvalidOptions } from "./InvalidOptions.js"
import * as Attempt from "./internal/Attempt.js"
import * as Replicating from "./internal/Replicating.js"
import type { LeaderLock } from "./LeaderLock.js"
import type { Replication } from "./Replication.js"
import * as ReplicationEvent from "./ReplicationEvent.js"
import * as Watcher from "./Watcher.js"

/**
 * Keys that {@link runOnce} left as they were, by their names at the destination.
 *
 * @since 0.5.0
 * @category models
 */
export interface LeftOver {
  /** Keys that the source does not have, and whose deletion the limit holds back. */
  readonly held: ReadonlySet<string>
  /** Keys that the destination refuses to change, or that cannot be read at the source. */
  readonly refused: ReadonlySet<string>
}

/** The services of a replicator. */
type Services = ConsulHttp | LeaderLock | Watcher.Watcher | Checkpoint.Checkpoint

/**
 * Stands for leadership, leads and replicates, until it is interrupted. Then it gives the lock back. Fails only with wrong use,
 * before anything is written: a status that is the lock, or settings that do not fit the datacenter of the agent. Other
 * failures are emitted as {@link events}, and tried again.
 *
 * Several replicators run at the same time under one `LeaderLock.shared`, each with a status of its own.
 *
 * @since 0.5.0
 * @category running
 * @example
 * ```ts
 * import * as assert from "node:assert"
 * import { ConsulHttp, LeaderLock, Replication, Replicator } from "consul-replicate"
 * import { SimConsul, VirtualTime, World } from "consul-replicate/testing"
 * import { Effect, Layer } from "effect"
 *
 * const Services = Layer.merge(Replicator.services, LeaderLock.layerConfig(LeaderLock.config)).pipe(
 *   Layer.provideMerge(ConsulHttp.layer({ address: "127.0.0.1:8500" })),
 *   Layer.provideMerge(SimConsul.layerHttpClient({ datacenters: ["sfo1", "nyc1"] }))
 * )
 *
 * export const program = Effect.gen(function* () {
 *   yield* World.put("nyc1", { "global/motd": "hello" })
 *   const replication = yield* Replication.make({ source: "nyc1", prefix: "global/" })
 *   const arrived = Effect.map(World.text("sfo1", "global/motd"), (text) => text === "hello")
 *   // It never ends by itself. Interrupted, it gives the lock back.
 *   yield* Effect.raceFirst(Replicator.run(replication), VirtualTime.until(arrived))
 *   assert.deepStrictEqual(Object.keys(yield* World.contents("sfo1", "global/")), ["global/motd"])
 * }).pipe(Effect.provide(Services))
 * ```
 */
export const run = (replication: Replication): Effect.Effect<never, InvalidOptions, Services> =>
  // Without a span, which would never end and make one trace of years. Each pass has a span.
  Effect.flatMap(Replicating.make(replication), (replicating) =>
    Effect.zipRight(Replicating.validate(replicating), Replicating.lead(replicating, Attempt.follow))
  ).pipe(Effect.scoped)

/**
 * Waits for the lock, makes the destination equal to the source once, and gives the lock back. Tries again, and fails, as
 * {@link run} does.
 *
 * @since 0.5.0
 * @category running
 * @example
 * ```ts
 * import * as assert from "node:assert"
 * import { Replicator } from "consul-replicate"
 * import { World } from "consul-replicate/testing"
 * import { Effect } from "effect"
 *
 * export const program = Effect.gen(function* () {
 *   yield* World.put("nyc1", { "global/motd": "hello" })
 *   const { replication, run } = yield* World.instance()
 *   const { held, refused } = yield* run(Replicator.runOnce(replication))
 *   assert.strictEqual(held.size + refused.size, 0)
 *   assert.strictEqual(yield* World.text("sfo1", "global/motd"), "hello")
 * }).pipe(Effect.scoped, Effect.provide(World.layer))
 * ```
 */
export const runOnce: (replication: Replication) => Effect.Effect<LeftOver, InvalidOptions, Services> =
  Effect.fn("Replicator.runOnce")(function* (replication: Replication) {
    const replicating = yield* Replicating.make(replication)
    yield* Replicating.validate(replicating)
    const { held, refused } = yield* Replicating.lead(replicating, Attempt.compareOnce)
    return { held, refused: new Set(refused.keys()) }
  }, Effect.scoped)

/**
 * Everything that happens to the replicators, locks and watchers that run with the same `ReplicationEvents`, from the moment
 * at which the stream is run. Replication waits for no subscriber. A slow subscriber loses the oldest events.
 *
 * @since 0.5.0
 * @category events
 */
export const events: Stream.Stream<
  ReplicationEvent.ReplicationEvent,
  never,
  ReplicationEvent.ReplicationEvents
> = Stream.unwrap(Effect.map(ReplicationEvent.ReplicationEvents, ({ stream }) => stream))

/**
 * The services of a replicator except its lock, over the client of the destination's agent. Events are logged, and are a
 * stream. `queries` is that of `Watcher.layerWith`.
 *
 * @since 0.5.0
 * @category layers
 */
export const servicesWith = (
  options: { readonly queries?: number | undefined } = {}
): Layer.Layer<
  Watcher.Watcher | Checkpoint.Checkpoint | ReplicationEvent.ReplicationEvents,
  never,
  ConsulHttp
> => Layer.mergeAll(Watcher.layerWith(options), Checkpoint.layer, ReplicationEvent.layer)

/**
 * {@link servicesWith} the defaults.
 *
 * @since 0.5.0
 * @category layers
 */
export const services: Layer.Layer<
  Watcher.Watcher | Checkpoint.Checkpoint | ReplicationEvent.ReplicationEvents,
  never,
  ConsulHttp
> = servicesWith()
