/**
 * A replicator that prints each thing that happens as a line of JSON, in place of the log of the library.
 *
 *     CONSUL_HTTP_ADDR=127.0.0.1:8500 npx tsx examples/events.ts
 */
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { ConsulHttp, LeaderLock, Replication, ReplicationEvent, Replicator } from "consul-replicate"
import { Config, Console, Effect, Layer, Stream } from "effect"

const Consul = Layer.unwrapEffect(
  Effect.map(Config.string("CONSUL_HTTP_ADDR").pipe(Config.withDefault("127.0.0.1:8500")), (address) =>
    ConsulHttp.layer({ address })
  )
).pipe(Layer.provide(NodeHttpClient.layerUndici))

/** Sets are written as arrays. */
const toJson = (event: ReplicationEvent.ReplicationEvent): string =>
  JSON.stringify(event, (_, value: unknown) => (value instanceof Set ? [...value] : value))

const program = Effect.gen(function* () {
  const { subscribe } = yield* ReplicationEvent.ReplicationEvents
  // From here on nothing is missed, unless printing is slower than replication by thousands of events.
  const events = yield* subscribe
  yield* Effect.forkScoped(Stream.runForEach(events, (event) => Console.log(toJson(event))))
  const replication = yield* Replication.make({ source: "nyc1", prefix: "embedded/" })
  return yield* Replicator.run(replication)
}).pipe(Effect.scoped)

program.pipe(
  // In place of the one that `Replicator.services` includes, which logs.
  Effect.provide(ReplicationEvent.layerWithoutLog),
  Effect.provide([
    Replicator.services,
    Layer.unwrapEffect(Effect.map(LeaderLock.options({ service: "my-program" }), LeaderLock.layer))
  ]),
  Effect.provide(Consul),
  NodeRuntime.runMain
)
