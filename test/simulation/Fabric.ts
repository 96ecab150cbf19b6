/**
 * The network between the replicators and their agents, which does to requests what networks and servers do.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { ClientResponse } from "../../src/internal/ClientResponse.js"
import type { SimConsul } from "../../src/testing/index.js"
import * as Rights from "../support/Rights.js"
import * as Dice from "./Dice.js"
import type { History } from "./History.js"
import { cause, type Incarnation } from "./Judge.js"
import { type Fate, type Plan, weights } from "./Plan.js"

/** The cable of one process. */
export interface Link {
  readonly client: HttpClient.HttpClient
  /** How many requests did not go as they should. */
  readonly troubles: () => number
  readonly isolate: (how: "refused" | "unanswered" | undefined) => Effect.Effect<void>
  /** Nothing gets through any more, in either direction. */
  readonly cut: Effect.Effect<void>
  readonly freeze: Effect.Effect<void>
  readonly thaw: Effect.Effect<void>
  /** Waits while the process is frozen. */
  readonly running: Effect.Effect<void>
}

export interface Fabric {
  readonly link: (incarnation: Incarnation) => Effect.Effect<Link>
  /** Until the scope closes, the replicators of a datacenter may not change these keys there. */
  readonly deny: (datacenter: string, keys: ReadonlyArray<string>) => Effect.Effect<void, never, Scope.Scope>
  /** From now on every request is delivered at once, and answered. */
  readonly calm: Effect.Effect<void>
}

type Exchange = Effect.Effect<HttpClientResponse, HttpClientError.HttpClientError>

/** An answer as it was given, to be given again. */
interface Answer {
  readonly status: number
  readonly headers: ReadonlyArray<readonly [string, string]>
  readonly text: string
  /** When the servers gave it, in ms. */
  readonly at: number
}

/** The longest that a request is under way, in ms. */
const latest = 12_000

/** Answers kept of each read, to be given again as stale ones. */
const kept = 8

const encoder = new TextEncoder()

const respond = (request: HttpClientRequest, { headers, status, text }: Omit<Answer, "at">) =>
  ClientResponse.whole(request, { status, headers, body: encoder.encode(text) })

const reset = (request: HttpClientRequest, message: string) =>
  new HttpClientError.RequestError({ request, reason: "Transport", cause: new Error(message) })

/** What a read is a read of, whatever its index and wait. */
const subject = (url: URL): string => {
  const parameters = Array.from(url.searchParams.keys()).filter((name) => name !== "index" && name !== "wait")
  return `${url.pathname}?${parameters.sort().join("&")}&dc=${url.searchParams.get("dc")}`
}

/** A key as the servers hold it: a character for each byte. */
const bytesOf = (key: string): string => Buffer.from(key).toString("latin1")

/** How long a blocking query blocks, in ms. */
const waitOf = (url: URL): number => Number.parseInt(url.searchParams.get("wait") ?? "0", 10)

const Reading = Schema.parseJson(
  Schema.Tuple(
    Schema.Struct({ KV: Schema.Struct({ Verb: Schema.Literal("get", "get-tree"), Key: Schema.String }) })
  )
)

const textOf = ({ body }: HttpClientRequest): string =>
  body._tag === "Uint8Array" ? new TextDecoder().decode(body.body) : ""

/** Which keys a request reads, if any. */
const readOf = (request: HttpClientRequest, url: URL) => {
  const { method } = request
  const path = decodeURIComponent(url.pathname)
  if (method === "GET") {
    const isKeys = path.startsWith("/v1/kv/")
    return { key: isKeys ? path.slice("/v1/kv/".length) : undefined, exact: !url.searchParams.has("recurse") }
  }
  if (path !== "/v1/txn") return undefined
  const [operation] = Option.getOrElse(Schema.decodeUnknownOption(Reading)(textOf(request)), () => [])
  return operation === undefined ? undefined : { key: operation.KV.Key, exact: operation.KV.Verb === "get" }
}

/** What this process is, to a network that looks into requests. */
const sort = (plan: Plan, request: HttpClientRequest, url: URL) => {
  const read = readOf(request, url)
  const isRead = read !== undefined
  const dc = url.searchParams.get("dc")
  const isOfKeys = (prefix: string) => read?.key?.startsWith(prefix) === true
  const isNames = url.searchParams.has("keys")
  const isSource = dc === plan.source && isOfKeys(plan.prefix)
  return {
    isRead,
    readsSource: isSource && !isNames,
    readsNames: isSource && isNames && read?.key === plan.prefix,
    readsDestination: dc === null && !isNames && read?.exact === false && isOfKeys(plan.destinationPrefix),
    isBlocking: isSource && url.searchParams.has("index"),
    range: { prefix: bytesOf(read?.key ?? ""), exact: read?.exact === true },
    isConsistent: url.searchParams.has("consistent"),
    isElsewhere: dc !== null,
    isKeys: url.pathname.startsWith("/v1/kv/") || read?.key !== undefined,
    isHeartbeat: url.pathname.startsWith("/v1/agent/check/update/")
  }
}

/** The id of the service that a request registers. */
const serviceOf = ({ body, url }: HttpClientRequest): string | undefined =>
  url.endsWith("/v1/agent/service/register") && body._tag === "Uint8Array"
    ? (JSON.parse(new TextDecoder().decode(body.body)) as { readonly ID: string }).ID
    : undefined

type Sort = ReturnType<typeof sort>

/** Whether this can become of a request of that sort. */
const applies = (fate: Fate, { isBlocking, isConsistent, isKeys, isRead, readsSource }: Sort): boolean => {
  switch (fate) {
    case "unwoken":
      return isBlocking
    case "stale":
      return isRead && isKeys && !isConsistent
    case "truncated":
    case "malformed":
    case "foreign":
      return isRead
    case "without index":
    case "empty body":
      return isRead && isKeys
    case "emptied":
      return readsSource && !isConsistent
    case "late":
    case "twice":
      return !isRead
    default:
      return true
  }
}

const refusals: Partial<Record<Fate, readonly [status: number, text: string]>> = {
  "no leader": [500, "No cluster leader"],
  "rate limited": [429, "Your IP is issuing too many concurrent connections, please rate limit your calls"],
  denied: [403, "Permission denied"],
  failed: [500, "rpc error making call: EOF"],
  foreign: [404, "<html><body>404 Not Found</body></html>"]
}

/** What reaches the client of an answer. */
const spoil = (fate: Fate, answer: Answer): Answer => {
  switch (fate) {
    case "truncated":
      return { ...answer, text: answer.text.slice(0, answer.text.length >> 1) }
    case "malformed":
      return { ...answer, status: 200, text: `[${answer.text}` }
    case "without index":
      return { ...answer, headers: answer.headers.filter(([name]) => name !== "x-consul-index") }
    case "empty body":
      return { ...answer, status: 200, text: "" }
    case "emptied":
      return { ...answer, status: 404, text: "" }
    default:
      return answer
  }
}

export const make = (
  plan: Plan,
  history: History,
  sim: SimConsul.SimConsul
): Effect.Effect<Fabric, never, Scope.Scope> =>
  Effect.gen(function* () {
    const dice = Dice.make(plan.seed, "network")
    const world = yield* Effect.scope
    const clock = yield* Effect.clock
    const now = () => clock.unsafeCurrentTimeMillis()
    const possible = plan.fates.map((fate) => [fate, weights[fate]] as const)
    let isCalm = false
    const denials = new Set<{ readonly datacenter: string; readonly keys: ReadonlyArray<string> }>()

    const pause = (low: number, high: number) =>
      high === 0 ? Effect.void : Effect.suspend(() => clock.sleep(Duration.millis(dice.between(low, high))))

    const drawFate = (what: Sort): Fate | undefined => {
      if (isCalm || !dice.chance(plan.disturbed)) return undefined
      const fitting = possible.filter(([fate]) => applies(fate, what))
      return fitting.length === 0 ? undefined : dice.weighted(Object.fromEntries(fitting) as typeof weights)
    }

    const link = (incarnation: Incarnation): Effect.Effect<Link> =>
      Effect.gen(function* () {
        const gate = yield* Effect.makeLatch(true)
        const memory = new Map<string, Array<Answer>>()
        let isolation: "refused" | "unanswered" | undefined
        let isCut = false
        let troubles = 0

        const learn = ({ range }: Sort, at: number) => {
          const id = `${range.prefix} ${range.exact}`
          const before = incarnation.reads.get(id)?.at ?? []
          incarnation.reads.set(id, { range, at: [at, ...before].slice(0, 3) })
        }

        /** At the agent: what it is asked, and what it answers. */
        const serve = (
          request: HttpClientRequest,
          url: URL,
          number: number,
          what: Sort
        ): Effect.Effect<Answer, HttpClientError.HttpClientError> =>
          Effect.gen(function* () {
            const at = now()
            const isDenied = (key: string) =>
              !isCalm &&
              [...denials].some(
                ({ datacenter, keys }) => datacenter === incarnation.datacenter && keys.includes(key)
              )
            const denied = what.isElsewhere
              ? undefined
              : Rights.refusal(
                  { method: request.method, path: decodeURIComponent(url.pathname), body: textOf(request) },
                  isDenied
                )
            if (denied !== undefined) {
              history.count("refused by rights")
              return { ...denied, headers: [], at }
            }
            const response = yield* sim.httpClient.execute(request)
            if (what.readsDestination) incarnation.barrier = number
            const answer = {
              status: response.status,
              headers: Object.entries(response.headers).filter(([name]) => name !== "content-length"),
              text: yield* response.text,
              at: now()
            }
            if (what.isKeys && what.isRead && answer.status < 500) {
              const answers = memory.get(subject(url)) ?? []
              memory.set(subject(url), [...answers.slice(-kept + 1), answer])
            }
            return answer
          }).pipe(Effect.locally(cause, Option.some({ by: incarnation, request: number })))

        /** There and back again. Whatever is not a read lands even when nobody waits for its answer any more. */
        const deliver = (request: HttpClientRequest, url: URL, number: number, what: Sort) => {
          const there = Effect.zipRight(pause(0, plan.latency), serve(request, url, number, what))
          const served = what.isRead
            ? there
            : Effect.flatMap(Effect.forkIn(Effect.interruptible(there), world), Fiber.join)
          return Effect.zipLeft(served, pause(0, plan.latency))
        }

        const unanswered = Effect.never

        const settle = (fate: Fate, request: HttpClientRequest, url: URL, number: number, what: Sort) => {
          const delivered = deliver(request, url, number, what)
          const refusal = refusals[fate]
          if (refusal !== undefined) {
            const [status, text] = refusal
            return Effect.as(pause(0, plan.latency), { status, headers: [], text, at: now() })
          }
          switch (fate) {
            case "refused":
              return Effect.fail(reset(request, "connect ECONNREFUSED"))
            case "unanswered":
              return unanswered
            case "unwoken":
              return Effect.zipRight(pause(waitOf(url), waitOf(url)), delivered)
            case "answer lost":
              return Effect.zipRight(
                delivered,
                dice.chance(0.8) ? Effect.fail(reset(request, "read ECONNRESET")) : unanswered
              )
            case "late":
              return Effect.zipRight(
                Effect.forkIn(
                  Effect.interruptible(
                    Effect.zipRight(pause(1, dice.pick([100, 2_000, latest])), Effect.exit(delivered))
                  ),
                  world
                ),
                dice.chance(0.8) ? Effect.fail(reset(request, "read ECONNRESET")) : unanswered
              )
            case "twice":
              return Effect.zipRight(Effect.exit(delivered), delivered)
            case "stale": {
              const [old, ...newer] = memory.get(subject(url)) ?? []
              if (old === undefined) return delivered
              return Effect.succeed(dice.pick([old, ...newer]))
            }
            default:
              return Effect.map(delivered, (answer) => spoil(fate, answer))
          }
        }

        const exchange = (request: HttpClientRequest, url: URL): Exchange =>
          Effect.gen(function* () {
            yield* gate.await
            incarnation.sent += 1
            const number = incarnation.sent
            const what = sort(plan, request, url)
            const fate = isolation === "refused" || isolation === "unanswered" ? isolation : drawFate(what)
            if (fate !== undefined) {
              troubles += 1
              history.count(fate)
            }
            if (fate !== undefined || !what.isHeartbeat) {
              history.add(
                now(),
                `${incarnation.name} #${number} ${request.method} ${url.pathname}${url.search}${fate === undefined ? "" : ` [${fate}]`}`
              )
            }
            // A registration that lands after its own farewell stays until its check has been critical for a while.
            const service = fate === "late" ? undefined : serviceOf(request)
            if (service !== undefined) incarnation.services.add(service)
            if (isCut) return yield* unanswered
            const answer = yield* fate === undefined
              ? deliver(request, url, number, what)
              : settle(fate, request, url, number, what)
            // What was on its way back when the cable broke.
            if (isCut || isolation === "unanswered") return yield* unanswered
            if (isolation === "refused") return yield* reset(request, "read ECONNRESET")
            yield* gate.await
            // A transaction says with 409 that there is no such key.
            const isAnswer = answer.status < 300 || answer.status === 404 || answer.status === 409
            if (what.readsSource && isAnswer) learn(what, answer.at)
            if (what.readsNames && isAnswer) incarnation.names = [answer.at, ...incarnation.names].slice(0, 2)
            return respond(request, answer)
          })

        return {
          client: HttpClient.make((request, url) => exchange(request, url)),
          troubles: () => troubles,
          isolate: (how) =>
            Effect.sync(() => {
              isolation = how
            }),
          cut: Effect.sync(() => {
            isCut = true
          }),
          freeze: gate.close,
          thaw: gate.open,
          running: gate.await
        }
      })

    return {
      link,
      deny: (datacenter, keys) =>
        Effect.acquireRelease(
          Effect.sync(() => {
            const denial = { datacenter, keys }
            denials.add(denial)
            return denial
          }),
          (denial) => Effect.sync(() => denials.delete(denial))
        ),
      calm: Effect.sync(() => {
        isCalm = true
      })
    }
  })
