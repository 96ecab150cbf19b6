/**
 * Real Consul datacenters on this machine, for tests, benches and the demo. They are ready in about two seconds, and end with
 * their scope.
 */
import * as Crypto from "node:crypto"
import * as Url from "node:url"
import * as Command from "@effect/platform/Command"
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import type { PlatformError } from "@effect/platform/Error"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as ConsulAgent from "./ConsulAgent.js"
import * as FreePorts from "./FreePorts.js"

export interface Datacenter extends ConsulAgent.Controls {
  readonly name: string
  /** Host and port of the first server: `127.0.0.1:<port>`. */
  readonly address: string
  /** The agents, servers first. */
  readonly agents: Arr.NonEmptyReadonlyArray<ConsulAgent.ConsulAgent>
  /** Waits until every agent of the datacenter answers `?dc=<other>`. Every agent must run. After a start this takes a moment. */
  readonly reaches: (other: string) => Effect.Effect<void, ConsulAgent.StartError>
}

export type Datacenters<Name extends string> = { readonly [N in Name]: Datacenter }

/** The options of all datacenters, except those with options of their own. */
export interface Options<Name extends string = never> extends DatacenterOptions {
  /** The datacenters with options of their own. */
  readonly own?: { readonly [N in Name]?: DatacenterOptions } | undefined
}

export interface DatacenterOptions {
  /** The number of servers. Default 1. */
  readonly servers?: number | undefined
  /** The number of agents that are no servers. Default 0. */
  readonly clients?: number | undefined
  /** The configuration of every agent, as in Consul's own files: `{ limits: { txn_max_req_len: 1_000_000 } }`. */
  readonly config?: { readonly [key: string]: unknown } | undefined
  /** Additional flags of every agent's command. */
  readonly flags?: ReadonlyArray<string> | undefined
}

/** Starts datacenters that are joined. Waits until each accepts writes and reaches all others. */
export const datacenters = <const Name extends string>(
  names: ReadonlyArray<Name>,
  options: Options<Name> = {}
): Effect.Effect<
  Datacenters<Name>,
  ConsulAgent.StartError | PlatformError,
  CommandExecutor.CommandExecutor | FileSystem.FileSystem | Scope.Scope
> =>
  attempt(startAll(names, options)).pipe(
    Effect.retry({ times: 9, while: ({ _tag }) => _tag === "PortTaken" }),
    Effect.provide(FetchHttpClient.layer),
    ConsulAgent.live
  )

/** The path of a Consul binary. Fetches the binary if there is none. */
export const binary = Effect.gen(function* () {
  const script = Url.fileURLToPath(new URL("../../../scripts/fetch-consul.mjs", import.meta.url))
  const process = yield* Command.start(Command.make("node", script))
  const [path, error, exitCode] = yield* Effect.all(
    [
      Stream.mkString(Stream.decodeText(process.stdout)),
      Stream.mkString(Stream.decodeText(process.stderr)),
      process.exitCode
    ],
    { concurrency: "unbounded" }
  )
  return exitCode === 0 ? path.trim() : yield* new ConsulAgent.RealConsulError({ message: error.trim() })
}).pipe(Effect.scoped)

/** Closes the scope of an effect at once if the effect fails. */
const attempt = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
    return yield* self.pipe(
      Scope.extend(scope),
      Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
    )
  })

const startAll = Effect.fnUntraced(function* <Name extends string>(
  names: ReadonlyArray<Name>,
  { own, ...common }: Options<Name>
) {
  const consul = yield* binary
  const folder = yield* temporaryFolder
  const sizes = names.map((datacenter) => {
    const { clients = 0, config = {}, flags = [], servers = 1 } = own?.[datacenter] ?? common
    return { datacenter, config, flags, servers, size: servers + clients }
  })
  const before = (index: number) => sizes.slice(0, index).reduce((sum, { size }) => sum + size, 0)
  const firstPort = yield* FreePorts.take(before(sizes.length) * portsEach)

  const plan = sizes.map(({ config, datacenter, flags, servers, size }, index) => ({
    datacenter,
    config,
    flags,
    nodes: Arr.map(Arr.range(1, size), (number) => ({
      datacenter,
      name: `${datacenter}-${number}`,
      server: number <= servers,
      port: firstPort + (before(index) + number - 1) * portsEach
    }))
  }))
  const settings = yield* settingsIn(plan.flatMap(({ nodes }) => nodes.filter(({ server }) => server)))

  const world = yield* Effect.forEach(plan, ({ config, datacenter, flags, nodes }) =>
    Effect.forEach(nodes, (node) =>
      ConsulAgent.make({
        binary: consul,
        folder: `${folder}/${node.name}`,
        node: node.name,
        httpPort: node.port,
        configs: [settings(node), config],
        flags
      })
    ).pipe(Effect.map((agents) => makeDatacenter(datacenter, agents)))
  ).pipe(Effect.parallelFinalizers)

  yield* each(world, ({ start }) => start)
  yield* each(world, ({ name, reaches }) =>
    each(
      names.filter((other) => other !== name),
      reaches
    )
  )
  return Object.fromEntries(world.map((datacenter) => [datacenter.name, datacenter])) as Datacenters<Name>
})

const makeDatacenter = (
  name: string,
  agents: Arr.NonEmptyReadonlyArray<ConsulAgent.ConsulAgent>
): Datacenter => ({
  name,
  address: agents[0].address,
  agents,
  stop: each(agents, ({ stop }) => stop),
  kill: each(agents, ({ kill }) => kill),
  start: each(agents, ({ start }) => start),
  wipe: each(agents, ({ wipe }) => wipe),
  reaches: (other) => each(agents, ({ reaches }) => reaches(other))
})

const each = <A, E, R>(all: ReadonlyArray<A>, run: (one: A) => Effect.Effect<unknown, E, R>) =>
  Effect.forEach(all, run, { concurrency: "unbounded", discard: true })

interface Node {
  readonly name: string
  readonly datacenter: string
  readonly server: boolean
  /** The first of the agent's four ports. */
  readonly port: number
}

const portsEach = 4

/** The configuration of each agent in a world with these servers. */
const settingsIn = (servers: ReadonlyArray<Node>) =>
  Effect.sync(() => {
    // Refuses the servers of other worlds, if one ever listens on one of these ports.
    const encrypt = Crypto.randomBytes(32).toString("base64")
    return ({ datacenter, name, port, server }: Node) => {
      const others = servers.filter((other) => other.name !== name)
      const here = others.filter((other) => other.datacenter === datacenter)
      const elsewhere = others.filter((other) => other.datacenter !== datacenter)
      return {
        node_name: name,
        datacenter,
        server,
        ...(server && {
          bootstrap_expect: here.length + 1,
          retry_join_wan: elsewhere.map((other) => `127.0.0.1:${other.port + 2}`),
          retry_interval_wan: "100ms"
        }),
        retry_join: here.map((other) => `127.0.0.1:${other.port + 1}`),
        retry_interval: "100ms",
        bind_addr: "127.0.0.1",
        client_addr: "127.0.0.1",
        ports: { http: port, serf_lan: port + 1, serf_wan: port + 2, server: port + 3, dns: -1, grpc: -1 },
        encrypt,
        // An election begins after one second without a leader instead of five, and a client leaves without a wait of five
        // seconds.
        performance: { raft_multiplier: 1, leave_drain_time: "100ms" },
        disable_update_check: true
      }
    }
  })

const temporaryFolder = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* fs.makeTempDirectoryScoped({ prefix: "consul-replicate-" })
  yield* Command.start(Command.make("sh", "-c", deletedAfterUs, folder))
  return folder
})

/** Deletes the folder also if this process is killed: then stdin closes. The agents end in the second before the delete. */
const deletedAfterUs = `read -r _; sleep 1; rm -rf "$0"`

/** The two datacenters of most tests, for `layer(RealConsul.TwoDatacenters.layer)`. */
export class TwoDatacenters extends Context.Tag("test/consul/TwoDatacenters")<
  TwoDatacenters,
  Datacenters<"nyc1" | "sfo1">
>() {
  static readonly layer = Layer.scoped(this, datacenters(["nyc1", "sfo1"])).pipe(
    Layer.provide(NodeContext.layer)
  )
}
