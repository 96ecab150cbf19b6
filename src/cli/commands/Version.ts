/**
 * The version of the program, the commit that it was built from, and the version of Node.js.
 */
import { version } from "../../Version.js"

/** The build replaces this name by the commit, if there is one. */
declare const CONSUL_REPLICATE_COMMIT: string | undefined

const commit = typeof CONSUL_REPLICATE_COMMIT === "string" ? [`commit ${CONSUL_REPLICATE_COMMIT}`] : []

/** As in `0.5.0, commit 0123456789ab, Node.js 20.19.0`. */
export const describe = (): string => [version, ...commit, `Node.js ${process.versions.node}`].join(", ")
