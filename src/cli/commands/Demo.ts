/**
 * `consul-replicate demo`: three datacenters in memory, and a replicator for each of two that copies from the third.
 */
import * as Command from "@effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as ConsulHttp from "../../ConsulHttp.js"
import * as LeaderLock from "../../LeaderLock.js"
import * as Replication from "../../Replication.js"
import * as Replicator from "../../Replicator.js"
import { SimConsul } from "../../testing/index.js"
import * as AgentConnections from "../node/AgentConnections.js"
import * as Ansi from "../node/Ansi.js"
import * as EmbeddedServers from "../node/EmbeddedServers.js"
import * as Screen from "./demo/Screen.js"
import * as Traffic from "./demo/Traffic.js"

const source = "nyc1"
const destinations = ["sfo1", "ams2"] as const
const prefix = "global/"
const host = "127.0.0.1"

/** The ports of the three agents. If one is in use, any free port replaces it. */
const usualPorts = [8500, 9500, 10_500]

const serve = (sim: SimConsul.SimConsul) =>
  Effect.forEach(sim.agents, ({ name }, i) => {
    const on = (port: number) => EmbeddedServers.serve({ sim, agent: name, host, port })
    return Effect.orElse(on(usualPorts[i] ?? 0), () => on(0))
  }).pipe(Effect.map((ports) => ports.map((port) => `http://${host}:${port}`)))

/** Replicates as the command does, over sockets. Only the servers are not Consul's. */
const replicate = (address: string) =>
  Effect.gen(function* () {
    const replication = yield* Replication.make({ source, prefix })
    const services = Layer.merge(Replicator.services, LeaderLock.layer(yield* LeaderLock.options())).pipe(
      Layer.provideMerge(Layer.orDie(ConsulHttp.layer({ address }))),
      Layer.provide(AgentConnections.layer(replication.watchShards))
    )
    return yield* Effect.provide(Replicator.run(replication), services)
    // The options are this file's own, and valid.
  }).pipe(Effect.catchTag("InvalidOptions", Effect.die))

const firstChanges = [
  ["global/motd", "hello from nyc1"],
  ["global/features/search", "on"],
  ["global/limits/requests", "1000"]
] as const

/** Changes the source: a counter each time, and a key that is created and deleted. */
const change = (sim: SimConsul.SimConsul, round: number) =>
  Effect.zipRight(
    sim.put(source, "global/visits", String(round)),
    round % 4 === 0
      ? sim.remove(source, "global/maintenance")
      : round % 4 === 2
        ? sim.put(source, "global/maintenance", "until noon")
        : Effect.void
  )

const instructions = (addresses: ReadonlyArray<string>) => {
  const [nyc1, sfo1, ams2] = addresses
  return [
    `${source} ${nyc1}  is authoritative for ${JSON.stringify(prefix)}`,
    `sfo1 ${sfo1}  copies it`,
    `ams2 ${ams2}  copies it`,
    "",
    "Try it, in another terminal:",
    "",
    `  curl -X PUT -d 'hello' '${nyc1}/v1/kv/global/greeting'`,
    `  curl '${sfo1}/v1/kv/global/greeting?raw'`,
    `  curl '${ams2}/v1/kv/global/?keys'`,
    `  curl '${sfo1}/v1/kv/service/consul-replicate/status?raw'`,
    "",
    "Ctrl-C stops it.",
    ""
  ].join("\n")
}

export const demo = Command.make(
  "demo",
  {},
  Effect.fn("consul-replicate demo")(function* () {
    const sim = yield* SimConsul.make({ datacenters: [source, ...destinations] })
    const addresses = yield* serve(sim)
    yield* Console.log(instructions(addresses))
    yield* Effect.forEach(firstChanges, ([key, value]) => sim.put(source, key, value))
    const { redraws } = yield* Ansi.of(process.stdout)
    yield* Effect.forkScoped(Screen.show(Traffic.arrivals(sim, { source, prefix }), redraws))
    yield* Effect.forkScoped(
      Effect.iterate(1, {
        while: () => true,
        body: (round) => Effect.as(Effect.delay(change(sim, round), "2 seconds"), round + 1)
      })
    )
    yield* Effect.forEach(addresses.slice(1), replicate, { concurrency: "unbounded", discard: true }).pipe(
      Logger.withMinimumLogLevel(LogLevel.Warning)
    )
  }, Effect.scoped)
)
