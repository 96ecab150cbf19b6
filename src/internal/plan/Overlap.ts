/** Whether the prefixes of a replication have keys in common. */
import type { ReplicationFields } from "../ReplicationOptions.js"

/**
 * Whether one prefix begins with the other. A store that is replicated into itself by such prefixes would copy its own copies.
 */
export const overlaps = ({
  destinationPrefix,
  prefix
}: Pick<ReplicationFields, "destinationPrefix" | "prefix">): boolean =>
  prefix.startsWith(destinationPrefix) || destinationPrefix.startsWith(prefix)
