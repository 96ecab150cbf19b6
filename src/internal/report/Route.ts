/** The route of a replication: the name by which its events are about it. */
import type { Route } from "../event/ReplicationEvent.js"
import { type SourceAgent, sourceName } from "../source/SourceAgent.js"

/** The route of a replication. The name of a source with an agent of its own has the address of that agent. */
export const routeOf = (replication: Route & { readonly sourceAgent: SourceAgent }): Route => ({
  source: sourceName(replication),
  prefix: replication.prefix,
  destinationPrefix: replication.destinationPrefix
})
