/**
 * The health that the check of a service shows.
 */
import type { CheckStatus } from "../../ConsulHttp.js"
import { version } from "../../Version.js"

/**
 * The health that the check of the service shows.
 *
 * The output should not change all the time: an agent (1.8.7) passes a change on to its servers, and if the servers have no
 * leader then, it confirms no heartbeat for 7 to 14 s. A change of the output alone reaches the servers after up to 1.5 times
 * `check_update_interval` (5 minutes unless configured).
 *
 * @since 0.5.0
 * @category models
 */
export interface Health {
  /** A warning is for people: it renews the time to live as `passing` does, and the instance keeps the lock. */
  readonly status: Exclude<CheckStatus, "critical">
  /** One line for people. The check shows it after the role: `leading: ` or `standing by: `. */
  readonly output: string
}

/**
 * The health of an instance that has reported none.
 *
 * @since 0.5.0
 * @category models
 */
export const passing: Health = { status: "passing", output: `consul-replicate ${version}` }
