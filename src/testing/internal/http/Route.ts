/**
 * The type of an endpoint, and the context in which an endpoint runs.
 */
import type * as Effect from "effect/Effect"
import type { Agent } from "../cluster/Agent.js"
import type { Rpc } from "../cluster/Rpc.js"
import type { Settings } from "../cluster/Settings.js"
import type { ByteString } from "../go/ByteString.js"
import type * as Http from "./Http.js"
import type { Refusal } from "./Refusal.js"

/** The context of a request: the agent that serves it, and the agent's view of the other agents and datacenters. */
export interface Context {
  /** The agent that serves the request. */
  readonly agent: Agent
  /** The agent's connection to the servers. */
  readonly rpc: Rpc
  /** The name of the agent's datacenter. */
  readonly datacenter: string
  /** The current settings of the agent's datacenter. */
  readonly settings: () => Settings
  /** Makes the id of a new session. */
  readonly makeId: Effect.Effect<ByteString>
  /** The agents of the agent's datacenter, servers first. */
  readonly members: () => ReadonlyArray<Agent>
  /** The names of all datacenters, the agent's own first. */
  readonly datacenters: () => ReadonlyArray<string>
  /** The servers of a datacenter. */
  readonly servers: (datacenter: string) => ReadonlyArray<Agent>
}

export type Endpoint = (
  call: Http.Call,
  context: Context,
  /** The rest of the path after the route's path: a key, an id, a name. */
  rest: ByteString
) => Effect.Effect<Http.Response, Refusal>

export interface Route {
  /** The methods that the endpoint answers, besides HEAD and OPTIONS. */
  readonly methods: ReadonlyArray<"GET" | "PUT" | "DELETE">
  /** The path of the endpoint. A path that ends in a slash matches all paths below it. */
  readonly path: string
  readonly endpoint: Endpoint
}
