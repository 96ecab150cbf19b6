/**
 * The smallest program that replicates, as README shows it.
 *
 *     npx tsx examples/replicate.ts
 */
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { ConsulHttp, LeaderLock, Replication, Replicator } from "consul-replicate"
import { Effect, Layer } from "effect"

const Consul = ConsulHttp.layer({ address: "127.0.0.1:8500" }).pipe(Layer.provide(NodeHttpClient.layerUndici))

/** Replicates until it is interrupted, and then gives the lock back; fails where it is used wrongly. */
const replicate = Effect.gen(function* () {
  const replication = yield* Replication.make({ source: "nyc1", prefix: "embedded/" })
  const lock = yield* LeaderLock.options({ service: "my-program" })
  return yield* Replicator.run(replication).pipe(
    Effect.provide([Replicator.services, LeaderLock.layer(lock)])
  )
})

replicate.pipe(Effect.provide(Consul), NodeRuntime.runMain)
