import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Address from "../../src/Address.js"
import * as ConsulError from "../../src/ConsulError.js"
import type { AgentSelf, Consul } from "../../src/ConsulHttp.js"
import * as SameCluster from "../../src/internal/source/SameCluster.js"

const destination: AgentSelf = { datacenter: "dc1", node: "dst-1", nodeId: "id-of-dst-1", version: "1.8.7" }

const denied = new ConsulError.Denied({ request: "GET", reason: "Permission denied" })

interface Answers {
  readonly self?: Partial<AgentSelf> | "denied"
  readonly datacenter?: string
  readonly peers?: ReadonlyArray<string>
  /** Ids of nodes by name. */
  readonly nodes?: Readonly<Record<string, string>> | "denied"
}

/** A source that gives these answers: another cluster of the same name, unless they say otherwise. */
const relationTo = ({ datacenter, nodes = {}, peers = ["10.0.0.9:8300"], self = {} }: Answers) => {
  const source = {
    endpoint: { address: "http://10.0.0.1:8500" as Address.Address, datacenter },
    agent: {
      self:
        self === "denied"
          ? Effect.fail(denied)
          : Effect.succeed({ ...destination, node: "src-1", nodeId: "id-of-src-1", ...self })
    },
    catalog: {
      peers: Effect.succeed(peers),
      nodeId: (name: string) =>
        nodes === "denied" ? Effect.fail(denied) : Effect.succeed(Option.fromNullable(nodes[name]))
    }
  } as unknown as Consul
  return SameCluster.compare(source, destination, Effect.succeed(["10.0.0.1:8300", "10.0.0.2:8300"]))
}

const shared = { peers: ["10.0.0.1:8300"] }

describe("whether a source is the cluster that is replicated into", () => {
  it.effect.each([
    ["its agent is of another datacenter", { self: { datacenter: "dc2" } }, "Different"],
    ["another datacenter is asked for by its agent", { datacenter: "dc2", self: {} }, "Different"],
    ["its agent is the very agent", { self: { nodeId: "id-of-dst-1" } }, "Same"],
    ["its servers have other addresses", {}, "Different"],
    [
      "its servers have other addresses, and nothing else may be read",
      { self: "denied", nodes: "denied" },
      "Different"
    ],
    ["its catalog has the agent's node", { ...shared, nodes: { "dst-1": "id-of-dst-1" } }, "Same"],
    ["its catalog has another node of that name", { ...shared, nodes: { "dst-1": "another" } }, "Different"],
    [
      "its catalog has its own node, and not the agent's",
      { ...shared, nodes: { "src-1": "id-of-src-1" } },
      "Different"
    ],
    ["its catalog shows no node", { ...shared, nodes: {} }, "Unknown"],
    ["its catalog may not be read", { ...shared, nodes: "denied" }, "Unknown"],
    [
      "neither its agent nor its catalog may be read",
      { ...shared, self: "denied", nodes: "denied" },
      "Unknown"
    ]
  ] as const)("when %s", ([, answers, relation]) =>
    Effect.gen(function* () {
      expect(yield* relationTo(answers)).toBe(relation)
    })
  )
})
