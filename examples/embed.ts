/**
 * A replicator inside of a larger Effect program: its own layers, its own logger, and its own reason to stop.
 *
 *     CONSUL_HTTP_ADDR=http://127.0.0.1:8500 npx tsx examples/embed.ts
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { ConsulHttp, Replication, Replicator } from "consul-replicate"
import { Config, Console, Effect, Layer, Logger, Option } from "effect"

/** The agent beside this program; whatever else asks Consul can share this layer. */
const Consul = Layer.unwrapEffect(
  Effect.map(Config.string("CONSUL_HTTP_ADDR").pipe(Config.withDefault("http://127.0.0.1:8500")), (address) =>
    ConsulHttp.layer({ address })
  )
).pipe(Layer.provide(NodeHttpClient.layerUndici))

const replication = Replication.make({ source: "nyc1", prefix: "embedded/", service: "my-program" })

/** Replicates in the background for as long as the layer lives; gives up the lock when its scope closes. */
const Replicating = Layer.scopedDiscard(
  Effect.flatMap(Replicator.Replicator, ({ run }) =>
    Effect.forkScoped(Effect.tapErrorCause(run, Effect.logError))
  )
).pipe(Layer.provide(Layer.unwrapEffect(Effect.map(replication, Replicator.layerWithServices))))

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

program.pipe(
  Effect.provide(Layer.mergeAll(Layer.provideMerge(Replicating, Consul), Logger.logFmt)),
  NodeRuntime.runMain({ disablePrettyLogger: true })
)
