/**
 * A replicator inside of a larger Effect program: its own layers, its own logger, and its own reason to stop.
 *
 *     CONSUL_HTTP_ADDR=127.0.0.1:8500 npx tsx examples/embed.ts
 */
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { ConsulHttp, LeaderLock, Replication, Replicator, Value } from "consul-replicate"
import { Config, Console, Effect, Layer, Logger, Option } from "effect"

/** The agent beside this program; whatever else asks Consul can share this layer. */
const Consul = Layer.unwrapEffect(
  Effect.map(Config.string("CONSUL_HTTP_ADDR").pipe(Config.withDefault("127.0.0.1:8500")), (address) =>
    ConsulHttp.layer({ address })
  )
).pipe(Layer.provide(NodeHttpClient.layerUndici))

/** Replicates until it is interrupted, and then gives the lock back; fails where it is used wrongly. */
const replicate = Effect.gen(function* () {
  const replication = yield* Replication.make({ source: "nyc1", prefix: "embedded/" })
  const lock = yield* LeaderLock.options({ service: "my-program" })
  return yield* Replicator.run(replication).pipe(
    Effect.provide([Replicator.services, LeaderLock.layer(lock)])
  )
})

/** What the program is really for: here, it greets as soon as the other datacenter has said how. */
const program = Effect.gen(function* () {
  const consul = yield* ConsulHttp.ConsulHttp
  const read = consul.kv.get("embedded/greeting")
  let greeting = yield* read
  while (Option.isNone(greeting.value)) {
    greeting = yield* consul.kv.get("embedded/greeting", { index: greeting.index, wait: "1 minute" })
  }
  yield* Console.log(Option.getOrThrow(Value.toText(greeting.value.value.value)))
})

// Beside the program for as long as that runs. Its failure ends both, and `runMain` logs it.
program.pipe(
  Effect.raceFirst(replicate),
  Effect.provide(Layer.merge(Consul, Logger.logFmt)),
  NodeRuntime.runMain({ disablePrettyLogger: true })
)
