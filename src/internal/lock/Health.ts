/**
 * What the check of a service shows.
 */
import type { CheckStatus } from "../../ConsulHttp.js"
import { version } from "../../Version.js"

/**
 * What the check of the service shows. A warning is for people: it renews the time to live as passing does, and the
 * lock stays. The role stands before the output: `leading: ` or `standing by: `.
 *
 * The output is for what lasts, not for figures that change all the time: an agent (1.8.7) passes a change on to its
 * servers, and if these have no leader then, it confirms no heartbeat for 7 to 14 s. A change of the output alone reaches
 * the servers within `check_update_interval` (5 minutes unless configured) and a half of it.
 *
 * @since 0.5.0
 * @category models
 */
export interface Health {
  readonly status: Exclude<CheckStatus, "critical">
  readonly output: string
}

/**
 * @since 0.5.0
 * @category models
 */
export const passing: Health = { status: "passing", output: `consul-replicate ${version}` }
