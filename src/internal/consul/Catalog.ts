/** The part of the catalog that shows which servers an endpoint asks. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Consul } from "./Consul.js"
import { decode } from "./Document.js"
import type { Send } from "./Request.js"

const decodePeers = decode(Schema.Array(Schema.String))

/** Consul answers `null` for an unknown node. */
const decodeNode = decode(Schema.NullOr(Schema.Struct({ Node: Schema.Struct({ ID: Schema.String }) })))

export const make = (send: Send): Consul["catalog"] => ({
  peers: Effect.gen(function* () {
    return yield* decodePeers(yield* send({ method: "GET", path: "/v1/status/peers" }))
  }).pipe(Effect.withSpan("ConsulHttp.catalog.peers")),

  nodeId: Effect.fn("ConsulHttp.catalog.nodeId")(function* (name: string) {
    const path = `/v1/catalog/node/${encodeURIComponent(name)}`
    // A later Consul answers 404 for an unknown node (not measured).
    const received = yield* send({ method: "GET", path }, [404])
    if (received.status === 404) return Option.none()
    return Option.map(Option.fromNullable(yield* decodeNode(received)), ({ Node }) => Node.ID)
  })
})
