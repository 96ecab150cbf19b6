/** Which replication an event is about. */
import type { Route } from "../../ReplicationEvent.js"
import { type SourceAgent, sourceName } from "../../SourceAgent.js"

/** The fields of a replication that its events have. A source with an address of its own is named by that, too. */
export const routeOf = (replication: Route & { readonly sourceAgent: SourceAgent }): Route => ({
  source: sourceName(replication),
  prefix: replication.prefix,
  destinationPrefix: replication.destinationPrefix
})
