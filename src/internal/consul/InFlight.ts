/**
 * A request that was sent: how its answer is read, and which error a connection that breaks or is silent becomes.
 */
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as ConsulError from "../../ConsulError.js"
import * as ClientResponse from "../effect/ClientResponse.js"
import type * as Deadlines from "../effect/Deadlines.js"
import type { Endpoint, Setting } from "./Endpoint.js"
import type { Received, Request } from "./Exchange.js"
import { describe, isFixed } from "./HttpRequest.js"
import { isPortable } from "./PathNames.js"
import * as Refusals from "./Refusals.js"
import * as Words from "./Words.js"

/** The longest time between two pieces of a body. While pieces arrive, an answer has no time limit. */
export const silenceTimeout = Duration.seconds(10)

/** The most bytes of an answer, unless the request has a limit of its own: V8 has no text of 2^29 characters. */
const mostBytes = 2 ** 28

const closedMessage =
  "ConsulHttp was used after the scope of its HTTP client was closed: provide the client's layer to the whole program"

/** Reads the body of a 2xx answer while it arrives. */
export interface Reader {
  /** Reads the next piece. Returns false if the rest need not be read. */
  readonly write: (text: string) => boolean
}

/** Makes the reader of a body, given the headers of the answer. */
export type ReaderOf = (headers: HttpClientResponse["headers"]) => Reader

/** A request that was sent, and as much of its answer as has arrived. */
export interface InFlight {
  /** The endpoint that the request was sent to. */
  readonly endpoint: Endpoint
  /** Addresses whose agents answer: from each answer until a connection fails or nothing comes in time. */
  readonly answering: Set<string>
  readonly request: Request
  /** Makes the reader of a 2xx answer's body. Without it the body is collected as text. */
  readonly readerOf: ReaderOf | undefined
  /** The most bytes that the body may have. */
  readonly maxBytes: number
  /** The token that was sent. It is removed from errors. */
  token: Redacted.Redacted | undefined
  /** Whether the headers have arrived. */
  isAnswered: boolean
  /** Bytes of the body that have arrived. */
  bytes: number
  /** When the first time limit passed: ms, monotonic. */
  lateSince: number | undefined
}

export const make = (
  endpoint: Endpoint,
  answering: Set<string>,
  request: Request,
  readerOf: ReaderOf | undefined
): InFlight => ({
  endpoint,
  answering,
  request,
  readerOf,
  maxBytes: request.read?.maxBytes ?? mostBytes,
  token: isFixed(endpoint.token) ? endpoint.token : undefined,
  isAnswered: false,
  bytes: 0,
  lateSince: undefined
})

export const isSuccess = (status: number): boolean => status >= 200 && status < 300

/** How the path was refused for its name. If every Consul accepts the name, the answer is about something else. */
const nameRefusal = ({ name, path }: Request, refusal: Refusals.Refusal): Refusals.NameRefusal | undefined =>
  name === undefined || isPortable(name) ? undefined : Refusals.nameRefusal(refusal, path)

/** `fetch` quotes a header that it does not send, less the space around it. */
const withoutSecrets = (reason: string, secrets: ReadonlyArray<Redacted.Redacted | undefined>): string =>
  secrets.reduce<string>((text, redacted) => {
    const secret = redacted === undefined ? "" : Redacted.value(redacted).trim()
    return secret === "" ? text : text.replaceAll(secret, String(redacted))
  }, reason)

const unreachable = (
  { answering, endpoint, request, token }: InFlight,
  reason: string,
  setting?: Setting
): ConsulError.Unreachable => {
  answering.delete(endpoint.address)
  return new ConsulError.Unreachable({
    request: describe(request, endpoint),
    address: endpoint.address,
    reason: Words.oneLine(withoutSecrets(reason, [token, endpoint.auth])),
    setting
  })
}

/**
 * The error of a connection that broke before the answer. If the agent closed it unused, and answers other requests, the agent
 * has too many connections: a stopped agent would break or refuse the others, too.
 */
export const connectionError = (
  inFlight: InFlight,
  cause: unknown
): Effect.Effect<never, ConsulError.Unreachable | ConsulError.TooManyConnections> => {
  const { answering, endpoint, request } = inFlight
  const { kind, setting, words: reason } = Words.ofTransport(cause, endpoint.settings)
  // No retry mends it: the program uses the client after it was closed.
  if (kind === "ClientClosed") return Effect.dieMessage(`${closedMessage}: ${reason}`)
  return kind === "ClosedUnused" && answering.has(endpoint.address)
    ? new ConsulError.TooManyConnections({
        request: describe(request, endpoint),
        address: endpoint.address,
        isAnswered: false
      })
    : unreachable(inFlight, reason, setting)
}

/** The error of a request of which nothing has arrived for `limit`. */
export const silent = (inFlight: InFlight, limit: Duration.Duration): ConsulError.Unreachable => {
  const nothing = `nothing within ${Duration.format(limit)}`
  return unreachable(
    inFlight,
    inFlight.isAnswered ? `the answer stopped after ${inFlight.bytes} bytes: ${nothing}` : nothing
  )
}

/** Reads the body of an answer. Each piece extends the time limit. */
export const receive = (
  inFlight: InFlight,
  response: HttpClientResponse,
  extend: Deadlines.Extend
): Effect.Effect<Received, ConsulError.Unreachable | ConsulError.AnswerTooLarge> => {
  const { endpoint, maxBytes, readerOf, request } = inFlight
  const { headers, status } = response
  const reader = isSuccess(status) ? readerOf?.(headers) : undefined
  let text = ""
  inFlight.isAnswered = true
  extend(silenceTimeout)
  const arriving = ClientResponse.read(response, (piece, size) => {
    extend(silenceTimeout)
    inFlight.bytes += size
    if (inFlight.bytes > maxBytes) return false
    if (reader !== undefined) return reader.write(piece)
    text += piece
    return true
  })
  return Effect.matchEffect(arriving, {
    onFailure: (error) =>
      unreachable(inFlight, `the answer broke off: ${Words.ofTransport(error.cause).words}`),
    onSuccess: () =>
      inFlight.bytes > maxBytes
        ? new ConsulError.AnswerTooLarge({ request: describe(request, endpoint), maxBytes })
        : Effect.succeed<Received>({
            describe: () => describe(request, endpoint),
            status,
            headers,
            text,
            nameRefusal: isSuccess(status) ? undefined : nameRefusal(request, { status, headers, text })
          })
  })
}
