/** Mistakes of instances in the election, and in the exclusion of keys. */
import * as HttpClient from "@effect/platform/HttpClient"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import { answer, type Request, textOf } from "./Distorting.js"
import type { Distort } from "./Instance.js"
import type { Mistake } from "./Mistakes.js"
import { excludes } from "./TrialValues.js"

const isRenewal = (url: URL): boolean => url.pathname.startsWith("/v1/session/renew/")

/** Consul's answer to the renewal of a session. */
const renewed = (request: Request, url: URL) => {
  const [id = ""] = url.pathname.split("/").slice(-1)
  const session = { ID: id, Name: "", Node: "", NodeChecks: [], Checks: [] }
  return answer(request, { status: 200, headers: {} } as HttpClientResponse, JSON.stringify([session]))
}

const neverRenewing: Distort = (client) =>
  HttpClient.make((request, url) =>
    isRenewal(url) ? Effect.succeed(renewed(request, url)) : client.execute(request)
  )

const takingGoneForRenewed: Distort = (client) =>
  HttpClient.make((request, url) =>
    Effect.map(client.execute(request), (response) =>
      isRenewal(url) && response.status === 404 ? renewed(request, url) : response
    )
  )

const isExcluded = (key: string): boolean => excludes.some((front) => key.startsWith(front))

interface Entry {
  readonly Key: string
}

/** An answer of the source without the excluded keys. The numbers of its entries stay unchanged. */
const withoutExcluded = (text: string, isNames: boolean): string => {
  if (!text.trimStart().startsWith("[")) return text
  if (isNames)
    return JSON.stringify((JSON.parse(text) as ReadonlyArray<string>).filter((key) => !isExcluded(key)))
  const entries = Array.from(
    text.matchAll(/\{\s*"LockIndex"(?:[^"{}]|"(?:[^"\\]|\\.)*")*\}/g),
    ([entry]) => entry
  )
  return `[${entries.filter((entry) => !isExcluded((JSON.parse(entry) as Entry).Key)).join()}]`
}

/** Answers that excluded keys do not exist, when they are read by name. */
const absent = (request: Request): string | undefined => {
  const operations = JSON.parse(textOf(request)) as ReadonlyArray<{
    readonly KV: { readonly Verb: string; readonly Key: string }
  }>
  const errors = operations.flatMap(({ KV: { Key, Verb } }, at) =>
    Verb === "get" && isExcluded(Key) ? [{ OpIndex: at, What: `key "${Key}" doesn't exist` }] : []
  )
  return errors.length === 0 ? undefined : JSON.stringify({ Results: null, Errors: errors })
}

const excludingAtSource: Distort = (client) =>
  HttpClient.make((request, url) =>
    Effect.gen(function* () {
      const response = yield* client.execute(request)
      if (!url.searchParams.has("dc")) return response
      const isNames = url.searchParams.has("keys")
      const text = yield* response.text
      if (request.method === "GET" && (isNames || url.searchParams.has("recurse"))) {
        const left = response.status === 200 ? withoutExcluded(text, isNames) : text
        return answer(
          request,
          left === "[]" ? { ...response, headers: response.headers, status: 404 } : response,
          left
        )
      }
      const missing = url.pathname === "/v1/txn" ? absent(request) : undefined
      return missing === undefined
        ? answer(request, response, text)
        : answer(request, { headers: response.headers, status: 409 }, missing)
    })
  )

export const mistakesOfInstances: ReadonlyArray<Mistake> = [
  {
    name: "a session without an agent that is not renewed",
    fits: (plan) => plan.agentless && plan.mostLeaderships === 1,
    distort: neverRenewing
  },
  {
    name: "a session that is gone taken for renewed",
    fits: (plan) => plan.agentless && plan.mostLeaderships !== 1 && plan.instances.length > 1,
    distort: takingGoneForRenewed
  },
  {
    name: "excludes applied to neither side",
    fits: (plan) => plan.exclude.length > 0,
    ignoresExcludes: true
  },
  {
    name: "excludes applied to the source alone",
    fits: (plan) => plan.exclude.length > 0,
    ignoresExcludes: true,
    distort: excludingAtSource
  }
]
