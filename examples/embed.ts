/**
 * A replicator inside of a larger Effect program: its own layers, its own logger, and its own reason to stop.
 *
 *     CONSUL_HTTP_ADDR=127.0.0.1:8500 npx tsx examples/embed.ts
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { ConsulHttp, Replication, Replicator } from "consul-replicate"
import { Config, Console, Effect, Layer, Logger, Option } from "effect"

/** The agent beside this program; whatever else asks Consul can share this layer. */
const Consul = Layer.unwrapEffect(
  Effect.map(Config.string("CONSUL_HTTP_ADDR").pipe(Config.withDefault("127.0.0.1:8500")), (address) =>
    ConsulHttp.layer({ address })
  )
).pipe(Layer.provide(NodeHttpClient.layerUndici))

const replication = Replication.make({ source: "nyc1", prefix: "embedded/", service: "my-program" })

/** Replicates until it is interrupted, and then gives the lock back; fails where it is used wrongly. */
const replicate = Effect.flatMap(Replicator.Replicator, ({ run }) => run).pipe(
  Effect.provide(Layer.unwrapEffect(Effect.map(replication, Replicator.layerWithServices)))
)

/** What the program is really for: here, it greets as soon as the other datacenter has said how. */
const program = Effect.gen(function* () {
  const consul = yield* ConsulHttp.ConsulHttp
  const read = consul.kv.get("embedded/greeting")
  let greeting = yield* read
  while (Option.isNone(greeting.value)) {
    greeting = yield* consul.kv.get("embedded/greeting", { index: greeting.index, wait: "1 minute" })
  }
  yield* Console.log(Buffer.from(greeting.value.value.value, "base64").toString())
})

// Beside the program for as long as that runs. Its failure ends both, and `runMain` logs it.
program.pipe(
  Effect.raceFirst(replicate),
  Effect.provide(Layer.merge(Consul, Logger.logFmt)),
  NodeRuntime.runMain({ disablePrettyLogger: true })
)
