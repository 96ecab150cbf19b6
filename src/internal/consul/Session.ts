/** Sessions. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { ConsulError } from "../../ConsulError.js"
import type { Consul, ReadOptions, SessionInfo, SessionOptions } from "./Consul.js"
import { decode } from "./Document.js"
import * as GoDuration from "./GoDuration.js"
import { goDuration } from "./HttpRequest.js"
import { indexed, type Send } from "./Request.js"

const decodeCreated = decode(Schema.Struct({ ID: Schema.NonEmptyString }))

const Session = Schema.Struct({
  ID: Schema.String,
  Name: Schema.String,
  Node: Schema.String,
  // Absent before 1.7; since then `serfHealth` stands in it, and not among the others.
  NodeChecks: Schema.optional(Schema.NullOr(Schema.Array(Schema.String))),
  Checks: Schema.optional(Schema.NullOr(Schema.Array(Schema.String)))
}).annotations({ identifier: "Session" })

const decodeSessions = decode(Schema.Array(Session))

/** Consul's text (1.8.7) for a time to live that is shorter than its servers' `session_ttl_min`. */
const invalidTtl =
  /^(?:rpc error making call: )?Invalid Session TTL '\d+', must be between \[([^=\]\s]+)=[^=\]\s]+\]$/

/** The shortest time to live that the servers allow, if a shorter one is why they have refused a session. */
export const leastTtl = (error: ConsulError): Option.Option<Duration.Duration> => {
  const text = error._tag === "Rejected" ? invalidTtl.exec(error.reason)?.[1] : undefined
  return text === undefined
    ? Option.none()
    : Option.map(Either.getRight(GoDuration.parse(text)), Duration.nanos)
}

const first = (sessions: ReadonlyArray<typeof Session.Type>): Option.Option<SessionInfo> =>
  Option.map(Option.fromNullable(sessions[0]), (session) => ({
    id: session.ID,
    name: session.Name,
    node: session.Node,
    checks: [...new Set([...(session.NodeChecks ?? []), ...(session.Checks ?? [])])]
  }))

export const make = (send: Send): Consul["session"] => ({
  create: Effect.fn("ConsulHttp.session.create")(function* (options: SessionOptions) {
    const received = yield* send({
      method: "PUT",
      path: "/v1/session/create",
      body: JSON.stringify({
        Name: options.name,
        // `NodeChecks` and `ServiceChecks` would be ignored before 1.7, and the session then outlive its owner.
        Checks: options.checks,
        Behavior: options.behavior,
        LockDelay: goDuration(options.lockDelay),
        ...(options.ttl !== undefined && { TTL: goDuration(options.ttl) })
      })
    })
    return (yield* decodeCreated(received)).ID
  }),

  renew: Effect.fn("ConsulHttp.session.renew")(function* (id: string) {
    const received = yield* send(
      { method: "PUT", path: `/v1/session/renew/${encodeURIComponent(id)}` },
      [404]
    )
    return received.status === 404 ? Option.none() : first(yield* decodeSessions(received))
  }),

  info: Effect.fn("ConsulHttp.session.info")(function* (id: string, options?: ReadOptions) {
    const path = `/v1/session/info/${encodeURIComponent(id)}`
    const received = yield* send({ method: "GET", path, read: options })
    return yield* indexed(received, first(yield* decodeSessions(received)))
  }),

  destroy: Effect.fn("ConsulHttp.session.destroy")(function* (id: string) {
    yield* send({ method: "PUT", path: `/v1/session/destroy/${encodeURIComponent(id)}` })
  })
})
