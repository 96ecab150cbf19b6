/**
 * Which right of Consul's ACLs a request needs, as the line of a policy that gives it. Checked with Consul 1.8.7: a token
 * without rights is denied each request, and the same token with the line that is named is not.
 */
import type { HttpMethod } from "@effect/platform/HttpMethod"
import type { Operation } from "../../Operation.js"

type Access = "read" | "list" | "write"

const line = (resource: string, name: string, access: Access): string =>
  `${resource} ${JSON.stringify(name)} { policy = "${access}" }`

export const ofService = (name: string): string => line("service", name, "write")

/** Consul's checks only look at their keys. */
export const ofOperation = ({ _tag, key }: Operation): string => {
  switch (_tag) {
    case "Get":
    case "CheckIndex":
    case "CheckSession":
      return line("key", key, "read")
    case "GetTree":
      return line("key_prefix", key, "read")
    case "Set":
    case "Cas":
    case "Delete":
    case "DeleteCas":
    case "Lock":
    case "Unlock":
      return line("key", key, "write")
  }
}

/** The parts of a request that its right depends on. */
export interface Asked {
  readonly method: HttpMethod
  /** Percent-encoded, from `/v1` on. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>> | undefined
  /** The key or prefix that the path carries. */
  readonly name?: string | undefined
}

/**
 * The right that a request needs; none if the path does not show it. A listing is denied only with `enable_key_list_policy`.
 * Without that setting, a listing leaves out the keys that the token may not read.
 */
export const ofRequest = ({ method, name, path, query = {} }: Asked): string | undefined => {
  if (path.startsWith("/v1/kv/")) {
    const isListing = "recurse" in query || "keys" in query
    if (name === undefined) return undefined
    if (method !== "GET") return line("key", name, "write")
    return isListing ? line("key_prefix", name, "list") : line("key", name, "read")
  }
  // A session belongs to the node of the agent, whose name the path does not carry.
  if (path.startsWith("/v1/session/")) return line("session_prefix", "", method === "GET" ? "read" : "write")
  return path === "/v1/agent/self" ? line("agent_prefix", "", "read") : undefined
}
