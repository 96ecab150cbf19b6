/**
 * One request to a Consul agent: shaped, timed, sent, and its answer sorted into success or one of the errors.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { Answer, ReadOptions } from "../../Consul.js"
import * as ConsulError from "../../ConsulError.js"
import type { Endpoint, Setting } from "../../Endpoint.js"
import * as ClientResponse from "../effect/ClientResponse.js"
import * as Deadlines from "../effect/Deadlines.js"
import * as Monotonic from "../effect/Monotonic.js"
import { errorOf } from "./ErrorOf.js"
import type { Received, Request } from "./Exchange.js"
import { defaultWait, describe, isFixed, shape } from "./HttpRequest.js"
import { isPortable, PathNames } from "./PathNames.js"
import * as Refusals from "./Refusals.js"
import * as Words from "./Words.js"

export type { Received, Request } from "./Exchange.js"

/** Consul answers most requests in milliseconds, one that waits for a Raft commit in an overloaded cluster in seconds. */
const headersTimeout = Duration.seconds(10)

/**
 * The time before the time limit of a read of keys at which its servers are asked for something small. While they answer, the
 * read gets more time: an agent that forwards a read sends nothing before it has the whole answer, which over 8 Mbit/s takes a
 * second for each megabyte.
 */
const aliveTimeout = Duration.seconds(5)

/**
 * The most time that a read gets beyond its limit while its servers answer and its own answer has not begun: 60 MB over 8
 * Mbit/s take a minute. A request that a balancer has swallowed is sent again before a person has to know of it.
 */
const longestPatience = Duration.seconds(50)

/** The longest time between two pieces of a body. While pieces arrive, an answer has no time limit. */
const silenceTimeout = Duration.seconds(10)

/** The most bytes of an answer, unless the request has a limit of its own: V8 has no text of 2^29 characters. */
const mostBytes = 2 ** 28

const closedMessage =
  "ConsulHttp was used after the scope of its HTTP client was closed: provide the client's layer to the whole program"

/** Reads the body of a 2xx answer while it arrives. */
export interface Reader {
  /** Reads the next piece. Returns false if the rest need not be read. */
  readonly write: (text: string) => boolean
}

export interface Send {
  readonly endpoint: Endpoint
  /** The names that paths of the endpoint carry. */
  readonly names: PathNames
  /** Sends to another endpoint. Fields that are not given stay, except that the token is not sent to another address. */
  readonly at: (endpoint: Partial<Endpoint>) => Send
  /** Sends a request. Succeeds on 2xx, on the statuses in `also`, and if the path is refused for its name. */
  (
    request: Request,
    also?: ReadonlyArray<number>,
    reader?: (headers: HttpClientResponse["headers"]) => Reader
  ): Effect.Effect<Received, ConsulError.ConsulError>
}

/** The time limit of an answer. Consul may let a query block for its wait and a sixteenth. */
const answerTimeout = (read: ReadOptions | undefined): Duration.Duration =>
  read?.index === undefined
    ? headersTimeout
    : Duration.sum(headersTimeout, Duration.times(read.wait ?? defaultWait, 17 / 16))

/** The state that a client shares with all clients that its `at` has returned. */
interface Shared {
  readonly http: HttpClient.HttpClient
  readonly timeLimits: Deadlines.Deadlines
  /** The names that paths carry, by address and datacenter. */
  readonly names: Map<string, PathNames>
  /** Addresses whose agents answer: from each answer until a connection fails or nothing comes in time. */
  readonly answering: Set<string>
}

export const make = (client: HttpClient.HttpClient, endpoint: Endpoint): Send =>
  sending(
    {
      http: client,
      timeLimits: Deadlines.make(aliveTimeout),
      names: new Map(),
      answering: new Set()
    },
    endpoint
  )

/** Consul knows no trace headers. The members of the service have spans, or their callers have. */
const untraced = FiberRef.set(HttpClient.currentTracerDisabledWhen, () => true)

const decodeNames = Schema.decodeOption(Schema.parseJson(Schema.Array(Schema.String)))

const namesOf = ({ names }: Shared, { address, datacenter }: Endpoint): PathNames => {
  const id = JSON.stringify([address, datacenter])
  const existing = names.get(id)
  if (existing !== undefined) return existing
  const made = new PathNames()
  names.set(id, made)
  return made
}

/** A token is not sent to another agent than its own. Namespaces and partitions belong to one cluster. */
const elsewhere = (endpoint: Endpoint, other: Partial<Endpoint>): Endpoint => {
  const { address = endpoint.address } = other
  return address === endpoint.address
    ? { ...endpoint, ...other, address }
    : { datacenter: endpoint.datacenter, ...other, address }
}

const sending = (shared: Shared, endpoint: Endpoint): Send => {
  const { answering, http, timeLimits } = shared
  /** Runs in the fiber of one request: the setting of that fiber need not be restored. */
  const execute = (request: HttpClientRequest.HttpClientRequest) =>
    Effect.zipRight(untraced, http.execute(request))
  /** Whether the servers answer something small. One question at a time is enough for all that wait. */
  let asking: Deferred.Deferred<boolean> | undefined
  const isAlive: Effect.Effect<boolean> = Effect.suspend(() => {
    if (asking !== undefined) return Deferred.await(asking)
    const answer = Deferred.unsafeMake<boolean>(FiberId.none)
    asking = answer
    // It needs no token.
    const ask = () => execute(shape(endpoint, { method: "GET", path: "/v1/status/leader" }, undefined))
    return timeLimits
      .withDeadline(aliveTimeout, ask, () => Effect.fail("silent" as const))
      .pipe(
        Effect.match({ onFailure: () => false, onSuccess: ({ status }) => isSuccess(status) }),
        Effect.onExit((exit) =>
          Effect.sync(() => {
            asking = undefined
            Deferred.unsafeDone(answer, Exit.succeed(Exit.isSuccess(exit) && exit.value))
          })
        )
      )
  })

  /** The agent answers this from its memory; none if it does not answer. The question itself names no datacenter. */
  const knownDatacenters: Effect.Effect<ReadonlyArray<string> | undefined> =
    endpoint.datacenter === undefined
      ? Effect.succeed(undefined)
      : Effect.suspend(() => {
          const ask = sending(shared, { ...endpoint, datacenter: undefined })
          return timeLimits.withDeadline(
            aliveTimeout,
            () => ask({ method: "GET", path: "/v1/catalog/datacenters" }),
            () => Effect.fail("silent" as const)
          )
        }).pipe(
          Effect.map(({ text }) => Option.getOrUndefined(decodeNames(text))),
          Effect.orElseSucceed(() => undefined)
        )

  const { token } = endpoint

  const send = (
    request: Request,
    also: ReadonlyArray<number> = [],
    readerOf?: (headers: HttpClientResponse["headers"]) => Reader
  ) =>
    Effect.suspend(() => {
      const described = () => describe(request, endpoint)
      let sentToken = isFixed(token) ? token : undefined
      const unreachable = (reason: string, setting?: Setting) => {
        answering.delete(endpoint.address)
        return new ConsulError.Unreachable({
          request: described(),
          address: endpoint.address,
          reason: Words.oneLine(withoutSecrets(reason, [sentToken, endpoint.auth])),
          setting
        })
      }
      /** A stopped agent breaks or refuses other connections, too. */
      const unanswered = (
        cause: unknown
      ): Effect.Effect<never, ConsulError.Unreachable | ConsulError.TooManyConnections> => {
        const { kind, setting, words: reason } = Words.ofTransport(cause, endpoint.settings)
        // No retry mends it: the program uses the client after it was closed.
        if (kind === "ClientClosed") return Effect.dieMessage(`${closedMessage}: ${reason}`)
        return kind === "ClosedUnused" && answering.has(endpoint.address)
          ? new ConsulError.TooManyConnections({
              request: described(),
              address: endpoint.address,
              isAnswered: false
            })
          : unreachable(reason, setting)
      }
      const most = request.read?.maxBytes ?? mostBytes
      let bytes = 0
      let isAnswered = false
      const receive = (response: HttpClientResponse, renew: Deadlines.Extend) => {
        const { headers, status } = response
        const reader = isSuccess(status) ? readerOf?.(headers) : undefined
        let text = ""
        isAnswered = true
        renew(silenceTimeout)
        const arriving = ClientResponse.read(response, (piece, size) => {
          renew(silenceTimeout)
          bytes += size
          if (bytes > most) return false
          if (reader !== undefined) return reader.write(piece)
          text += piece
          return true
        })
        return Effect.matchEffect(arriving, {
          onFailure: (error) => unreachable(`the answer broke off: ${Words.ofTransport(error.cause).words}`),
          onSuccess: () =>
            bytes > most
              ? new ConsulError.AnswerTooLarge({ request: described(), maxBytes: most })
              : Effect.succeed<Received>({
                  describe: described,
                  status,
                  headers,
                  text,
                  nameRefusal: isSuccess(status) ? undefined : nameRefusal(request, { status, headers, text })
                })
        })
      }
      const executed = isFixed(token)
        ? execute(shape(endpoint, request, token))
        : Effect.flatMap(token, (token) => {
            sentToken = token
            return execute(shape(endpoint, request, token))
          })
      const exchange = (renew: Deadlines.Extend) =>
        executed.pipe(
          Effect.catchAll((error) => unanswered(error.cause)),
          Effect.flatMap((response) => {
            answering.add(endpoint.address)
            return receive(response, renew)
          })
        )
      const longest = answerTimeout(request.read)
      const silent = (limit: Duration.Duration) =>
        unreachable(
          isAnswered
            ? `the answer stopped after ${bytes} bytes: nothing within ${Duration.format(limit)}`
            : `nothing within ${Duration.format(limit)}`
        )
      // A blocking query gets no more time: if it is given up, a plain read follows it.
      const isPatient =
        request.method === "GET" && request.name !== undefined && request.read?.index === undefined
      const first = isPatient ? Duration.subtract(longest, aliveTimeout) : longest
      let lateSince: number | undefined
      const late = (limit: Duration.Duration): Effect.Effect<Duration.Duration, ConsulError.Unreachable> => {
        if (!isPatient || isAnswered) return silent(limit)
        return Effect.flatMap(Monotonic.now, (now) => {
          lateSince ??= now
          if (now - lateSince > Duration.toMillis(longestPatience)) return silent(limit)
          return Effect.flatMap(isAlive, (alive) => {
            if (isAnswered) return Effect.succeed(silenceTimeout)
            return alive ? Effect.succeed(aliveTimeout) : silent(longest)
          })
        })
      }
      return timeLimits.withDeadline(first, exchange, late).pipe(
        Effect.filterOrElse(
          ({ nameRefusal, status }) =>
            isSuccess(status) || also.includes(status) || nameRefusal !== undefined,
          (received) => errorOf(received, request, endpoint, knownDatacenters)
        )
      )
    })
  return Object.assign(send, {
    endpoint,
    names: namesOf(shared, endpoint),
    at: (other: Partial<Endpoint>) => sending(shared, elsewhere(endpoint, other))
  })
}

const isSuccess = (status: number): boolean => status >= 200 && status < 300

/** How the path was refused for its name. If every Consul accepts the name, the answer is about something else. */
const nameRefusal = ({ name, path }: Request, refusal: Refusals.Refusal): Refusals.NameRefusal | undefined =>
  name === undefined || isPortable(name) ? undefined : Refusals.nameRefusal(refusal, path)

/** `fetch` quotes a header that it does not send, less the space around it. */
const withoutSecrets = (reason: string, secrets: ReadonlyArray<Redacted.Redacted | undefined>): string =>
  secrets.reduce<string>((text, redacted) => {
    const secret = redacted === undefined ? "" : Redacted.value(redacted).trim()
    return secret === "" ? text : text.replaceAll(secret, String(redacted))
  }, reason)

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
