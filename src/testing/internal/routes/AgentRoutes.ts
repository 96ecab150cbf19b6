/**
 * `/v1/agent/…`: the services and checks that are registered with the agent itself.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as GoDuration from "../../../internal/consul/GoDuration.js"
import type { Agent, LocalCheck } from "../cluster/Agent.js"
import * as LocalAgent from "../cluster/Agent.js"
import type * as Store from "../cluster/Store.js"
import { type ByteString, quote } from "../go/ByteString.js"
import type * as GoJson from "../go/GoJson.js"
import * as GoStruct from "../go/GoStruct.js"
import * as Http from "../http/Http.js"
import * as Refusal from "../http/Refusal.js"
import * as RequestTarget from "../http/RequestTarget.js"
import type { Endpoint, Route } from "../http/Route.js"
import * as CatalogRoutes from "./CatalogRoutes.js"

/** The answer of an agent to a change: an empty body. */
const ok = Http.empty(200, [Http.vary])

/** The most bytes of a check's output. */
const longestOutput = 4096

const isStatus = (status: ByteString): status is Store.Status =>
  status === "passing" || status === "warning" || status === "critical"

// -----------------------------------------------------------------------------
// Registration
// -----------------------------------------------------------------------------

const text = GoStruct.string()
const flag = GoStruct.bool
const given = GoStruct.any

/** The fields of a check's definition. Fields of checks that are not TTL checks are decoded, and then refused. */
const checkFields = {
  Name: text,
  Status: text,
  Notes: text,
  TTL: GoStruct.duration,
  DeregisterCriticalServiceAfter: GoStruct.duration,
  ScriptArgs: given,
  HTTP: text,
  Header: given,
  Method: text,
  Body: text,
  TCP: text,
  Interval: GoStruct.duration,
  Timeout: GoStruct.duration,
  AliasNode: text,
  AliasService: text,
  DockerContainerID: text,
  Shell: text,
  GRPC: text,
  GRPCUseTLS: flag,
  TLSSkipVerify: flag,
  SuccessBeforePassing: GoStruct.int,
  FailuresBeforeCritical: GoStruct.int,
  OutputMaxSize: GoStruct.int
}

const checkType = GoStruct.struct(
  "structs.CheckType",
  { CheckID: text, ...checkFields },
  { display: "", unknown: "refuse" }
)

const checkDefinition = GoStruct.struct(
  "structs.CheckDefinition",
  { ID: text, ServiceID: text, Token: text, ...checkFields },
  { display: "", unknown: "refuse" }
)

const serviceDefinition = GoStruct.struct(
  'struct { EnableTagOverrideSnake bool "json:\\"enable_tag_override\\""; TaggedAddressesSnake map[string]structs.ServiceAddress "json:\\"tagged_addresses\\""; *structs.Alias }',
  {
    ID: text,
    Name: text,
    Tags: GoStruct.array(text),
    Address: text,
    Port: GoStruct.int,
    Meta: GoStruct.map(text),
    Check: GoStruct.optional(checkType),
    Checks: GoStruct.array(checkType),
    Weights: GoStruct.optional(
      GoStruct.struct(
        "structs.Weights",
        { Passing: GoStruct.int, Warning: GoStruct.int },
        { unknown: "refuse" }
      )
    ),
    EnableTagOverride: flag,
    Token: text,
    Kind: text,
    TaggedAddresses: given,
    Proxy: given,
    Connect: given
  },
  { display: "", unknown: "refuse" }
)

type CheckGiven = Pick<
  GoStruct.Value<typeof checkType>,
  keyof typeof checkFields & keyof GoStruct.Value<typeof checkType>
>

/** Whether a check has no definition. Consul ignores such a check. */
const isBlank = ({ Interval, Status, TTL, ...other }: CheckGiven): boolean =>
  TTL === 0n && Interval === 0n && Status === "" && !kinds.some((kind) => other[kind] !== "")

const kinds = ["HTTP", "TCP", "AliasNode", "AliasService", "DockerContainerID", "GRPC"] as const

const validate = (check: CheckGiven): Either.Either<void, Refusal.Refusal> => {
  const invalid = (problem: string) => Either.left(Refusal.bad(`Invalid check: ${problem}`))
  if (check.ScriptArgs !== undefined || kinds.some((kind) => check[kind] !== "")) {
    return check.Interval <= 0n
      ? invalid("Interval must be > 0 for Script, HTTP, or TCP checks")
      : Either.left(Refusal.failed("SimConsul: only TTL checks"))
  }
  return check.TTL > 0n ? Either.void : invalid("TTL must be > 0 for TTL checks")
}

const localCheck = (
  node: ByteString,
  check: CheckGiven,
  more: { readonly id: ByteString; readonly name: ByteString; readonly serviceId: ByteString }
): LocalCheck => ({
  check: {
    node,
    id: more.id,
    name: check.Name === "" ? more.name : check.Name,
    status: isStatus(check.Status) ? check.Status : "critical",
    notes: check.Notes,
    output: "",
    serviceId: more.serviceId,
    type: "ttl"
  },
  ttl: GoDuration.toMillis(check.TTL),
  deregisterAfter: Option.map(
    Option.liftPredicate(check.DeregisterCriticalServiceAfter, (after) => after > 0n),
    (after) => Math.max(GoDuration.toMillis(after), LocalAgent.shortestDeregistration)
  )
})

const undecoded = (problem: ByteString) => Refusal.bad(`Request decode failed: ${problem}`)

const registerService: Endpoint = (call, { agent }) =>
  Effect.gen(function* () {
    const service = yield* Either.mapLeft(Http.decode(call, serviceDefinition), undecoded)
    const { Address, Check, Checks = [], EnableTagOverride, Meta, Name, Port, Tags = [], Weights } = service
    if (Name === "") return yield* Refusal.bad("Missing service name")
    const id = service.ID === "" ? Name : service.ID
    const checks = [...(Check === undefined || isBlank(Check) ? [] : [Check]), ...Checks]
    for (const check of checks) {
      if (check.Status !== "" && !isStatus(check.Status)) {
        return yield* Refusal.bad("Status for checks must 'passing', 'warning', 'critical'")
      }
      yield* validate(check)
    }
    const locals = checks.map((check, i) => {
      const numbered = checks.length > 1 ? `service:${id}:${i + 1}` : `service:${id}`
      return localCheck(agent.name, check, {
        id: check.CheckID === "" ? numbered : check.CheckID,
        name: `Service '${Name}' check`,
        serviceId: id
      })
    })
    const local = {
      node: agent.name,
      id,
      name: Name,
      tags: Tags,
      address: Address,
      port: Number(Port),
      meta: Meta ?? new Map(),
      weights: { passing: Number(Weights?.Passing ?? 1n), warning: Number(Weights?.Warning ?? 1n) },
      enableTagOverride: EnableTagOverride
    }
    return yield* settle(agent, () => agent.addService(local, locals))
  })

/** Changes the agent. Then waits until the servers have the change, or have no leader. */
const settle = (agent: Agent, change: () => void): Effect.Effect<Http.Response> =>
  Effect.sync(change).pipe(Effect.zipRight(agent.sync), Effect.as(ok))

const deregisterService: Endpoint = (_, { agent }, id) =>
  id === "" ? Refusal.failed("ServiceID missing") : settle(agent, () => agent.removeService(id))

const registerCheck: Endpoint = (call, { agent }) =>
  Effect.gen(function* () {
    const check = yield* Either.mapLeft(Http.decode(call, checkDefinition), undecoded)
    if (check.Name === "") return yield* Refusal.bad("Missing check name")
    if (check.Status !== "" && !isStatus(check.Status)) return yield* Refusal.bad("Bad check status")
    yield* validate(check)
    const { ID, Name, ServiceID } = check
    if (ServiceID !== "" && !agent.services().some(({ id }) => id === ServiceID)) {
      return yield* Refusal.failed(`ServiceID ${quote(ServiceID)} does not exist`)
    }
    const local = localCheck(agent.name, check, {
      id: ID === "" ? Name : ID,
      name: Name,
      serviceId: ServiceID
    })
    return yield* settle(agent, () => agent.addCheck(local))
  })

const deregisterCheck: Endpoint = (_, { agent }, id) =>
  id === "" ? Refusal.failed("CheckID missing") : settle(agent, () => agent.removeCheck(id))

// -----------------------------------------------------------------------------
// Reports of a check's status
// -----------------------------------------------------------------------------

const report = (
  agent: Agent,
  id: ByteString,
  status: Store.Status,
  output: ByteString
): ReturnType<Endpoint> =>
  Effect.suspend(() => {
    const truncated =
      output.length <= longestOutput
        ? output
        : `${output.slice(0, longestOutput)} ... (captured ${longestOutput} of ${output.length} bytes)`
    return agent.update(id, status, truncated)
      ? Effect.as(agent.sync, ok)
      : Effect.fail(Refusal.failed(`CheckID ${quote(id)} does not have associated TTL`))
  })

const reporting =
  (status: Store.Status): Endpoint =>
  (call, { agent }, id) =>
    report(agent, id, status, RequestTarget.get(call.query, "note"))

const updateBody = GoStruct.struct("agent.checkUpdate", { Status: text, Output: text }, { unknown: "refuse" })

const update: Endpoint = (call, { agent }, id) =>
  Effect.gen(function* () {
    const { Output, Status } = yield* Either.mapLeft(Http.decode(call, updateBody), undecoded)
    if (!isStatus(Status)) return yield* Refusal.bad(`Invalid check status: '${Status}'`)
    return yield* report(agent, id, Status, Output)
  })

// -----------------------------------------------------------------------------
// Reads
// -----------------------------------------------------------------------------

const services: Endpoint = (call, { agent }) =>
  Effect.sync(() => {
    const entries = agent.services().map((service): readonly [ByteString, GoJson.Json] => {
      const tagged = CatalogRoutes.taggedAddresses(service)
      return [
        service.id,
        {
          ID: service.id,
          Service: service.name,
          Tags: service.tags,
          Meta: service.meta,
          Port: service.port,
          Address: service.address,
          ...(tagged === undefined ? {} : { TaggedAddresses: tagged }),
          Weights: CatalogRoutes.weightsJson(service),
          EnableTagOverride: service.enableTagOverride
        }
      ]
    })
    return Http.json(call, new Map(entries))
  })

const checks: Endpoint = (call, { agent }) =>
  Effect.sync(() => {
    const byId = new Map(agent.services().map((service) => [service.id, service]))
    const entries = agent.checks().map((check) => {
      const service = byId.get(check.serviceId)
      const more = {
        serviceName: service?.name ?? "",
        serviceTags: service?.tags ?? [],
        createIndex: 0,
        modifyIndex: 0
      }
      return [check.id, CatalogRoutes.checkJson(check, more)] as const
    })
    return Http.json(call, new Map(entries))
  })

const version = "1.8.7"

const memberJson = (agent: Agent, datacenter: string): GoJson.Json => ({
  Name: agent.name,
  Addr: agent.host,
  Port: 8301,
  Tags: new Map([
    ["build", `${version}:`],
    ["dc", datacenter],
    ["id", agent.id],
    ["role", agent.server ? "consul" : "node"],
    ["segment", ""]
  ]),
  Status: 1,
  ProtocolMin: 1,
  ProtocolMax: 5,
  ProtocolCur: 2,
  DelegateMin: 2,
  DelegateMax: 5,
  DelegateCur: 4
})

const members: Endpoint = (call, { datacenter, members }) =>
  Effect.sync(() =>
    Http.json(
      call,
      members().map((agent) => memberJson(agent, datacenter))
    )
  )

const self: Endpoint = (call, { agent, datacenter }) =>
  Effect.sync(() =>
    Http.json(call, {
      Config: {
        Datacenter: datacenter,
        NodeName: agent.name,
        NodeID: agent.id,
        Revision: "",
        Server: agent.server,
        Version: version
      },
      DebugConfig: { KVMaxValueSize: 524_288, TxnMaxReqLen: 524_288 },
      Coord: { Vec: [0, 0, 0, 0, 0, 0, 0, 0], Error: 1.5, Adjustment: 0, Height: 0.00001 },
      Member: memberJson(agent, datacenter),
      Stats: {
        agent: { check_ttls: String(agent.checks().length), services: String(agent.services().length) },
        build: { prerelease: "", revision: "", version },
        consul: { acl: "disabled", server: String(agent.server) }
      },
      Meta: { "consul-network-segment": "" }
    })
  )

export const routes: ReadonlyArray<Route> = [
  { methods: ["GET"], path: "/v1/agent/self", endpoint: self },
  { methods: ["GET"], path: "/v1/agent/members", endpoint: members },
  { methods: ["GET"], path: "/v1/agent/services", endpoint: services },
  { methods: ["GET"], path: "/v1/agent/checks", endpoint: checks },
  { methods: ["PUT"], path: "/v1/agent/service/register", endpoint: registerService },
  { methods: ["PUT"], path: "/v1/agent/service/deregister/", endpoint: deregisterService },
  { methods: ["PUT"], path: "/v1/agent/check/register", endpoint: registerCheck },
  { methods: ["PUT"], path: "/v1/agent/check/deregister/", endpoint: deregisterCheck },
  { methods: ["PUT"], path: "/v1/agent/check/pass/", endpoint: reporting("passing") },
  { methods: ["PUT"], path: "/v1/agent/check/warn/", endpoint: reporting("warning") },
  { methods: ["PUT"], path: "/v1/agent/check/fail/", endpoint: reporting("critical") },
  { methods: ["PUT"], path: "/v1/agent/check/update/", endpoint: update }
]
