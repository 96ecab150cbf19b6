/**
 * Mistakes that a replicator could make. Each changes the requests or the answers of a replicator, and the simulation has to find
 * it.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import { ClientResponse } from "../../src/internal/effect/ClientResponse.js"
import type { Mutation } from "./Bundle.js"
import {
  answer,
  idle,
  isLargeValue,
  isList,
  isTransaction,
  operationsOf,
  type Request,
  rememberingFirst,
  rewriting,
  rewritingTransactions,
  textOf,
  withText
} from "./Distorting.js"
import { mistakesOfInstances } from "./MistakesOfInstances.js"
import { mistakesOfPolicy } from "./MistakesOfPolicy.js"
import { mistakesOfReplications } from "./MistakesOfReplications.js"
import { mistakesOfTrials } from "./MistakesOfTrials.js"
import type { Plan } from "./Plan.js"
import type { Planted } from "./Simulation.js"

export interface Mistake extends Planted {
  /** The changes of the replicator's sources. */
  readonly mutations?: ReadonlyArray<Mutation>
  readonly name: string
  /** Whether the mistake can show in a plan. */
  readonly fits: (plan: Plan) => boolean
}

/** A listing of the names of all keys of the source, or of those of a part of it, that is never stale. */
const isNames = ({ prefix, source }: Pick<Plan, "prefix" | "source">, url: URL, of: "all" | "a part") =>
  url.searchParams.has("keys") &&
  url.searchParams.has("consistent") &&
  url.searchParams.get("dc") === source &&
  (of === "all") === (decodeURIComponent(url.pathname) === `/v1/kv/${prefix}`)

/** The settings that all plans of this file share. */
const common = { prefix: "global/", source: "nyc1" }

const anywhere = () => true

const has = (plan: Plan, tag: Plan["actions"][number]["action"]["_tag"]) =>
  plan.actions.some(({ action }) => action._tag === tag)

const isDisturbed = (plan: Plan) => plan.disturbed >= 0.1

const hasLarge = (plan: Plan) =>
  [
    ...plan.initial,
    ...plan.actions.flatMap(({ action }) => (action._tag === "Write" ? action.writes : []))
  ].some((write) => write._tag === "Put" && write.size > 100_000)

/** More writes at once than fit one transaction. */
const hasBurst = (plan: Plan) =>
  plan.initial.length > 64 ||
  plan.actions.some(({ action }) => action._tag === "Write" && action.writes.length > 64)

const usual: ReadonlyArray<Mistake> = [
  {
    name: "the fence left out of transactions",
    // Once a successor has opened its writer, the guard stops what the fence would have stopped: the lock must go while
    // its holder is at work.
    fits: (plan) => has(plan, "EndSession") || has(plan, "DeleteLock"),
    distort: rewritingTransactions(([, ...rest]) => [idle, ...rest])
  },
  {
    name: "the guard left out: an own late write lands after a newer one",
    fits: (plan) => plan.fates.includes("late") && isDisturbed(plan),
    distort: rewritingTransactions(([fence = idle, guard = idle, ...rest]) => [
      fence,
      guard.includes('"Verb":"check-index"') ? idle : guard.replace('"Verb":"cas"', '"Verb":"set"'),
      ...rest
    ])
  },
  {
    name: "the checkpoint written before the data",
    fits: anywhere,
    distort: (client) =>
      HttpClient.make((request) => {
        const [fence = idle, checkpoint = idle, ...rest] = isTransaction(request) ? operationsOf(request) : []
        if (!checkpoint.includes('"Verb":"cas"') || rest.length === 0) return client.execute(request)
        return client
          .execute(withText(request, `[${fence},${checkpoint}]`))
          .pipe(Effect.zipLeft(client.execute(withText(request, `[${[fence, ...rest].join()}]`))))
      })
  },
  {
    name: "the index not reset when it goes backwards",
    fits: (plan) => plan.actions.some(({ action }) => action._tag === "RestoreSource" && action.rebuilt),
    distort: (client) => {
      let highest = 0
      return HttpClient.make((request, url) => {
        if (!isList(request, url, "source")) return client.execute(request)
        const later =
          highest === 0
            ? request
            : HttpClientRequest.setUrlParams(request, { index: String(highest), wait: "60000ms" })
        return Effect.tap(client.execute(later), (response) =>
          Effect.sync(() => {
            highest = Math.max(highest, Number(response.headers["x-consul-index"] ?? 0))
          })
        )
      })
    }
  },
  {
    name: "a lost answer taken for a failure, without looking at the destination again",
    fits: (plan) => plan.fates.includes("answer lost") && isDisturbed(plan),
    distort: rememberingFirst((request, url) => isList(request, url, "destination"))
  },
  {
    name: "keys that were refused taken for written",
    fits: (plan) => has(plan, "Deny"),
    distort: (client) =>
      HttpClient.make((request) =>
        Effect.gen(function* () {
          const response = yield* client.execute(request)
          if (!isTransaction(request) || response.status !== 409) return response
          const text = yield* response.text
          if (!text.includes("Permission denied")) return answer(request, response, text)
          const denied = Array.from(text.matchAll(/"OpIndex":(\d+)/g), ([, index]) => Number(index))
          const rest = operationsOf(request).filter((_, index) => !denied.includes(index))
          return yield* client.execute(withText(request, `[${rest.join()}]`))
        })
      )
  },
  {
    name: "a failure taken for a success",
    // The transaction with the checkpoint cannot pass as landed: the next transaction needs its index.
    fits: (plan) => isDisturbed(plan) && (plan.divided !== undefined || hasBurst(plan)),
    distort: (client) =>
      HttpClient.make((request) => {
        const landed = ClientResponse.whole(request, {
          status: 200,
          headers: [],
          body: new TextEncoder().encode('{"Results":[],"Errors":null}')
        })
        return isTransaction(request) && !textOf(request).includes('"Verb":"cas"')
          ? client.execute(request).pipe(
              Effect.map((response) => (response.status >= 500 ? landed : response)),
              Effect.catchAll(() => Effect.succeed(landed))
            )
          : client.execute(request)
      })
  },
  {
    name: "writes and deletes computed from a stale answer of the source",
    fits: (plan) => has(plan, "Kill") || has(plan, "EndSession") || isDisturbed(plan),
    distort: rememberingFirst(
      (request, url) => isList(request, url, "source") && !url.searchParams.has("index")
    )
  },
  {
    name: "a large value written without its fence",
    fits: (plan) => hasLarge(plan) && (isDisturbed(plan) || has(plan, "EndSession") || has(plan, "Freeze")),
    distort: (client) =>
      HttpClient.make((request, url) => {
        if (!isLargeValue(request)) return client.execute(request)
        const open = HttpClientRequest.setUrl(
          request,
          `${url.origin}${url.pathname}?flags=${url.searchParams.get("flags") ?? "0"}`
        )
        return client.execute({ ...open, urlParams: [] } as unknown as Request)
      })
  },
  {
    name: "a large value released without its value",
    fits: hasLarge,
    distort: rewriting(
      () => (request, url) =>
        url.searchParams.has("release")
          ? HttpClientRequest.bodyUint8Array(request, new Uint8Array(0))
          : request
    )
  },
  {
    name: "flags not copied",
    fits: anywhere,
    distort: rewritingTransactions((operations) =>
      operations.map((operation) => operation.replace(/"Flags":\d+/, '"Flags":0'))
    )
  },
  {
    name: "an empty answer believed without a second read",
    fits: (plan) => plan.fates.includes("emptied") && isDisturbed(plan),
    distort: (client) => {
      let last: { readonly response: HttpClientResponse; readonly text: string } | undefined
      return HttpClient.make((request, url) =>
        Effect.gen(function* () {
          if (!isList(request, url, "source")) return yield* client.execute(request)
          if (url.searchParams.has("consistent") && last !== undefined)
            return answer(request, last.response, last.text)
          const response = yield* client.execute(request)
          const text = yield* response.text
          last = { response, text }
          return answer(request, response, text)
        })
      )
    }
  },
  {
    name: "keys between the parts not looked for",
    fits: (plan) => plan.divided !== undefined && has(plan, "Move"),
    distort: rememberingFirst((_, url) => isNames(common, url, "all"))
  },
  {
    name: "the silence of a part taken for a sign that nothing has changed",
    fits: (plan) => plan.divided !== undefined && plan.fates.includes("unwoken") && isDisturbed(plan),
    distort: (client) => {
      const indexes = new Map<string, string>()
      return HttpClient.make((request, url) =>
        Effect.gen(function* () {
          const response = yield* client.execute(request)
          const index = response.headers["x-consul-index"]
          const known = indexes.get(url.pathname)
          if (url.searchParams.has("recurse") && index !== undefined) indexes.set(url.pathname, index)
          if (known === undefined || !isNames(common, url, "a part")) return response
          const asBefore = { ...response.headers, "x-consul-index": known }
          return answer(request, { status: response.status, headers: asBefore }, yield* response.text)
        })
      )
    }
  }
]

export const mistakes: ReadonlyArray<Mistake> = [
  ...usual,
  ...mistakesOfTrials,
  ...mistakesOfInstances,
  ...mistakesOfReplications,
  ...mistakesOfPolicy
]
