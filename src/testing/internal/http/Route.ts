/**
 * What an endpoint is given, and what it answers.
 */
import type * as Effect from "effect/Effect"
import type { Agent } from "../cluster/Agent.js"
import type { Rpc } from "../cluster/Rpc.js"
import type { Settings } from "../cluster/Settings.js"
import type { ByteString } from "../go/ByteString.js"
import type * as Http from "./Http.js"
import type { Refusal } from "./Refusal.js"

/** The agent that serves a request, and what it knows of the rest of the world. */
export interface Context {
  readonly agent: Agent
  readonly rpc: Rpc
  readonly datacenter: string
  /** Those of its datacenter, which may change. */
  readonly settings: () => Settings
  /** A new session's id. */
  readonly makeId: Effect.Effect<ByteString>
  /** The agents of its datacenter, servers first. */
  readonly members: () => ReadonlyArray<Agent>
  /** All datacenters, its own first. */
  readonly datacenters: () => ReadonlyArray<string>
  /** The servers of the datacenter that a request is for. */
  readonly servers: (datacenter: string) => ReadonlyArray<Agent>
}

export type Endpoint = (
  call: Http.Call,
  context: Context,
  /** What follows the route's path: a key, an id, a name. */
  rest: ByteString
) => Effect.Effect<Http.Response, Refusal>

export interface Route {
  readonly methods: ReadonlyArray<"GET" | "PUT" | "DELETE">
  /** One that ends in a slash takes all paths below it. */
  readonly path: string
  readonly endpoint: Endpoint
}
