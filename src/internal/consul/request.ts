/**
 * One request to a Consul agent: shaped, timed, sent, and its answer sorted into success or one of the errors.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import type { HttpMethod } from "@effect/platform/HttpMethod"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as ParseResult from "effect/ParseResult"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as ConsulError from "../../ConsulError.js"
import type { Answer, Endpoint, ReadOptions } from "../../ConsulHttp.js"
import * as TimeLimits from "../TimeLimits.js"

/** Consul answers most requests in milliseconds, one that waits for a Raft commit in an overloaded cluster in seconds. */
const headersTimeout = Duration.seconds(10)

/** For a body that has begun to arrive: 1,000,000 keys of 100 bytes are 235 MB. */
const bodyTimeout = Duration.minutes(2)

/** What Consul waits when the request names no `wait`. */
const defaultWait = Duration.minutes(5)

export interface Request {
  readonly method: HttpMethod
  /** Percent-encoded, from `/v1` on. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>> | undefined
  readonly read?: ReadOptions | undefined
  readonly body?: string | Uint8Array | undefined
}

/** An answer with a status that the caller asked for, and its whole body; `describe` names what was asked. */
export interface Received {
  readonly describe: () => string
  readonly status: number
  readonly headers: HttpClientResponse["headers"]
  readonly text: string
}

export interface Send {
  readonly endpoint: Endpoint
  readonly at: (endpoint: Partial<Endpoint>) => Send
  /** Succeeds on 2xx and on the statuses in `also`. */
  (request: Request, also?: ReadonlyArray<number>): Effect.Effect<Received, ConsulError.ConsulError>
}

/** Consul's durations are Go's. */
export const goDuration = (duration: Duration.DurationInput): string => `${Duration.toMillis(duration)}ms`

const readQuery = ({ consistency, index, wait }: ReadOptions): Record<string, string> => ({
  ...(consistency === "consistent" && { consistent: "" }),
  ...(consistency === "stale" && { stale: "" }),
  ...(index !== undefined && { index: String(index), wait: goDuration(wait ?? defaultWait) })
})

/** A blocking query may be held for its wait and a sixteenth before the first byte of its answer. */
const answerTimeout = (read: ReadOptions | undefined): Duration.Duration =>
  read?.index === undefined
    ? headersTimeout
    : Duration.sum(headersTimeout, Duration.times(read.wait ?? defaultWait, 17 / 16))

const describe = (request: Request, endpoint: Endpoint): string => {
  const names = Object.keys(request.query ?? {}).join("&")
  const query = names === "" ? "" : `?${names}`
  const datacenter = endpoint.datacenter === undefined ? "" : ` in ${endpoint.datacenter}`
  return `${request.method} ${request.path}${query}${datacenter}`
}

export const make = (client: HttpClient.HttpClient, endpoint: Endpoint): Send =>
  // Consul knows no trace headers, and the service's members have spans, or whoever uses them has.
  sending(
    HttpClient.withTracerDisabledWhen(client, () => true),
    TimeLimits.make(headersTimeout),
    endpoint
  )

/** A token is not shown to an agent that it was not meant for. */
const elsewhere = (endpoint: Endpoint, other: Partial<Endpoint>): Endpoint => {
  const { address = endpoint.address } = other
  return address === endpoint.address
    ? { ...endpoint, ...other }
    : { ...endpoint, token: undefined, ...other }
}

const sending = (
  http: HttpClient.HttpClient,
  timeLimits: TimeLimits.TimeLimits,
  endpoint: Endpoint
): Send => {
  const shape = ({ body, method, path, query, read }: Request): HttpClientRequest.HttpClientRequest => {
    let request = HttpClientRequest.make(method)(`${endpoint.address}${path}`)
    if (query !== undefined) request = HttpClientRequest.appendUrlParams(request, query)
    if (read !== undefined) request = HttpClientRequest.appendUrlParams(request, readQuery(read))
    if (endpoint.datacenter !== undefined) {
      request = HttpClientRequest.appendUrlParam(request, "dc", endpoint.datacenter)
    }
    // Not `X-Consul-Token`: Effect redacts `Authorization` wherever it shows a request.
    if (endpoint.token !== undefined) request = HttpClientRequest.bearerToken(request, endpoint.token)
    if (typeof body === "string") request = HttpClientRequest.bodyText(request, body, "application/json")
    else if (body !== undefined) request = HttpClientRequest.bodyUint8Array(request, body)
    return request
  }

  const send = (request: Request, also: ReadonlyArray<number> = []) => {
    const described = () => describe(request, endpoint)
    const unreachable = (reason: string) =>
      new ConsulError.Unreachable({
        request: described(),
        address: endpoint.address,
        reason: withoutToken(reason, endpoint)
      })
    const exchange = (renew: TimeLimits.Renew) =>
      http.execute(shape(request)).pipe(
        Effect.mapError((error) => unreachable(transportReason(error.cause))),
        Effect.zipLeft(renew(bodyTimeout)),
        Effect.flatMap((response) =>
          Effect.mapBoth(response.text, {
            onFailure: (error) => unreachable(`the answer broke off: ${transportReason(error.cause)}`),
            onSuccess: (text): Received => ({
              describe: described,
              status: response.status,
              headers: response.headers,
              text
            })
          })
        )
      )
    return timeLimits
      .within(answerTimeout(request.read), exchange, (limit) =>
        unreachable(`nothing within ${Duration.format(limit)}`)
      )
      .pipe(
        Effect.filterOrFail(
          ({ status }) => (status >= 200 && status < 300) || also.includes(status),
          (received) => refusal(received, endpoint)
        )
      )
  }
  return Object.assign(send, {
    endpoint,
    at: (other: Partial<Endpoint>) => sending(http, timeLimits, elsewhere(endpoint, other))
  })
}

/** Node's message where there is one (`connect ECONNREFUSED 127.0.0.1:8500`); undici wraps it in a cause. */
const transportReason = (cause: unknown): string => {
  if (!(cause instanceof Error)) return "the connection failed"
  if (cause.cause instanceof Error) return transportReason(cause.cause)
  const [first] = cause instanceof AggregateError ? cause.errors : []
  return first instanceof Error ? first.message : cause.message || cause.name
}

/** `fetch` quotes a header that it does not send, less the space around it. */
const withoutToken = (reason: string, { token }: Endpoint): string => {
  const secret = token === undefined ? "" : Redacted.value(token).trim()
  return secret === "" ? reason : reason.replaceAll(secret, String(token))
}

const decodeFailures = Schema.decodeUnknownOption(
  Schema.parseJson(
    Schema.Struct({ Errors: Schema.Array(Schema.Struct({ OpIndex: Schema.Number, What: Schema.String })) })
  )
)

/** One line of at most 200 characters: proxies answer with pages. */
const excerpt = (text: string): string => text.replace(/\s+/g, " ").trim().slice(0, 200)

/** The texts are those of Consul 1.8.7; a forwarded request puts `rpc error making call: ` before them. */
const refusal = ({ describe, status, text }: Received, endpoint: Endpoint): ConsulError.ConsulError => {
  const request = describe()
  const reason = excerpt(text)
  switch (status) {
    case 403:
      return new ConsulError.Denied({ request, reason })
    case 409: {
      const failures = decodeFailures(text)
      return failures._tag === "None"
        ? new ConsulError.UnexpectedAnswer({ request, reason: "a conflict that names no operation" })
        : new ConsulError.Conflict({
            request,
            failures: failures.value.Errors.map((e) => ({ operation: e.OpIndex, reason: e.What }))
          })
    }
    case 413:
      return new ConsulError.TooLarge({ request, reason })
    case 429:
      return new ConsulError.RateLimited({ request })
  }
  if (reason.includes("No cluster leader")) return new ConsulError.NoLeader({ request })
  if (reason.includes("No path to datacenter")) {
    return new ConsulError.NoPathToDatacenter({ request, datacenter: endpoint.datacenter ?? "" })
  }
  if (ConsulError.isDenial(reason)) return new ConsulError.Denied({ request, reason })
  return new ConsulError.Rejected({ request, status, reason })
}

export const unexpected = (received: Received, reason: string) =>
  new ConsulError.UnexpectedAnswer({ request: received.describe(), reason })

/** Headers that Consul puts on reads. A blocking query must never go on from a missing index: it would not block. */
export const indexed = <A>(
  received: Received,
  value: A
): Effect.Effect<Answer<A>, ConsulError.UnexpectedAnswer> => {
  const index = Number(received.headers["x-consul-index"])
  return Number.isSafeInteger(index) && index > 0
    ? Effect.succeed({ ...answer(received, value), index })
    : Effect.fail(unexpected(received, "no X-Consul-Index above 0"))
}

export const answer = <A>(received: Received, value: A): Answer<A> => ({
  value,
  index: Number(received.headers["x-consul-index"] ?? 0),
  knownLeader: received.headers["x-consul-knownleader"] !== "false",
  lastContact: Number(received.headers["x-consul-lastcontact"] ?? 0)
})

export const fromEither = <A>(
  received: Received,
  either: Either.Either<A, string>
): Effect.Effect<A, ConsulError.UnexpectedAnswer> =>
  Effect.mapError(either, (reason) => unexpected(received, reason))

/**
 * Where the first difference is, and what should stand there. Never what does: it may be the value of a key. For the
 * same reason neither the messages of `ParseError` are passed on nor V8's own, which quote the document.
 */
const difference = (issue: ParseResult.ParseIssue, path: ReadonlyArray<PropertyKey> = []): string => {
  switch (issue._tag) {
    case "Pointer":
      return difference(issue.issue, path.concat(issue.path))
    case "Composite": {
      // Of a union, the member that fits best.
      const deeper = [issue.issues].flat().find(({ _tag }) => _tag === "Pointer" || _tag === "Composite")
      return deeper === undefined ? expected(issue.ast, path) : difference(deeper, path)
    }
    case "Missing":
      return `${place(path)} is missing`
    case "Unexpected":
      return `${place(path)} should not be there`
    default:
      return expected(issue.ast, path)
  }
}

const place = (path: ReadonlyArray<PropertyKey>): string =>
  path.length === 0 ? "it" : path.map(String).join(".")

const expected = (type: unknown, path: ReadonlyArray<PropertyKey>): string =>
  `${place(path)} should be ${type}`

/** To be called once for a schema, not for each answer: it compiles the parser. */
export const decode = <A, I>(schema: Schema.Schema<A, I>) => {
  const decodeDocument = Schema.decodeUnknownEither(schema)
  return (received: Received): Effect.Effect<A, ConsulError.UnexpectedAnswer> =>
    Either.try(() => JSON.parse(received.text) as unknown).pipe(
      Either.mapLeft(() => `${received.text.length} characters that are not a JSON document`),
      Either.flatMap((document) =>
        Either.mapLeft(
          decodeDocument(document),
          ({ issue }) => `another shape than expected: ${difference(issue)}`
        )
      ),
      (decoded) => fromEither(received, decoded)
    )
}
