/**
 * Mistakes that only a trial finds. Each changes the requests or the answers of a replicator.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import {
  answer,
  type Client,
  isLargeValue,
  isTransaction,
  type Request,
  rewriting,
  textOf,
  withText
} from "./Distorting.js"
import type { Distort } from "./Instance.js"
import type { Mistake } from "./Mistakes.js"
import type { Plan } from "./Plan.js"
import type { Trial } from "./Trials.js"

const has =
  (...trials: ReadonlyArray<Trial>) =>
  (plan: Plan): boolean =>
    trials.some((trial) => plan.trials.includes(trial))

/** The changed answer. */
interface Changed {
  readonly status: number
  readonly text: string
}

/** Changes the answers to some requests. */
const answering = (
  matches: (request: Request, url: URL) => boolean,
  make: () => (given: Changed, index: number, request: Request, url: URL) => Changed
): Distort => {
  return (client) => {
    const change = make()
    return HttpClient.make((request, url) =>
      matches(request, url)
        ? Effect.gen(function* () {
            const response = yield* client.execute(request)
            const given = { status: response.status, text: yield* response.text }
            const index = Number(response.headers["x-consul-index"] ?? 0)
            const { status, text } = change(given, index, request, url)
            return answer(request, { status, headers: response.headers }, text)
          })
        : client.execute(request)
    )
  }
}

const changing = (
  matches: (request: Request, url: URL) => boolean,
  change: (given: Changed, request: Request, url: URL) => Changed
): Distort => answering(matches, () => (given, _, request, url) => change(given, request, url))

const isList = (request: Request, url: URL): boolean =>
  request.method === "GET" && url.searchParams.has("recurse")

const isSourceList = (request: Request, url: URL): boolean =>
  isList(request, url) && url.searchParams.has("dc")

/** A request of the names that a range of the destination has, and of its index. */
const isOwnNames = (request: Request, url: URL): boolean =>
  request.method === "GET" && url.searchParams.has("keys") && !url.searchParams.has("dc")

const isStatus = (request: Request, url: URL): boolean =>
  request.method === "GET" && url.pathname.endsWith("/status")

const isBlocking = (_: Request, url: URL): boolean => url.searchParams.has("index")

const entries = /\{\s*"LockIndex"(?:[^"{}]|"(?:[^"\\]|\\.)*")*\}/g

/** The entries of a list, each as its JSON text. */
const mapEntries = (text: string, change: (entry: string) => string | undefined): string =>
  `[${Array.from(text.matchAll(entries), ([entry]) => change(entry))
    .filter((entry) => entry !== undefined)
    .join(",")}]`

const base64 = /"Value":\s*(?:null|"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")/

const keyIn = (entry: string): string => {
  const [, quoted = '""'] = /"Key":\s*("(?:[^"\\]|\\.)*")/.exec(entry) ?? []
  return JSON.parse(quoted) as string
}

/** The verb and key of each operation of a transaction that only reads. */
const readsOf = (request: Request): ReadonlyArray<readonly [verb: string, key: string]> => {
  if (!isTransaction(request)) return []
  const operations = JSON.parse(textOf(request)) as ReadonlyArray<{
    readonly KV: { readonly Verb: string; readonly Key: string }
  }>
  const isRead = operations.every(({ KV }) => KV.Verb === "get" || KV.Verb === "get-tree")
  return isRead ? operations.map(({ KV }) => [KV.Verb, KV.Key] as const) : []
}

const landed: Changed = { status: 200, text: '{"Results":[],"Errors":null}' }

const isLimited = ({ status }: Changed): boolean => status === 429 || status === 503

const isRefused = ({ status }: Changed): boolean => status >= 400 && status !== 403 && status !== 413

/** Ends the session that a status names, also if another tool created the session. */
const endingAnySession: Distort = (client) =>
  HttpClient.make((request, url) =>
    Effect.gen(function* () {
      const response = yield* client.execute(request)
      if (!isStatus(request, url)) return response
      const text = yield* response.text
      const [, value = ""] = /"Value":\s*"([^"]*)"/.exec(text) ?? []
      const [, session] = /"Session":"([^"]*)","Time"/.exec(Buffer.from(value, "base64").toString()) ?? []
      if (session !== undefined) {
        yield* Effect.ignore(
          client.execute(HttpClientRequest.put(`${url.origin}/v1/session/destroy/${session}`))
        )
      }
      return answer(request, response, text)
    })
  )

/**
 * Repeats the former answer if a listing of the destination or a status has a lower index than before: so the replicator does not
 * see a restore.
 */
const takingLowerForUnchanged: Distort = (client) => {
  const highest = new Map<
    string,
    { readonly index: number; readonly response: HttpClientResponse; readonly text: string }
  >()
  return HttpClient.make((request, url) =>
    isOwnNames(request, url) || isStatus(request, url)
      ? Effect.gen(function* () {
          const response = yield* client.execute(request)
          const index = Number(response.headers["x-consul-index"] ?? 0)
          const text = yield* response.text
          const known = highest.get(url.pathname)
          if (known !== undefined && index < known.index) return answer(request, known.response, known.text)
          highest.set(url.pathname, { index, response, text })
          return answer(request, response, text)
        })
      : client.execute(request)
  )
}

/**
 * Keeps the session of a large value whose PUT was interrupted or has failed: the end of the session is not sent, and the next
 * session is the same one.
 */
const keepingSession: Distort = (client: Client) => {
  let session: string | undefined
  let isInDoubt = false
  const well = (request: Request, text: string) =>
    Effect.succeed(answer(request, { status: 200, headers: {} } as HttpClientResponse, text))
  return HttpClient.make((request, url) => {
    if (isLargeValue(request) && url.searchParams.has("acquire")) {
      const doubt = Effect.sync(() => {
        session = url.searchParams.get("acquire") ?? undefined
        isInDoubt = true
      })
      return client.execute(request).pipe(
        Effect.onInterrupt(() => doubt),
        Effect.tapError(() => doubt)
      )
    }
    if (!isInDoubt) return client.execute(request)
    if (/\/v1\/(session\/destroy|agent\/service\/deregister)\//.test(url.pathname))
      return well(request, "true")
    if (url.pathname === "/v1/session/create") {
      isInDoubt = false
      return well(request, JSON.stringify({ ID: session }))
    }
    return client.execute(request)
  })
}

/** The longest time of an answer, in s. */
const longestAnswer = 20

const givingUpSlowAnswers: Distort = (client) =>
  HttpClient.make((request, url) =>
    isSourceList(request, url)
      ? Effect.flatMap(client.execute(request), (response) =>
          Effect.map(
            Effect.timeoutFail(response.text, {
              duration: `${longestAnswer} seconds`,
              onTimeout: () =>
                new HttpClientError.RequestError({
                  request,
                  reason: "Transport",
                  cause: new Error("given up")
                })
            }),
            (text) => answer(request, response, text)
          )
        )
      : client.execute(request)
  )

export const mistakesOfTrials: ReadonlyArray<Mistake> = [
  {
    name: "an index that has not moved taken for keys that have not gone",
    fits: has("recursive delete"),
    distort: answering(isOwnNames, () => {
      const last = new Map<string, { readonly index: number; readonly given: Changed }>()
      return (given, index, _, url) => {
        const known = last.get(url.pathname)
        if (given.status === 404 && known?.index === index) return known.given
        last.set(url.pathname, { index, given })
        return given
      }
    })
  },
  {
    name: "an index that is lower than before taken for no change",
    fits: has("restored destination"),
    distort: takingLowerForUnchanged
  },
  {
    name: "a key that was not asked for taken for one below the prefix",
    fits: has("entry outside"),
    distort: changing(isSourceList, ({ status, text }, _, url) => {
      const range = decodeURIComponent(url.pathname).slice("/v1/kv/".length)
      const into = (entry: string) =>
        keyIn(entry).startsWith(range)
          ? entry
          : entry.replace(/"Key":\s*"/, (start) => start + JSON.stringify(range).slice(1, -1))
      return { status, text: status === 200 && text.startsWith("[") ? mapEntries(text, into) : text }
    })
  },
  {
    name: "keys that a list lacks taken for gone without being looked for by name",
    fits: has("names missing"),
    distort: changing(isTransaction, (given, request, url) => {
      const reads = url.searchParams.has("dc") ? readsOf(request).filter(([verb]) => verb === "get") : []
      if (reads.length === 0 || given.status !== 200) return given
      const errors = reads.map(([, key], at) => ({ OpIndex: at, What: `key "${key}" doesn't exist` }))
      return { status: 409, text: JSON.stringify({ Results: null, Errors: errors }) }
    })
  },
  {
    name: "flags read as JavaScript reads numbers",
    fits: has("indented json"),
    distort: changing(isSourceList, ({ status, text }) => ({
      status,
      text: text.replace(/"Flags":\s*(\d+)/g, (_, flags: string) => `"Flags":${BigInt(Number(flags))}`)
    }))
  },
  {
    name: "a value that is no base64 taken for an empty one",
    fits: has("unbelievable entry", "corrupted key"),
    distort: changing(isSourceList, ({ status, text }) => ({
      status,
      text:
        status === 200 && text.trimStart().startsWith("[{")
          ? mapEntries(text, (entry) =>
              base64.test(entry)
                ? entry
                : entry.replace(/"Value":\s*(?:"(?:[^"\\]|\\.)*"|[^,}]*)/, '"Value":null')
            )
          : text
    }))
  },
  {
    name: "a key without a believable value taken for one that is gone",
    fits: has("corrupted key"),
    distort: (client) => {
      const gone = new Set<string>()
      return changing(
        (request, url) =>
          isSourceList(request, url) || (isTransaction(request) && url.searchParams.has("dc")),
        ({ status, text }, request) => {
          const reads = readsOf(request)
          if (reads.length > 0) {
            const errors = reads.flatMap(([, key], at) =>
              gone.has(key) ? [{ OpIndex: at, What: `key "${key}" doesn't exist` }] : []
            )
            return errors.length === 0
              ? { status, text }
              : { status: 409, text: JSON.stringify({ Results: null, Errors: errors }) }
          }
          if (status !== 200 || !text.trimStart().startsWith("[")) return { status, text }
          const left = mapEntries(text, (entry) => {
            if (base64.test(entry)) return entry
            gone.add(keyIn(entry))
            return undefined
          })
          return left === "[]" ? { status: 404, text: "" } : { status, text: left }
        }
      )(client)
    }
  },
  {
    name: "keys that no path carries taken for none",
    fits: has("unnameable keys"),
    distort: changing(isTransaction, (given, request) =>
      readsOf(request).some(([verb]) => verb === "get-tree") ? landed : given
    )
  },
  {
    name: "the session of a status ended, whoever's it is",
    fits: has("forged status"),
    distort: endingAnySession
  },
  {
    name: "a transaction refused for its rate taken for one that has landed",
    fits: has("rate limit"),
    distort: changing(isTransaction, (given) => (isLimited(given) ? landed : given))
  },
  {
    name: "a session kept after a large value that may land late",
    fits: has("delayed large value"),
    distort: keepingSession
  },
  {
    name: "a large value that is refused taken for written",
    fits: has("refused large value"),
    distort: changing(isLargeValue, (given) => (isRefused(given) ? { status: 200, text: "true" } : given))
  },
  {
    name: "a time that somebody sets taken for one that measures durations",
    fits: (plan) => plan.mostLeaderships === 1,
    setClocks: "all"
  },
  {
    name: "a session asked for with a time to live that the servers refuse",
    fits: (plan) => plan.settings.sessionTtlMin !== undefined,
    distort: rewriting(
      () => (request) =>
        request.url.endsWith("/v1/session/create")
          ? withText(request, textOf(request).replace(/"TTL":"[^"]*"/, '"TTL":"30s"'))
          : request
    )
  },
  {
    name: "a transaction that is too long taken for one that has landed",
    fits: (plan) => plan.settings.txnMaxReqLen !== undefined,
    distort: changing(isTransaction, (given) => (given.status === 413 ? landed : given))
  },
  {
    name: "a value that is too large taken for too many operations",
    fits: (plan) => plan.spared.length > 0,
    distort: changing(isTransaction, ({ status, text }) => ({
      status,
      text: text.startsWith("Value for key") ? "Transaction contains too many operations (2 > 1)" : text
    }))
  },
  {
    name: "the end of a wait by somebody between taken for a failure",
    fits: has("waits cut short"),
    distort: changing(isBlocking, (given) =>
      given.status === 504 ? { status: 500, text: "rpc error making call: EOF" } : given
    )
  },
  {
    name: "an answer given up that arrives slowly",
    fits: (plan) => plan.slowness > 100,
    distort: givingUpSlowAnswers
  }
]
