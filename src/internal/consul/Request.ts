/**
 * One request to a Consul agent: shaped, timed, sent, and its answer sorted into success or one of the errors.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as ConsulError from "../../ConsulError.js"
import * as Deadlines from "../effect/Deadlines.js"
import * as Monotonic from "../effect/Monotonic.js"
import type { Answer, ReadOptions } from "./Consul.js"
import type { Endpoint } from "./Endpoint.js"
import { errorOf } from "./ErrorOf.js"
import type { Received, Request } from "./Exchange.js"
import { defaultWait, isFixed, shape } from "./HttpRequest.js"
import * as InFlight from "./InFlight.js"
import { PathNames } from "./PathNames.js"

export type { Received, Request } from "./Exchange.js"
export type { Reader } from "./InFlight.js"

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
    readerOf?: InFlight.ReaderOf
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
  /** The time limits of all requests. */
  readonly timeLimits: Deadlines.Deadlines
  /** The names that paths carry, by address and datacenter. */
  readonly names: Map<string, PathNames>
  /** Addresses whose agents answer: from each answer until a connection fails or nothing comes in time. */
  readonly answering: Set<string>
}

/** The client of one endpoint. */
interface Client {
  readonly shared: Shared
  readonly endpoint: Endpoint
  /** The answer to `isAlive`, while the servers are asked. All late requests wait for it. */
  asking: Deferred.Deferred<boolean> | undefined
}

export const make = (client: HttpClient.HttpClient, endpoint: Endpoint): Send =>
  sendTo(
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

/** Runs in the fiber of one request: the setting of that fiber need not be restored. */
const execute = ({ http }: Shared, request: HttpClientRequest.HttpClientRequest) =>
  Effect.zipRight(untraced, http.execute(request))

/** Whether the servers answer something small. They are asked once for all late requests. */
const isAlive = (client: Client): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    const { asking, endpoint, shared } = client
    if (asking !== undefined) return Deferred.await(asking)
    const answer = Deferred.unsafeMake<boolean>(FiberId.none)
    client.asking = answer
    // It needs no token.
    const ask = () =>
      execute(shared, shape(endpoint, { method: "GET", path: "/v1/status/leader" }, undefined))
    return shared.timeLimits
      .withDeadline(aliveTimeout, ask, () => Effect.fail("silent" as const))
      .pipe(
        Effect.match({ onFailure: () => false, onSuccess: ({ status }) => InFlight.isSuccess(status) }),
        Effect.onExit((exit) =>
          Effect.sync(() => {
            client.asking = undefined
            Deferred.unsafeDone(answer, Exit.succeed(Exit.isSuccess(exit) && exit.value))
          })
        )
      )
  })

/**
 * The datacenters that the agent has in its memory; undefined if the agent does not answer, or if the endpoint names no
 * datacenter. The request itself names none.
 */
const datacenters = ({ endpoint, shared }: Client): Effect.Effect<ReadonlyArray<string> | undefined> =>
  endpoint.datacenter === undefined
    ? Effect.succeed(undefined)
    : Effect.suspend(() => {
        const ask = sendTo(shared, { ...endpoint, datacenter: undefined })
        return shared.timeLimits.withDeadline(
          aliveTimeout,
          () => ask({ method: "GET", path: "/v1/catalog/datacenters" }),
          () => Effect.fail("silent" as const)
        )
      }).pipe(
        Effect.map(({ text }) => Option.getOrUndefined(decodeNames(text))),
        Effect.orElseSucceed(() => undefined)
      )

/** Sends the request with the token of its endpoint. */
const transmit = ({ shared }: Client, inFlight: InFlight.InFlight) => {
  const { endpoint, request } = inFlight
  const { token } = endpoint
  return isFixed(token)
    ? execute(shared, shape(endpoint, request, token))
    : Effect.flatMap(token, (token) => {
        inFlight.token = token
        return execute(shared, shape(endpoint, request, token))
      })
}

/** Sends the request and receives its answer. */
const exchange = (client: Client, inFlight: InFlight.InFlight, extend: Deadlines.Extend) =>
  transmit(client, inFlight).pipe(
    Effect.catchAll((error) => InFlight.connectionError(inFlight, error.cause)),
    Effect.flatMap((response) => {
      inFlight.answering.add(inFlight.endpoint.address)
      return InFlight.receive(inFlight, response, extend)
    })
  )

/**
 * Whether a request gets more time while its servers answer something small. A blocking query does not: if it is given up, a
 * plain read follows it.
 */
const isPatient = ({ method, name, read }: Request): boolean =>
  method === "GET" && name !== undefined && read?.index === undefined

/** Returns how much more time a request gets after `limit` has passed. Fails if it gets none. */
const late = (
  client: Client,
  inFlight: InFlight.InFlight,
  limit: Duration.Duration
): Effect.Effect<Duration.Duration, ConsulError.Unreachable> => {
  const { request } = inFlight
  if (!isPatient(request) || inFlight.isAnswered) return InFlight.silent(inFlight, limit)
  return Effect.flatMap(Monotonic.now, (now) => {
    inFlight.lateSince ??= now
    if (now - inFlight.lateSince > Duration.toMillis(longestPatience)) return InFlight.silent(inFlight, limit)
    return Effect.flatMap(isAlive(client), (alive) => {
      if (inFlight.isAnswered) return Effect.succeed(InFlight.silenceTimeout)
      return alive ? Effect.succeed(aliveTimeout) : InFlight.silent(inFlight, answerTimeout(request.read))
    })
  })
}

const send = (
  client: Client,
  request: Request,
  also: ReadonlyArray<number>,
  readerOf: InFlight.ReaderOf | undefined
): Effect.Effect<Received, ConsulError.ConsulError> =>
  Effect.suspend(() => {
    const { endpoint, shared } = client
    const inFlight = InFlight.make(endpoint, shared.answering, request, readerOf)
    const longest = answerTimeout(request.read)
    const first = isPatient(request) ? Duration.subtract(longest, aliveTimeout) : longest
    return shared.timeLimits
      .withDeadline(
        first,
        (extend) => exchange(client, inFlight, extend),
        (limit) => late(client, inFlight, limit)
      )
      .pipe(
        Effect.filterOrElse(
          ({ nameRefusal, status }) =>
            InFlight.isSuccess(status) || also.includes(status) || nameRefusal !== undefined,
          (received) => errorOf(received, request, endpoint, datacenters(client))
        )
      )
  })

const noStatuses: ReadonlyArray<number> = []

const sendTo = (shared: Shared, endpoint: Endpoint): Send => {
  const client: Client = { shared, endpoint, asking: undefined }
  return Object.assign(
    (request: Request, also = noStatuses, readerOf?: InFlight.ReaderOf) =>
      send(client, request, also, readerOf),
    {
      endpoint,
      names: namesOf(shared, endpoint),
      at: (other: Partial<Endpoint>) => sendTo(shared, elsewhere(endpoint, other))
    }
  )
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
