/**
 * Events of an instance that stands for leadership, leads and replicates. An event has names of keys, counts, indexes, bytes
 * and times, and never the value of a key.
 *
 * `Replicator.events` is a stream of them. Log lines, the output of the service's check and the progress line are made from
 * the same events.
 *
 * @since 0.5.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ReplicationEvent } from "./internal/event/ReplicationEvent.js"
import * as EventHub from "./internal/report/EventHub.js"
import * as EventLog from "./internal/report/EventLog.js"
import { type Consumer, EventSink } from "./internal/report/EventSink.js"

export * from "./internal/event/ReplicationEvent.js"

/**
 * The events of all replications that run with the same layer, of their locks and of their sources.
 *
 * @since 0.5.0
 * @category tags
 * @example
 * ```ts
 * import * as assert from "node:assert"
 * import { ConsulHttp, LeaderLock, Replication, ReplicationEvent, Replicator } from "consul-replicate"
 * import { SimConsul } from "consul-replicate/testing"
 * import { Effect, Layer, Stream } from "effect"
 *
 * const Services = Layer.merge(Replicator.services, LeaderLock.layerConfig(LeaderLock.config)).pipe(
 *   Layer.provideMerge(ConsulHttp.layer({ address: "127.0.0.1:8500" })),
 *   Layer.provide(SimConsul.layerHttpClient({ datacenters: ["sfo1", "nyc1"] })),
 *   Layer.provideMerge(ReplicationEvent.layerWithoutLog)
 * )
 *
 * export const program = Effect.gen(function* () {
 *   const { subscribe } = yield* ReplicationEvent.ReplicationEvents
 *   const events = yield* subscribe
 *   yield* Effect.flatMap(Replication.make({ source: "nyc1" }), Replicator.runOnce)
 *   const [first] = yield* events.pipe(Stream.take(1), Stream.runCollect)
 *   assert.ok(first !== undefined)
 * }).pipe(Effect.scoped, Effect.provide(Services))
 * ```
 */
export class ReplicationEvents extends Context.Tag("consul-replicate/ReplicationEvents")<
  ReplicationEvents,
  {
    /**
     * All events from the moment at which the stream is run. The stream ends with the layer, after the last event. Up to 4,096
     * events wait for each subscriber. A slower subscriber loses the oldest events, and gets `EventsLost` with their number.
     * Replication waits for no subscriber.
     */
    readonly stream: Stream.Stream<ReplicationEvent>
    /** The same from the moment at which this effect is run, until the scope closes. */
    readonly subscribe: Effect.Effect<Stream.Stream<ReplicationEvent>, never, Scope.Scope>
  }
>() {}

/** A layer that gives each event to a consumer at once, and to the stream. */
const layerOf = (consumer: Effect.Effect<Consumer, never, Scope.Scope>): Layer.Layer<ReplicationEvents> =>
  Layer.scopedContext(
    Effect.gen(function* () {
      const hub = yield* EventHub.make(yield* consumer)
      return Context.make(ReplicationEvents, {
        subscribe: hub.subscribe,
        stream: Stream.unwrapScoped(hub.subscribe)
      }).pipe(Context.add(EventSink, hub))
    })
  )

/**
 * Logs events with Effect's logger, and streams them. `Replicator.services` includes this layer.
 *
 * @since 0.5.0
 * @category layers
 */
export const layer: Layer.Layer<ReplicationEvents> = layerOf(EventLog.make({ progress: true }))

/**
 * {@link layer} without log lines about the progress of comparisons.
 *
 * @since 0.5.0
 * @category layers
 */
export const layerWithoutProgress: Layer.Layer<ReplicationEvents> = layerOf(
  EventLog.make({ progress: false })
)

/**
 * Streams events, and logs nothing. Provide this layer in place of the one that `Replicator.services` includes.
 *
 * @since 0.5.0
 * @category layers
 */
export const layerWithoutLog: Layer.Layer<ReplicationEvents> = layerOf(
  Effect.succeed({ consume: () => Effect.void, wantsRequests: () => false })
)
