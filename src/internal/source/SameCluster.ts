/**
 * Whether a source with an address of its own is the cluster that is replicated into. The names of datacenters do not show that:
 * the default name is `dc1`.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import type { ConsulError } from "../../ConsulError.js"
import { InvalidOptions } from "../../InvalidOptions.js"
import * as Replication from "../../Replication.js"
import type { AgentSelf, Consul } from "../consul/Consul.js"
import { isSameTenancy } from "../consul/Endpoint.js"
import { overlaps } from "../plan/Overlap.js"

/** `Unknown` if the token of the source may not read the answers that would decide. */
export type Relation = "Same" | "Different" | "Unknown"

/** The answer to a question; none if the token may not read it. */
const allowed = <A>(ask: Effect.Effect<A, ConsulError>): Effect.Effect<Option.Option<A>, ConsulError> =>
  Effect.catchTag(Effect.asSome(ask), "Denied", () => Effect.succeedNone)

/** Whether the source's catalog has the destination's node. Its own node shows whether the token may read nodes. */
const byCatalog = (
  source: Consul,
  destination: AgentSelf,
  self: Option.Option<AgentSelf>
): Effect.Effect<Relation, ConsulError> =>
  Effect.gen(function* () {
    const idOf = (name: string) => Effect.map(allowed(source.catalog.nodeId(name)), Option.flatten)
    const [nodeId] = Option.toArray(yield* idOf(destination.node))
    if (nodeId !== undefined) return nodeId === destination.nodeId ? "Same" : "Different"
    const [own] = Option.toArray(self)
    return own !== undefined && Option.contains(yield* idOf(own.node), own.nodeId) ? "Different" : "Unknown"
  })

/**
 * Asks until one answer decides: the names of the datacenters, the agents' own nodes, the addresses of the servers (which two
 * private networks can have in common), and the source's catalog. `destination` is the agent that is replicated into, and
 * `peers` are its servers. Checked with Consul 1.8.7.
 */
export const compare = Effect.fn("SameCluster.compare")(function* (
  source: Consul,
  destination: AgentSelf,
  peers: Effect.Effect<ReadonlyArray<string>, ConsulError>
): Effect.fn.Return<Relation, ConsulError> {
  const self = yield* allowed(source.agent.self)
  const isOwn = ({ datacenter }: AgentSelf) => datacenter === (source.endpoint.datacenter ?? datacenter)
  const datacenter = source.endpoint.datacenter ?? Option.getOrUndefined(self)?.datacenter
  if (datacenter !== undefined && datacenter !== destination.datacenter) return "Different"
  if (Option.exists(self, ({ nodeId }) => nodeId === destination.nodeId)) return "Same"
  const [theirs, ours] = yield* Effect.all([source.catalog.peers, peers])
  if (!theirs.some((peer) => ours.includes(peer))) return "Different"
  return yield* byCatalog(source, destination, Option.filter(self, isOwn))
})

/** The error for a source that is, or may be, the store that is replicated into. */
const intoItself = (
  { destinationPrefix, prefix, sourceAgent }: Replication.Replication,
  relation: Exclude<Relation, "Different">
): InvalidOptions => {
  const overlap = `the prefixes ${JSON.stringify(prefix)} and ${JSON.stringify(destinationPrefix)} overlap`
  const { address } = sourceAgent
  return new InvalidOptions({
    of: "Replication",
    field: "sourceAgent",
    given: address,
    problem:
      relation === "Same"
        ? `${address} is an agent of the cluster that is replicated into, and ${overlap}; name another cluster`
        : `${address} may be an agent of the cluster that is replicated into, for its servers have the same addresses, and ` +
          `${overlap}; give the token of the source node_prefix "" { policy = "read" }, so that its nodes show whether it is`,
    alternative: "destinationPrefix"
  })
}

/**
 * Makes a check that fails if the replication would copy its own copies: the source is the cluster that is replicated into, and
 * the prefixes overlap. A check that has succeeded is not made again. Call it when the source answers, and before anything is
 * written.
 */
export const refusal = (
  replication: Replication.Replication,
  consul: Consul
): Effect.Effect<Effect.Effect<void, ConsulError | InvalidOptions>> =>
  Effect.map(Ref.make(false), (isExamined) => {
    const source = consul.at(Replication.watched(replication).source)
    const isOneStore = isSameTenancy(source.endpoint, consul.endpoint) && overlaps(replication)
    // A source without an address of its own is another store if its datacenter is another: the options were checked for that.
    if (replication.sourceAgent.address === undefined || !isOneStore) return Effect.void
    const examine = Effect.gen(function* () {
      const self = yield* consul.agent.self
      const relation = yield* compare(source, self, consul.catalog.peers)
      if (relation !== "Different") {
        return yield* intoItself(replication, relation)
      }
      yield* Ref.set(isExamined, true)
    })
    return Effect.unlessEffect(examine, Ref.get(isExamined))
  })
