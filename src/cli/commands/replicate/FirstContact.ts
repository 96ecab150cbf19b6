/**
 * Requests at the start of `-once` that find failures which time does not mend, so that a script does not wait in vain. Without
 * `-once` the program waits all the same: an agent that has just started may not know other datacenters yet.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Address from "../../../Address.js"
import type { Endpoint } from "../../../internal/consul/Endpoint.js"
import { authorize, present, userAgent } from "../../../internal/consul/HttpRequest.js"
import { isTlsExpected, ofTransport } from "../../../internal/consul/Words.js"
import type { Replication } from "../../../Replication.js"

/** A failure that time does not mend. */
export class Hopeless extends Data.TaggedError("Hopeless")<{ readonly problem: string }> {
  override get message() {
    return this.problem
  }
}

/** A failure that may be over later. */
class Undecided extends Data.TaggedError("Undecided") {}

/** An agent to ask. */
export interface Contact {
  readonly endpoint: Endpoint
  /** The option that names the address. */
  readonly flag: string
  /** The datacenter that the agent must know, in lower case; undefined for any. */
  readonly datacenter: string | undefined
  /** Whether the agent must also answer `/v1/agent/self`, as the destination's agent must. */
  readonly isOurs: boolean
}

/** The time between two requests. */
const pause = Duration.seconds(1)

/** The time limit of one answer, which an agent gives from its memory. */
const answerTimeout = Duration.seconds(10)

const withTls = (address: string) => address.replace(/^http:/, "https:")
const withoutTls = (address: string) => address.replace(/^https:/, "http:")

/** The failure of a request without an answer. */
const brokenOff = (cause: unknown, { endpoint, flag }: Contact): Hopeless | Undecided => {
  const { address, settings } = endpoint
  const { kind, words } = ofTransport(cause, settings)
  switch (kind) {
    case "Untrusted":
      return new Hopeless({ problem: `${address} cannot be used: ${words}` })
    case "NoTls":
      return new Hopeless({
        problem: `what answers at ${address} speaks no TLS; drop what asks for TLS, such as CONSUL_HTTP_SSL, and give ${flag}=${withoutTls(address)}`
      })
    case "NoHttp":
      return new Hopeless({
        problem: `what answers at ${address} speaks no HTTP; if it speaks TLS, give ${flag}=${withTls(address)}`
      })
    case "ClosedUnused":
    case "ClientClosed":
    case "Other":
      return new Undecided()
  }
}

interface Answer {
  readonly status: number
  readonly type: string
  readonly text: string
}

const decodeNames = Schema.decodeEither(Schema.parseJson(Schema.Array(Schema.String)))

const ask = (contact: Contact, path: string) =>
  Effect.gen(function* () {
    const { address, auth, token } = contact.endpoint
    const client = yield* HttpClient.HttpClient
    const request = HttpClientRequest.get(`${Address.baseUrl(address)}${path}`, {
      headers: { "user-agent": userAgent }
    })
    const response = yield* client.execute(authorize(request, auth, yield* present(token)))
    const { status } = response
    return {
      status,
      type: response.headers["content-type"] ?? "",
      text: yield* response.text
    } satisfies Answer
  }).pipe(
    Effect.mapError(({ cause }) => brokenOff(cause, contact)),
    Effect.timeoutFail({ duration: answerTimeout, onTimeout: () => new Undecided() })
  )

const isTemporary = (status: number) => status >= 500 || status === 403 || status === 429

const judgeDatacenters = (
  { status, text, type }: Answer,
  { datacenter, endpoint, flag }: Contact
): Effect.Effect<void, Hopeless | Undecided> => {
  const { address } = endpoint
  if (isTemporary(status)) return new Undecided()
  if (isTlsExpected(status, text)) {
    return new Hopeless({
      problem: `what answers at ${address} speaks TLS; give ${flag}=${withTls(address)}`
    })
  }
  const names = status === 200 ? decodeNames(text) : Either.left(undefined)
  if (Either.isLeft(names)) {
    const kind = type === "" ? "" : ` with ${type.replace(/;.*/s, "")}`
    return new Hopeless({
      problem: `what answers at ${address} is no Consul agent: it answered ${status}${kind} to GET /v1/catalog/datacenters; check ${flag}`
    })
  }
  return datacenter === undefined || names.right.includes(datacenter)
    ? Effect.void
    : new Hopeless({
        problem: `the agent at ${address} knows no datacenter ${JSON.stringify(datacenter)}; it knows ${names.right.length === 0 ? "none" : names.right.join(", ")}`
      })
}

/** Judges the answer of `/v1/agent/self`. If there is a token, its rights may still be on their way from another datacenter. */
const judgeSelf = ({ status }: Answer, { endpoint }: Contact): Effect.Effect<void, Hopeless | Undecided> =>
  status === 403 && endpoint.token === undefined
    ? new Hopeless({
        problem: `the agent at ${endpoint.address} denies access, and there is no token; give one by CONSUL_HTTP_TOKEN or CONSUL_HTTP_TOKEN_FILE`
      })
    : isTemporary(status)
      ? new Undecided()
      : Effect.void

/** Succeeds when the answers come from a Consul agent that knows the datacenter. */
export const make = (contact: Contact): Effect.Effect<void, Hopeless, HttpClient.HttpClient> =>
  Effect.gen(function* () {
    yield* judgeDatacenters(yield* ask(contact, "/v1/catalog/datacenters"), contact)
    if (contact.isOurs) yield* judgeSelf(yield* ask(contact, "/v1/agent/self"), contact)
  }).pipe(
    Effect.retry({ schedule: Schedule.spaced(pause), while: ({ _tag }) => _tag === "Undecided" }),
    Effect.catchTag("Undecided", () => Effect.void)
  )

/** Asks the agent that is replicated into and, if it is another one, the source's. */
export const all = (
  destination: Endpoint,
  { source, sourceAgent }: Pick<Replication, "source" | "sourceAgent">
): Effect.Effect<void, Hopeless, HttpClient.HttpClient> => {
  const datacenter = source === "" ? undefined : source
  const { address } = sourceAgent
  const own = { endpoint: destination, flag: "-addr", isOurs: true }
  if (address === undefined) return make({ ...own, datacenter })
  const other = { endpoint: { ...sourceAgent, address }, flag: "-src-addr", datacenter, isOurs: false }
  return Effect.all([make({ ...own, datacenter: undefined }), make(other)], {
    concurrency: "unbounded",
    discard: true
  })
}
