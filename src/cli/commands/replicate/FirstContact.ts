/**
 * What no waiting mends, asked for when `-once` begins: whoever waits for it to end must not wait for nothing. Without
 * `-once` it is waited for all the same: an agent that has just started may not know other datacenters yet.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { Address } from "../../../Address.js"
import { userAgent } from "../../../internal/consul/Request.js"
import { ofTransport } from "../../../internal/consul/Words.js"
import { subject } from "../../settings/WrongUse.js"

/** The same request would fail for ever. */
export class Hopeless extends Data.TaggedError("Hopeless")<{ readonly problem: string }> {
  override get message() {
    return this.problem
  }
}

/** It may answer in another way later. */
class Undecided extends Data.TaggedError("Undecided") {}

export interface Contact {
  readonly address: Address
  /** In lower case. */
  readonly source: string
  readonly token: Redacted.Redacted | undefined
}

const pause = Duration.seconds(1)

/** For one answer. An agent gives it from its memory. */
const answerTimeout = Duration.seconds(10)

const withTls = (address: string) => address.replace(/^http:/, "https:")
const withoutTls = (address: string) => address.replace(/^https:/, "http:")

/** What is wrong where no answer came, if that is for good. */
const brokenOff = (cause: unknown, { address }: Contact): Hopeless | Undecided => {
  const { kind, words } = ofTransport(cause)
  switch (kind) {
    case "Untrusted":
      return new Hopeless({ problem: `${address} cannot be used: ${words}` })
    case "NoTls":
      return new Hopeless({
        problem: `what answers at ${address} speaks no TLS; give -addr=${withoutTls(address)}`
      })
    case "NoHttp":
      return new Hopeless({
        problem: `what answers at ${address} speaks no HTTP; if it speaks TLS, give -addr=${withTls(address)}`
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
    const client = yield* HttpClient.HttpClient
    const request = HttpClientRequest.get(`${contact.address}${path}`, {
      headers: { "user-agent": userAgent }
    })
    const response = yield* client.execute(
      contact.token === undefined ? request : HttpClientRequest.bearerToken(request, contact.token)
    )
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
  { address, source }: Contact
): Effect.Effect<void, Hopeless | Undecided> => {
  if (isTemporary(status)) return new Undecided()
  if (status === 400 && /https/i.test(text)) {
    return new Hopeless({ problem: `what answers at ${address} speaks TLS; give -addr=${withTls(address)}` })
  }
  const names = status === 200 ? decodeNames(text) : Either.left(undefined)
  if (Either.isLeft(names)) {
    const kind = type === "" ? "" : ` with ${type.replace(/;.*/s, "")}`
    return new Hopeless({
      problem: `what answers at ${address} is no Consul agent: it answered ${status}${kind} to GET /v1/catalog/datacenters; check -addr`
    })
  }
  return names.right.includes(source)
    ? Effect.void
    : new Hopeless({
        problem: `${subject("-src", source)}: the agent at ${address} knows no such datacenter; it knows ${names.right.length === 0 ? "none" : names.right.join(", ")}`
      })
}

/** With a token, missing rights may be on their way from another datacenter. */
const judgeSelf = (
  { status }: Answer,
  { address, token }: Contact
): Effect.Effect<void, Hopeless | Undecided> =>
  status === 403 && token === undefined
    ? new Hopeless({
        problem: `the agent at ${address} denies access, and there is no token; give one by CONSUL_HTTP_TOKEN or CONSUL_HTTP_TOKEN_FILE`
      })
    : isTemporary(status)
      ? new Undecided()
      : Effect.void

/** Succeeds when the agent has shown that it is one, and knows the source. */
export const make = (contact: Contact): Effect.Effect<void, Hopeless, HttpClient.HttpClient> =>
  Effect.gen(function* () {
    yield* judgeDatacenters(yield* ask(contact, "/v1/catalog/datacenters"), contact)
    yield* judgeSelf(yield* ask(contact, "/v1/agent/self"), contact)
  }).pipe(
    Effect.retry({ schedule: Schedule.spaced(pause), while: ({ _tag }) => _tag === "Undecided" }),
    Effect.catchTag("Undecided", () => Effect.void)
  )
