/** Whether the prefixes of a replication have keys in common. */
import type { ReplicationFields } from "../../ReplicationOptions.js"

/** A store that is replicated into itself by prefixes that overlap would copy its own copies. */
export const overlaps = ({
  destinationPrefix,
  prefix
}: Pick<ReplicationFields, "destinationPrefix" | "prefix">): boolean =>
  prefix.startsWith(destinationPrefix) || destinationPrefix.startsWith(prefix)
