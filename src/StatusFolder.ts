/**
 * The keys of the statuses of several replications: one for each under a folder, named as consul-replicate 0.4.0 names them.
 *
 * @since 0.5.0
 */
import { hash } from "node:crypto"
import type { Replication } from "./Replication.js"

type Route = Pick<Replication, "destinationPrefix" | "prefix">

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
export const has = (replication: Route & Pick<Replication, "status">): boolean =>
  replication.status.endsWith(`/${nameOf(replication)}`)
