/** The status keys of several replications: each has one under a folder, named as by consul-replicate 0.4.0. */
import { hash } from "node:crypto"

/** The prefixes of a replication. */
interface Route {
  /** The prefix at the source. */
  readonly prefix: string
  /** The prefix at the destination. */
  readonly destinationPrefix: string
}

interface WithStatus extends Route {
  /** Key of the status. */
  readonly status: string
}

/** The datacenter is no part of the name: two replications with the same prefixes would write the same keys. */
const nameOf = ({ destinationPrefix, prefix }: Route): string => hash("md5", `${prefix}-${destinationPrefix}`)

/**
 * The key of a replication's status under a folder: the folder without slashes at its end, a slash, and the MD5 of the source
 * prefix, a dash and the destination prefix, in hexadecimal digits (consul-replicate 0.4.0, `statusPath` in `runner.go`).
 */
export const keyOf = (folder: string, route: Route): string =>
  `${folder.replace(/\/+$/, "")}/${nameOf(route)}`

/**
 * Whether the status key of a replication is that of {@link keyOf}, under any folder. Such a status has the fields of
 * consul-replicate 0.4.0 with their meaning there.
 */
export const has = (replication: WithStatus): boolean =>
  replication.status.endsWith(`/${nameOf(replication)}`)

/**
 * The folder of a replication's status, with a slash at its end; undefined if the status key is not that of {@link keyOf}.
 */
export const frontOf = (replication: WithStatus): string | undefined =>
  has(replication) ? replication.status.slice(0, -nameOf(replication).length) : undefined
