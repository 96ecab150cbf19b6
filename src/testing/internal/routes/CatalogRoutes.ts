/**
 * Reads of the catalog and of health: `/v1/catalog/…`, `/v1/health/…`, and `/v1/status/…` beside them.
 */
import * as Effect from "effect/Effect"
import * as Catalog from "../cluster/Catalog.js"
import type * as Datacenter from "../cluster/Datacenter.js"
import * as Store from "../cluster/Store.js"
import type { ByteString } from "../go/ByteString.js"
import * as GoJson from "../go/GoJson.js"
import * as OrderedMap from "../go/OrderedMap.js"
import * as Http from "../http/Http.js"
import * as Refusal from "../http/Refusal.js"
import * as RequestTarget from "../http/RequestTarget.js"
import type { Context, Endpoint, Route } from "../http/Route.js"

// -----------------------------------------------------------------------------
// Shapes
// -----------------------------------------------------------------------------

const indexes = (of: { readonly createIndex: number; readonly modifyIndex: number }) => ({
  CreateIndex: of.createIndex,
  ModifyIndex: of.modifyIndex
})

const nodeJson = (node: Store.Node, datacenter: string) => ({
  ID: node.id,
  Node: node.name,
  Address: node.address,
  Datacenter: datacenter,
  TaggedAddresses: node.taggedAddresses,
  Meta: node.meta,
  ...indexes(node)
})

/** An address per kind of network, for a service that has an IP address of its own. */
export const taggedAddresses = (service: {
  readonly address: ByteString
  readonly port: number
}): ReadonlyMap<ByteString, GoJson.Json> | undefined => {
  const { address, port } = service
  const family = /^\d+(\.\d+){3}$/.test(address) ? "ipv4" : address.includes(":") ? "ipv6" : undefined
  if (family === undefined) return undefined
  const tagged = { Address: address, Port: port }
  return new Map([
    [`lan_${family}`, tagged],
    [`wan_${family}`, tagged]
  ])
}

export const weightsJson = ({ weights }: Pick<Store.Service, "weights">): GoJson.Json => ({
  Passing: weights.passing,
  Warning: weights.warning
})

const proxy: GoJson.Json = { MeshGateway: {}, Expose: {} }

const serviceJson = (service: Store.Service): GoJson.Json => {
  const tagged = taggedAddresses(service)
  return {
    ID: service.id,
    Service: service.name,
    Tags: service.tags,
    Address: service.address,
    ...(tagged === undefined ? {} : { TaggedAddresses: tagged }),
    Meta: service.meta ?? null,
    Port: service.port,
    Weights: weightsJson(service),
    EnableTagOverride: service.enableTagOverride,
    Proxy: proxy,
    Connect: {},
    ...indexes(service)
  }
}

/** A service with its node in one flat object, as the catalog shows it. */
const serviceNodeJson = (service: Store.Service, node: Store.Node, datacenter: string): GoJson.Json => {
  const tagged = taggedAddresses(service)
  return {
    ID: node.id,
    Node: node.name,
    Address: node.address,
    Datacenter: datacenter,
    TaggedAddresses: node.taggedAddresses,
    NodeMeta: node.meta,
    ServiceKind: "",
    ServiceID: service.id,
    ServiceName: service.name,
    ServiceTags: service.tags,
    ServiceAddress: service.address,
    ...(tagged === undefined ? {} : { ServiceTaggedAddresses: tagged }),
    ServiceWeights: weightsJson(service),
    ServiceMeta: service.meta ?? {},
    ServicePort: service.port,
    ServiceEnableTagOverride: service.enableTagOverride,
    ServiceProxy: proxy,
    ServiceConnect: {},
    ...indexes(service)
  }
}

export const checkJson = (
  check: Catalog.NewCheck,
  more: Pick<Store.Check, "serviceName" | "serviceTags" | "createIndex" | "modifyIndex">
): GoJson.Json => ({
  Node: check.node,
  CheckID: check.id,
  Name: check.name,
  Status: check.status,
  Notes: check.notes,
  Output: check.output,
  ServiceID: check.serviceId,
  ServiceName: more.serviceName,
  ServiceTags: more.serviceTags,
  Type: check.type,
  Definition: {},
  ...indexes(more)
})

const storedCheck = (check: Store.Check): GoJson.Json => checkJson(check, check)

// -----------------------------------------------------------------------------
// Reading
// -----------------------------------------------------------------------------

const tables = ["nodes", "services", "checks", "extinction"] as const

/** Whether a commit wakes a blocked read of the catalog: it moved any index of the catalog. */
const wakes = ({ before, after }: Datacenter.Commit): boolean =>
  tables.some((table) => before.indexes.get(table) !== after.indexes.get(table))

const reading =
  (
    find: (state: Store.State, datacenter: string) => GoJson.Json,
    index: (state: Store.State) => number,
    missing?: ByteString
  ) =>
  (call: Http.Call, { datacenter, rpc }: Context, rest: ByteString): ReturnType<Endpoint> =>
    Effect.gen(function* () {
      const options = yield* Http.readOptions(call.query)
      if (missing !== undefined && rest === "") return yield* Refusal.bad(missing)
      const name = RequestTarget.get(call.query, "dc") || datacenter
      const read = (state: Store.State) => ({ index: index(state), value: find(state, name) })
      const answer = yield* rpc.read(call.query, options, { read, wakes })
      return Http.json(call, answer.value, [
        ["X-Consul-Effective-Consistency", options.consistency],
        ...Http.meta(answer.index, answer.knownLeader)
      ])
    }).pipe(Http.withMetaOnFailure)

const nodeOf = (state: Store.State, name: ByteString) => OrderedMap.get(state.nodes, name.toLowerCase())

const tagged = (call: Http.Call) => (service: Store.Service) => {
  const tags = service.tags.map((tag) => tag.toLowerCase())
  return (call.query.values.get("tag") ?? []).every((tag) => tags.includes(tag.toLowerCase()))
}

const nodes: Endpoint = reading(
  (state, datacenter) => OrderedMap.values(state.nodes).map((node) => nodeJson(node, datacenter)),
  (state) => Store.indexOf(state, "nodes")
)

const services: Endpoint = reading(
  (state) => {
    const tags = new Map<ByteString, ReadonlyArray<ByteString>>()
    for (const service of OrderedMap.values(state.services)) {
      tags.set(service.name, Array.from(new Set([...(tags.get(service.name) ?? []), ...service.tags])))
    }
    return tags
  },
  (state) => Store.indexOf(state, "services")
)

const service: Endpoint = (call, context, name) =>
  reading(
    (state, datacenter) =>
      Catalog.instances(state, name)
        .filter(tagged(call))
        .flatMap((instance) => {
          const node = nodeOf(state, instance.node)
          return node === undefined ? [] : [serviceNodeJson(instance, node, datacenter)]
        }),
    (state) => Catalog.serviceIndex(state, name, false),
    "Missing service name"
  )(call, context, name)

const node: Endpoint = (call, context, name) =>
  reading(
    (state, datacenter) => {
      const node = nodeOf(state, name)
      if (node === undefined) return null
      const services = Catalog.servicesOf(state, name)
      return {
        Node: nodeJson(node, datacenter),
        Services: new Map(services.map((service) => [service.id, serviceJson(service)]))
      }
    },
    (state) => (nodeOf(state, name) === undefined ? 0 : Store.indexOf(state, "nodes", "services")),
    "Missing node name"
  )(call, context, name)

const healthOfService: Endpoint = (call, context, name) => {
  const passing =
    RequestTarget.has(call.query, "passing") && RequestTarget.get(call.query, "passing") !== "false"
  return reading(
    (state, datacenter) =>
      Catalog.instances(state, name)
        .filter(tagged(call))
        .flatMap((instance) => {
          const node = nodeOf(state, instance.node)
          const checks = Catalog.checksOf(state, instance.node).filter(
            ({ serviceId }) => serviceId === "" || serviceId === instance.id
          )
          const isSelected = !passing || checks.every(({ status }) => status === "passing")
          if (node === undefined || !isSelected) return []
          const nodeChecksFirst = [
            ...checks.filter(({ serviceId }) => serviceId === ""),
            ...checks.filter(({ serviceId }) => serviceId !== "")
          ]
          return [
            {
              Node: nodeJson(node, datacenter),
              Service: serviceJson(instance),
              Checks: nodeChecksFirst.map(storedCheck)
            }
          ]
        }),
    (state) => Catalog.serviceIndex(state, name, true),
    "Missing service name"
  )(call, context, name)
}

const checksIndex = (state: Store.State) => Store.indexOf(state, "checks")

const checksWhere =
  (missing: ByteString, where: (check: Store.Check, rest: ByteString) => boolean): Endpoint =>
  (call, context, rest) =>
    reading(
      (state) =>
        OrderedMap.values(state.checks)
          .filter((check) => where(check, rest))
          .map(storedCheck),
      checksIndex,
      missing
    )(call, context, rest)

const checksOfService = checksWhere(
  "Missing service name",
  (check, name) => check.serviceName !== "" && check.serviceName.toLowerCase() === name.toLowerCase()
)

const checksOfNode = checksWhere(
  "Missing node name",
  (check, name) => check.node.toLowerCase() === name.toLowerCase()
)

const checksInState = checksWhere(
  "Missing check state",
  (check, state) => state === "any" || check.status === state
)

// -----------------------------------------------------------------------------
// Datacenters and servers
// -----------------------------------------------------------------------------

/** The names of the datacenters. If the parameters are wrong, Consul sends the error, and the names after it. */
const datacenters: Endpoint = (call, { datacenters }) =>
  Effect.match(Http.readOptions(call.query), {
    onSuccess: () => Http.json(call, datacenters()),
    onFailure: ({ message, status }) => Http.text(status, message + GoJson.encode(datacenters()), [Http.vary])
  })

/** The port on which servers talk to each other. */
const serverPort = 8300

const addressOf = ({ host }: { readonly host: string }) => `${host}:${serverPort}`

const servers = (
  call: Http.Call,
  { rpc, servers }: Context,
  show: (addresses: ReadonlyArray<string>, hasLeader: boolean) => GoJson.Json
) =>
  Effect.map(
    // Any server answers, also without a leader.
    rpc.call(call.query, (datacenter) => Effect.succeed(datacenter), "stale"),
    (datacenter) => Http.json(call, show(servers(datacenter.name).map(addressOf), datacenter.hasLeader()))
  )

const leader: Endpoint = (call, context) =>
  servers(call, context, (addresses, hasLeader) => (hasLeader ? (addresses[0] ?? "") : ""))

const peers: Endpoint = (call, context) => servers(call, context, (addresses) => addresses)

const get = (path: string, endpoint: Endpoint): Route => ({ methods: ["GET"], path, endpoint })

export const routes: ReadonlyArray<Route> = [
  get("/v1/catalog/datacenters", datacenters),
  get("/v1/catalog/nodes", nodes),
  get("/v1/catalog/services", services),
  get("/v1/catalog/service/", service),
  get("/v1/catalog/node/", node),
  get("/v1/health/service/", healthOfService),
  get("/v1/health/checks/", checksOfService),
  get("/v1/health/node/", checksOfNode),
  get("/v1/health/state/", checksInState),
  get("/v1/status/leader", leader),
  get("/v1/status/peers", peers)
]
