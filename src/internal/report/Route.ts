/** Which replication an event is about. */
import type { Route } from "../../ReplicationEvent.js"

/** The fields of a replication that its events have. */
export const routeOf = ({ destinationPrefix, prefix, source }: Route): Route => ({
  source,
  prefix,
  destinationPrefix
})
