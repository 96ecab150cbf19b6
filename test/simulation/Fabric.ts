/**
 * The network between the replicators and their agents. It disturbs requests as networks and servers do.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import { type HttpClientRequest, setUrl } from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { ClientResponse } from "../../src/internal/effect/ClientResponse.js"
import type { SimConsul } from "../../src/testing/index.js"
import * as OrderedMap from "../../src/testing/internal/go/OrderedMap.js"
import * as Rights from "../../src/testing/internal/http/Rights.js"
import * as Dice from "./Dice.js"
import type { History } from "./History.js"
import { type Incarnation, viewOf } from "./Incarnation.js"
import { cause } from "./Judge.js"
import { type Fate, type Plan, routesOf, weights } from "./Plan.js"
import { atDestination, type Route } from "./Route.js"
import { applies, keyOf, type Sorted, serviceOf, sort, subject, textOf, waitOf } from "./Sorting.js"
import type { Answer } from "./Spoiling.js"
import * as Spoiling from "./Spoiling.js"
import { trickle } from "./Trickle.js"

/** The connection of one process to the network. */
export interface Link {
  readonly client: HttpClient.HttpClient
  /** The number of disturbed requests. */
  readonly troubles: () => number
  readonly isolate: (how: "refused" | "unanswered" | undefined) => Effect.Effect<void>
  /** From now on delivers nothing, in either direction. */
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
  /** From now on each large value for a key of a datacenter is refused with this status. */
  readonly refuseLarge: (datacenter: string, key: string, status: number) => Effect.Effect<void>
  /** From now on answers about this key of the source have a value that is no base64. */
  readonly corrupt: (key: string) => Effect.Effect<void>
  /** Ends `refuseLarge` and `corrupt`, which `calm` does not. */
  readonly relent: Effect.Effect<void>
  /** From now on requests to a source stay unanswered, until `hear`. */
  readonly silence: (datacenter: string) => Effect.Effect<void>
  readonly hear: (datacenter: string) => Effect.Effect<void>
  /** The number of reads of all values of a replication's source that did not block. */
  readonly plainReads: (route: Route) => number
  /** From now on delivers and answers every request at once. */
  readonly calm: Effect.Effect<void>
}

type Exchange = Effect.Effect<HttpClientResponse, HttpClientError.HttpClientError>

/** The longest time that a request is in flight, in ms. */
const latest = 12_000

/** The number of answers to each read that are kept, to be repeated as stale answers. */
const keptAnswers = 8

/** The longest time that a delayed large value is in flight, in ms: longer than any client waits for an answer. */
const latestLarge = 25_000

const encoder = new TextEncoder()

const respond = (request: HttpClientRequest, { headers, status, text }: Answer) =>
  ClientResponse.whole(request, { status, headers, body: encoder.encode(text) })

const reset = (request: HttpClientRequest, message: string) =>
  new HttpClientError.RequestError({ request, reason: "Transport", cause: new Error(message) })

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
    const delaysLarge = plan.fates.includes("delayed")
    /** The number of delayed large values. */
    let delayed = 0
    let isCalm = false
    const routes = routesOf(plan)
    const plainReads = new Map<Route, number>()
    const silent = new Set<string>()
    const refusedLarge = new Map<string, number>()
    const corrupted = new Set<string>()
    const denials = new Set<{ readonly datacenter: string; readonly keys: ReadonlyArray<string> }>()

    const unanswered = Effect.never

    const pause = (low: number, high: number) =>
      high === 0 ? Effect.void : Effect.suspend(() => clock.sleep(Duration.millis(dice.between(low, high))))

    const drawFate = (what: Sorted): Fate | undefined => {
      if (isCalm) return undefined
      // Delayed values are few, and a history tests the events during their flight.
      if (what.isLargeWrite && delaysLarge && dice.chance(0.4)) return "delayed"
      if (!dice.chance(plan.disturbed)) return undefined
      const fitting = possible.filter(([fate]) => applies(fate, what))
      return fitting.length === 0 ? undefined : dice.weighted(Object.fromEntries(fitting) as typeof weights)
    }

    const link = (incarnation: Incarnation): Effect.Effect<Link> =>
      Effect.gen(function* () {
        const gate = yield* Effect.makeLatch(true)
        const hosts = sim.agents.flatMap(({ address, datacenter }) =>
          datacenter === incarnation.datacenter ? [address] : []
        )
        const memory = new Map<string, Array<Answer>>()
        let isolation: "refused" | "unanswered" | undefined
        let isCut = false
        let troubles = 0

        const learn = ({ namesOf, ranges, sourceOf }: Sorted, at: number) => {
          for (const route of sourceOf) {
            const { reads } = viewOf(incarnation, route)
            for (const range of ranges) {
              const id = `${range.prefix} ${range.exact}`
              reads.set(id, { range, at: [at, ...(reads.get(id)?.at ?? [])].slice(0, 4) })
            }
          }
          for (const route of namesOf) {
            const view = viewOf(incarnation, route)
            view.names = [at, ...view.names].slice(0, 3)
          }
        }

        /** The refusal of a host in between, which does not ask the servers. */
        const refusedOnTheWay = (request: HttpClientRequest, url: URL, what: Sorted) => {
          const refused = what.isLargeWrite
            ? refusedLarge.get(`${incarnation.datacenter} ${keyOf(url)}`)
            : undefined
          if (refused !== undefined) {
            history.count("large value refused")
            return { status: refused, text: "no such value" }
          }
          if (what.isElsewhere || isCalm) return undefined
          const isDenied = (key: string) =>
            [...denials].some(
              ({ datacenter, keys }) => datacenter === incarnation.datacenter && keys.includes(key)
            )
          const { method } = request
          const asked = { method, path: decodeURIComponent(url.pathname), body: textOf(request) }
          const denied = Rights.refusal(asked, isDenied)
          if (denied !== undefined) history.count("refused by rights")
          return denied
        }

        /** Without an agent beside the process, a balancer chooses one. */
        const reaching = (request: HttpClientRequest): HttpClientRequest =>
          plan.agentless
            ? setUrl(
                request,
                request.url.replace(/^http:\/\/[^/]+/, `http://${hosts[dice.between(0, hosts.length - 1)]}`)
              )
            : request

        /** Delivers a request to the agent, and returns the answer. */
        const serve = (
          request: HttpClientRequest,
          url: URL,
          number: number,
          what: Sorted
        ): Effect.Effect<Answer, HttpClientError.HttpClientError> =>
          Effect.gen(function* () {
            const at = now()
            const refused = refusedOnTheWay(request, url, what)
            if (refused !== undefined) return { ...refused, headers: [], at }
            const elsewhere = url.searchParams.get("dc") ?? ""
            if (silent.has(elsewhere)) return yield* unanswered
            const response = yield* sim.httpClient.execute(reaching(request))
            for (const route of what.destinationOf) viewOf(incarnation, route).barrier = number
            const text = yield* response.text
            if (silent.has(elsewhere)) return yield* unanswered
            const isCorrupted = what.sourceOf.length > 0 && what.readsList && corrupted.size > 0
            if (isCorrupted) history.count("entry corrupted")
            const answer = {
              status: response.status,
              headers: Object.entries(response.headers).filter(([name]) => name !== "content-length"),
              text: isCorrupted ? Spoiling.corrupt(text, corrupted) : text,
              at: now()
            }
            if (what.isKeys && what.isRead && answer.status < 500) {
              const answers = memory.get(subject(url)) ?? []
              memory.set(subject(url), [...answers.slice(-keptAnswers + 1), answer])
            }
            return answer
          }).pipe(Effect.locally(cause, Option.some({ by: incarnation, request: number })))

        /** Delivers a request and its answer. A write lands also if its client does not wait for the answer any more. */
        const deliver = (request: HttpClientRequest, url: URL, number: number, what: Sorted) => {
          const there = Effect.zipRight(pause(0, plan.latency), serve(request, url, number, what))
          const served = what.isRead
            ? there
            : Effect.flatMap(Effect.forkIn(Effect.interruptible(there), world), Fiber.join)
          return Effect.zipLeft(served, pause(0, plan.latency))
        }

        const settle = (fate: Fate, request: HttpClientRequest, url: URL, number: number, what: Sorted) => {
          const delivered = deliver(request, url, number, what)
          const [refusal, ...others] = Spoiling.refusals[fate] ?? []
          if (refusal !== undefined) {
            const refused = { headers: [], ...dice.pick([refusal, ...others]), at: now() }
            return Effect.as(pause(0, plan.latency), refused)
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
            case "delayed": {
              // A client that stops waiting does not cancel the request.
              delayed += 1
              const later = pause(1, dice.pick([2_000, 9_000, latestLarge])).pipe(
                Effect.zipRight(delivered),
                Effect.ensuring(
                  Effect.sync(() => {
                    delayed -= 1
                  })
                )
              )
              return Effect.flatMap(Effect.forkIn(Effect.interruptible(later), world), Fiber.join)
            }
            case "twice":
              return Effect.zipRight(Effect.exit(delivered), delivered)
            case "stale": {
              const [old, ...newer] = memory.get(subject(url)) ?? []
              if (old === undefined) return delivered
              return Effect.succeed(dice.pick([old, ...newer]))
            }
            default:
              return Effect.zipWith(delivered, sim.state(incarnation.datacenter), (answer, { kv }) =>
                Spoiling.spoil(fate, answer, {
                  dice,
                  range: what.ranges[0],
                  replicated: (key) =>
                    what.sourceOf.some((route) => OrderedMap.has(kv, atDestination(route, key)))
                })
              )
          }
        }

        /** Delivers a request through a balancer that ends long waits. */
        const balanced = <E>(what: Sorted, exchanged: Effect.Effect<Answer, E>): Effect.Effect<Answer, E> =>
          plan.longestWait === undefined || !what.isBlocking
            ? exchanged
            : Effect.timeoutTo(exchanged, {
                duration: Duration.millis(plan.longestWait),
                onSuccess: (answer) => answer,
                onTimeout: (): Answer => {
                  history.count("wait cut short")
                  return { headers: [], ...Spoiling.gatewayTimeout, at: now() }
                }
              })

        const exchange = (request: HttpClientRequest, url: URL): Exchange =>
          Effect.gen(function* () {
            yield* gate.await
            incarnation.sent += 1
            const number = incarnation.sent
            const what = sort(routes, request, url)
            const fate = isolation === "refused" || isolation === "unanswered" ? isolation : drawFate(what)
            if (what.readsList && !what.isBlocking) {
              for (const route of what.sourceOf) plainReads.set(route, (plainReads.get(route) ?? 0) + 1)
            }
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
            const given = yield* balanced(
              what,
              fate === undefined
                ? deliver(request, url, number, what)
                : settle(fate, request, url, number, what)
            )
            // The watch fails while a large value is in flight.
            const fails = what.isBlocking && delayed > 0 && !isCalm && dice.chance(0.5)
            if (fails) history.count("rejected")
            const answer = fails ? { ...given, ...Spoiling.rejected } : given
            // The answer was in flight when the connection broke.
            if (isCut || isolation === "unanswered") return yield* unanswered
            if (isolation === "refused") return yield* reset(request, "read ECONNRESET")
            yield* gate.await
            // A transaction answers 409 if the key does not exist. An unusable answer shows the process nothing.
            const isAnswer =
              !Spoiling.isUnusable(fate, what.isTransaction) &&
              (answer.status < 300 || answer.status === 404 || answer.status === 409)
            if (isAnswer) learn(what, answer.at)
            const { bytesPerSecond } = plan
            if (bytesPerSecond === undefined || what.sourceOf.length === 0) return respond(request, answer)
            history.count("slow answer")
            return trickle(request, answer, bytesPerSecond, clock)
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
      refuseLarge: (datacenter, key, status) =>
        Effect.sync(() => {
          refusedLarge.set(`${datacenter} ${key}`, status)
        }),
      corrupt: (key) =>
        Effect.sync(() => {
          corrupted.add(key)
        }),
      silence: (datacenter) => Effect.sync(() => silent.add(datacenter)),
      hear: (datacenter) => Effect.sync(() => silent.delete(datacenter)),
      plainReads: (route) => plainReads.get(route) ?? 0,
      relent: Effect.sync(() => {
        refusedLarge.clear()
        corrupted.clear()
      }),
      calm: Effect.sync(() => {
        isCalm = true
      })
    }
  })
