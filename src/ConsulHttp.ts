/**
 * A typed client for the parts of Consul's HTTP interface that a replicator needs.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Address from "./Address.js"
import * as Agent from "./internal/consul/Agent.js"
import * as Catalog from "./internal/consul/Catalog.js"
import type { Consul, Endpoint } from "./internal/consul/Consul.js"
import * as Kv from "./internal/consul/Kv.js"
import * as Request from "./internal/consul/Request.js"
import * as Session from "./internal/consul/Session.js"
import * as Transaction from "./internal/consul/Transaction.js"

export * from "./internal/consul/Consul.js"

/**
 * An endpoint whose `address` is as people write it, in `CONSUL_HTTP_ADDR` for example: `127.0.0.1:8500`, or a URL.
 *
 * @since 0.5.0
 * @category models
 */
export interface ConsulHttpOptions extends Omit<Endpoint, "address"> {
  readonly address: string
}

/**
 * @since 0.1.0
 * @category tags
 * @example
 * ```ts
 * import * as assert from "node:assert"
 * import { ConsulHttp, Value } from "consul-replicate"
 * import { SimConsul } from "consul-replicate/testing"
 * import { Effect, Layer, Option } from "effect"
 *
 * const Consul = ConsulHttp.layer({ address: "127.0.0.1:8500" }).pipe(
 *   // A Consul in memory. `NodeHttpClient.layerUndici` asks a real one.
 *   Layer.provide(SimConsul.layerHttpClient())
 * )
 *
 * export const program = Effect.gen(function* () {
 *   yield* ConsulHttp.kv.put({ key: "app/color", value: Value.fromText("blue") })
 *   const { value } = yield* ConsulHttp.kv.get("app/color")
 *   const text = Option.flatMap(value, (entry) => Value.toText(entry.value))
 *   assert.deepStrictEqual(text, Option.some("blue"))
 * }).pipe(Effect.provide(Consul))
 * ```
 */
export class ConsulHttp extends Context.Tag("consul-replicate/ConsulHttp")<ConsulHttp, Consul>() {}

const make = (send: Request.Send): Consul => ({
  endpoint: send.endpoint,
  at: (endpoint) => make(send.at(endpoint)),
  kv: Kv.make(send),
  transaction: Transaction.transaction(send),
  session: Session.make(send),
  agent: Agent.make(send),
  catalog: Catalog.make(send)
})

/**
 * Fails if the address is not that of a Consul agent. Does not connect to it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: ConsulHttpOptions
): Layer.Layer<ConsulHttp, Address.InvalidAddress, HttpClient.HttpClient> =>
  Layer.effect(
    ConsulHttp,
    Effect.gen(function* () {
      const address = yield* Address.parse(options.address)
      const client = yield* HttpClient.HttpClient
      return make(Request.make(client, { ...options, address }))
    })
  )

/**
 * {@link layer} with options that are `Config`s, each or all together. A token is a `Config.redacted`.
 *
 * @since 0.5.0
 * @category layers
 * @example
 * ```ts
 * import { ConsulHttp } from "consul-replicate"
 * import { Config } from "effect"
 *
 * export const Consul = ConsulHttp.layerConfig({
 *   address: Config.string("CONSUL_HTTP_ADDR").pipe(Config.withDefault("127.0.0.1:8500")),
 *   token: Config.redacted("CONSUL_HTTP_TOKEN").pipe(Config.withDefault(undefined))
 * })
 * ```
 */
export const layerConfig = (
  options: Config.Config.Wrap<ConsulHttpOptions>
): Layer.Layer<ConsulHttp, Address.InvalidAddress | ConfigError, HttpClient.HttpClient> =>
  Layer.unwrapEffect(Effect.map(Config.unwrap(options), layer))

/**
 * The client of another endpoint; see `Consul.at`.
 *
 * @since 0.5.0
 * @category accessors
 */
export const at = (endpoint: Partial<Endpoint>): Effect.Effect<Consul, never, ConsulHttp> =>
  Effect.map(ConsulHttp, (consul) => consul.at(endpoint))

/**
 * Keys and values by the client in the environment: `ConsulHttp.kv.get("a")`.
 *
 * @since 0.5.0
 * @category accessors
 */
export const kv = Effect.serviceFunctions(Effect.map(ConsulHttp, (consul) => consul.kv))

/**
 * `transaction` of the client in the environment.
 *
 * @since 0.5.0
 * @category accessors
 */
export const { transaction } = Effect.serviceFunctions(ConsulHttp)

/**
 * Sessions by the client in the environment.
 *
 * @since 0.5.0
 * @category accessors
 */
export const session = Effect.serviceFunctions(Effect.map(ConsulHttp, (consul) => consul.session))

const ofAgent = Effect.serviceFunctions(Effect.map(ConsulHttp, (consul) => consul.agent))

/**
 * The agent of the client in the environment.
 *
 * @since 0.5.0
 * @category accessors
 */
export const agent = {
  self: Effect.flatMap(ConsulHttp, (consul) => consul.agent.self),
  registerService: ofAgent.registerService,
  deregisterService: ofAgent.deregisterService,
  updateCheck: ofAgent.updateCheck
}

/**
 * `catalog` of the client in the environment.
 *
 * @since 0.5.0
 * @category accessors
 */
export const catalog = {
  peers: Effect.flatMap(ConsulHttp, (consul) => consul.catalog.peers),
  nodeId: (name: string) => Effect.flatMap(ConsulHttp, (consul) => consul.catalog.nodeId(name))
}
