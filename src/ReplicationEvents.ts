/**
 * The stream of everything that happens, for programs that replicate inside of them.
 *
 * @since 0.5.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as EventHub from "./internal/report/EventHub.js"
import * as EventLog from "./internal/report/EventLog.js"
import { type Consumer, EventSink } from "./internal/report/EventSink.js"
import type { ReplicationEvent } from "./ReplicationEvent.js"

/**
 * Events of everything that runs with the same layer: of all replications, their lock and their sources.
 *
 * @since 0.5.0
 * @category tags
 * @example
 * ```ts
 * import * as assert from "node:assert"
 * import { ConsulHttp, LeaderLock, ReplicationEvents, Replication, Replicator } from "consul-replicate"
 * import { SimConsul } from "consul-replicate/testing"
 * import { Effect, Layer, Stream } from "effect"
 *
 * const Services = Layer.merge(Replicator.services, LeaderLock.layerConfig(LeaderLock.config)).pipe(
 *   Layer.provideMerge(ConsulHttp.layer({ address: "127.0.0.1:8500" })),
 *   Layer.provide(SimConsul.layerHttpClient({ datacenters: ["sfo1", "nyc1"] })),
 *   Layer.provideMerge(ReplicationEvents.layerWithoutLog)
 * )
 *
 * export const program = Effect.gen(function* () {
 *   const { subscribe } = yield* ReplicationEvents.ReplicationEvents
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
     * All events from the moment at which the stream is run. It ends with the layer, after the last event. Up to 4,096 events
     * wait for each subscriber. A slower subscriber loses the oldest events, and gets `EventsLost` with their number.
     * Replication waits for no subscriber.
     */
    readonly stream: Stream.Stream<ReplicationEvent>
    /** The same from the moment at which this effect is run, until the scope closes. */
    readonly subscribe: Effect.Effect<Stream.Stream<ReplicationEvent>, never, Scope.Scope>
  }
>() {}

/** A layer over a consumer that gets each event at once. */
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
 * Logs events with Effect's logger, and has a stream of them. `Replicator.services` includes it.
 *
 * @since 0.5.0
 * @category layers
 */
export const layer: Layer.Layer<ReplicationEvents> = layerOf(EventLog.make({ progress: true }))

/**
 * As {@link layer}, but logs nothing of how far a comparison has come.
 *
 * @since 0.5.0
 * @category layers
 */
export const layerWithoutProgress: Layer.Layer<ReplicationEvents> = layerOf(
  EventLog.make({ progress: false })
)

/**
 * Logs nothing, and has a stream of events. Provide it to what replicates instead of the one that `Replicator.services`
 * includes.
 *
 * @since 0.5.0
 * @category layers
 */
export const layerWithoutLog: Layer.Layer<ReplicationEvents> = layerOf(
  Effect.succeed({ consume: () => Effect.void, wantsRequests: () => false })
)
