/**
 * Dispatches a request to its endpoint, as Go's HTTP server and multiplexer do. Answers requests that no endpoint matches.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { allPrintable, type ByteString } from "../go/ByteString.js"
import * as AgentRoutes from "../routes/AgentRoutes.js"
import * as CatalogRoutes from "../routes/CatalogRoutes.js"
import * as KvRoutes from "../routes/KvRoutes.js"
import * as SessionRoutes from "../routes/SessionRoutes.js"
import * as Http from "./Http.js"
import * as RequestTarget from "./RequestTarget.js"
import type { Context, Route } from "./Route.js"

const routes: ReadonlyArray<Route> = [
  ...KvRoutes.routes,
  ...SessionRoutes.routes,
  ...AgentRoutes.routes,
  ...CatalogRoutes.routes
]

const exact = new Map(routes.map((route) => [route.path, route]))

const below = routes.filter((route) => route.path.endsWith("/"))

const find = (path: ByteString): Route | undefined =>
  exact.get(path) ?? below.find((route) => path.startsWith(route.path))

/** Answers a request as an agent does. Never fails: a refusal is an answer too. */
export const handle = (request: Http.Request, context: Context): Effect.Effect<Http.Response> =>
  request.method === "HEAD"
    ? Effect.map(dispatch(request, context), ({ headers, status }) => Http.empty(status, headers))
    : dispatch(request, context)

const dispatch = (request: Http.Request, context: Context): Effect.Effect<Http.Response> => {
  const target = RequestTarget.parse(request.target)
  if (Option.isNone(target)) return Effect.succeed(Http.text(400, "400 Bad Request"))
  const { path, query } = target.value
  if (!allPrintable(path)) return Effect.succeed(Http.empty(400))
  const cleaned = RequestTarget.clean(path)
  // Go also redirects a path that lacks only its last slash.
  const canonical = find(cleaned) === undefined && exact.has(`${cleaned}/`) ? `${cleaned}/` : cleaned
  if (canonical !== path) {
    return Effect.succeed(redirect(request, RequestTarget.location(canonical, target.value)))
  }
  const route = find(path)
  if (route === undefined) return Effect.succeed(path === "/" ? index : Http.empty(404))
  if (query.broken) return Effect.succeed(Http.empty(500, [Http.vary]))
  const { method, body } = request
  const isIndented = RequestTarget.has(query, "pretty") || context.settings().indentedJson
  const allowed = ["OPTIONS", ...route.methods]
  const allow = ["Allow", allowed.join(",")] as const
  if (method === "OPTIONS") return Effect.succeed(Http.empty(200, [allow, Http.vary]))
  if (!allowed.includes(method)) {
    return Effect.succeed(Http.text(405, `method ${method} not allowed`, [allow, Http.vary]))
  }
  const rest = path.slice(route.path.length)
  return Effect.catchAll(
    route.endpoint({ method, path, query, body, isIndented }, context, rest),
    (refusal) => Effect.succeed(Http.refused(refusal))
  )
}

const index = Http.text(200, "Consul Agent")

const redirect = ({ method }: Http.Request, location: ByteString): Http.Response => {
  const escaped = location
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&#34;")
    .replaceAll("'", "&#39;")
  if (method !== "GET" && method !== "HEAD") return Http.empty(301, [["Location", location]])
  const page = Http.text(301, `<a href="${escaped}">Moved Permanently</a>.\n\n`)
  const headers = [
    ["Content-Type", "text/html; charset=utf-8"],
    ["Location", location]
  ] as const
  return { ...page, headers }
}
