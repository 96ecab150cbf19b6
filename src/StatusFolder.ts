/**
 * The keys of the statuses of several replications: one for each under a folder, named as consul-replicate 0.4.0 names them.
 *
 * @since 0.5.0
 */
import { hash } from "node:crypto"

/** The prefixes of a replication. */
interface Route {
  readonly prefix: string
  readonly destinationPrefix: string
}

interface WithStatus extends Route {
  /** Key of the status. */
  readonly status: string
}

/** The datacenter is no part of the name. Two replications that differ in it alone would write the same keys. */
const nameOf = ({ destinationPrefix, prefix }: Route): string => hash("md5", `${prefix}-${destinationPrefix}`)

/**
 * The key of a replication's status under a folder: the folder without slashes at its end, a slash, and the MD5 of the source
 * prefix, a dash and the destination prefix, in hexadecimal digits (consul-replicate 0.4.0, `statusPath` in `runner.go`).
 *
 * @since 0.5.0
 * @category accessors
 * @example
 * ```ts
 * import * as assert from "node:assert"
 * import { StatusFolder } from "consul-replicate"
 *
 * const route = { prefix: "global/", destinationPrefix: "global/" }
 * assert.strictEqual(StatusFolder.keyOf("statuses/", route), "statuses/a23b7dbbd70bfb79686eb0625532abf7")
 * ```
 */
export const keyOf = (folder: string, route: Route): string =>
  `${folder.replace(/\/+$/, "")}/${nameOf(route)}`

/**
 * Whether the status key of a replication is one of {@link keyOf}, under whatever folder. Such a status has the fields of
 * consul-replicate 0.4.0 with their meaning there.
 *
 * @since 0.5.0
 * @category predicates
 */
export const has = (replication: WithStatus): boolean =>
  replication.status.endsWith(`/${nameOf(replication)}`)

/**
 * What the keys of all statuses begin with that stand beside the status of a replication, its slash included; undefined if the
 * status has a key of its own.
 *
 * @since 0.5.0
 * @category accessors
 */
export const frontOf = (replication: WithStatus): string | undefined =>
  has(replication) ? replication.status.slice(0, -nameOf(replication).length) : undefined
