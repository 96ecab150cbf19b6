/** The building blocks of planted mistakes: changes of requests and answers between a replicator and the network. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import { ClientResponse } from "../../src/internal/effect/ClientResponse.js"
import type { Distort } from "./Instance.js"

export type Client = HttpClient.HttpClient
export type Request = HttpClientRequest.HttpClientRequest

export const decoder = new TextDecoder()

export const textOf = ({ body }: Request): string =>
  body._tag === "Uint8Array" ? decoder.decode(body.body) : ""

export const withText = (request: Request, text: string) =>
  HttpClientRequest.bodyText(request, text, "application/json")

export const isTransaction = ({ url }: Request) => url.endsWith("/v1/txn")

/** Changes each request. `make` runs once for the client of each process. */
export const rewriting =
  (make: () => (request: Request, url: URL) => Request): Distort =>
  (client) => {
    const rewrite = make()
    return HttpClient.make((request, url) => client.execute(rewrite(request, url)))
  }

export const rewritingTransactions = (
  rewrite: (operations: ReadonlyArray<string>) => ReadonlyArray<string>
): Distort =>
  rewriting(() => (request) => {
    if (!isTransaction(request)) return request
    return withText(request, `[${rewrite(operationsOf(request)).join()}]`)
  })

/** The texts of a transaction's operations. No key of a plan looks like their borders. */
export const operationsOf = (request: Request): ReadonlyArray<string> =>
  textOf(request)
    .slice(1, -1)
    .split(/(?<=\}\}),(?=\{"KV":)/)

/** An operation that always succeeds and returns nothing. */
export const idle = '{"KV":{"Verb":"get-tree","Key":"there is none"}}'

export const isLargeValue = (request: Request) =>
  request.method === "PUT" && request.url.includes("/v1/kv/") && !request.url.endsWith("/leader")

/** A read of the source or of the destination as a whole. */
export const isList = (request: Request, url: URL, of: "source" | "destination") =>
  request.method === "GET" &&
  url.searchParams.has("recurse") &&
  url.searchParams.has("dc") === (of === "source")

export const answer = (
  request: Request,
  { headers, status }: Pick<HttpClientResponse, "headers" | "status">,
  text: string
) =>
  ClientResponse.whole(request, {
    status,
    headers: Object.entries(headers).filter(([name]) => name !== "content-length"),
    body: new TextEncoder().encode(text)
  })

/** Answers a read as it was answered the first time. */
export const rememberingFirst =
  (matches: (request: Request, url: URL) => boolean): Distort =>
  (client: Client) => {
    const all = new Map<string, { readonly response: HttpClientResponse; readonly text: string }>()
    return HttpClient.make((request, url) => {
      if (!matches(request, url)) return client.execute(request)
      const first = all.get(url.pathname)
      if (first !== undefined) return Effect.succeed(answer(request, first.response, first.text))
      return Effect.gen(function* () {
        const response = yield* client.execute(request)
        const text = yield* response.text
        if (response.status === 200) all.set(url.pathname, { response, text })
        return answer(request, response, text)
      })
    })
  }
