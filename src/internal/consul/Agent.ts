/** The agent: who it is, and the services and checks that it looks after. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { ConsulError } from "../../ConsulError.js"
import type { CheckStatus, Consul, ServiceOptions } from "./Consul.js"
import { decode } from "./Document.js"
import { goDuration } from "./HttpRequest.js"
import type { Send } from "./Request.js"
import * as Rights from "./Rights.js"

const decodeSelf = decode(
  Schema.Struct({
    Config: Schema.Struct({
      Datacenter: Schema.String,
      NodeName: Schema.String,
      NodeID: Schema.String,
      Version: Schema.String
    })
  })
)

/**
 * With ACLs, Consul (1.8.7) looks the service up before it removes it, and fails for an unknown id. Without ACLs it accepts any
 * id.
 */
const isUnknownService = (error: ConsulError): boolean =>
  error._tag === "Rejected" && error.status === 500 && error.reason.startsWith("Unknown service")

/** Requests about the agent itself are not forwarded: they name no datacenter. */
export const make = (sendTo: Send): Consul["agent"] => {
  const send = sendTo.at({ datacenter: undefined })
  /** Names of services by id: a token has rights to names. */
  const names = new Map<string, string>()
  const rightTo = (id: string) => {
    const name = names.get(id)
    return name === undefined ? undefined : Rights.ofService(name)
  }
  return {
    self: Effect.gen(function* () {
      const received = yield* send({ method: "GET", path: "/v1/agent/self" })
      const { Config } = yield* decodeSelf(received)
      const { Datacenter: datacenter, NodeID: nodeId, NodeName: node, Version: version } = Config
      return { datacenter, node, nodeId, version }
    }).pipe(Effect.withSpan("ConsulHttp.agent.self")),

    registerService: Effect.fn("ConsulHttp.agent.registerService")(function* (service: ServiceOptions) {
      names.set(service.id, service.name)
      yield* send({
        method: "PUT",
        path: "/v1/agent/service/register",
        right: Rights.ofService(service.name),
        body: JSON.stringify({
          ID: service.id,
          Name: service.name,
          Meta: service.meta ?? {},
          Check: {
            TTL: goDuration(service.ttl),
            Status: "passing",
            DeregisterCriticalServiceAfter: goDuration(service.deregisterAfter)
          }
        })
      })
    }),

    deregisterService: Effect.fn("ConsulHttp.agent.deregisterService")(function* (id: string) {
      const path = `/v1/agent/service/deregister/${encodeURIComponent(id)}`
      const request = { method: "PUT", path, right: rightTo(id) } as const
      yield* Effect.catchIf(send(request, [404]), isUnknownService, () => Effect.void)
      names.delete(id)
    }),

    updateCheck: Effect.fn("ConsulHttp.agent.updateCheck")(function* (
      id: string,
      { output, status }: { readonly status: CheckStatus; readonly output: string }
    ) {
      yield* send({
        method: "PUT",
        path: `/v1/agent/check/update/${encodeURIComponent(id)}`,
        right: rightTo(id.replace(/^service:/, "")),
        body: JSON.stringify({ Status: status, Output: output })
      })
    })
  }
}
