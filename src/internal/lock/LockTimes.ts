/**
 * The times of the lock that several files use.
 */
import * as Duration from "effect/Duration"
import * as Schedule from "effect/Schedule"
import { reconnect } from "../consul/RequestTimes.js"
import { wholeMillis } from "../effect/WholeMillis.js"

/**
 * The pauses between attempts to lead. They are short again after a minute of leading or standing by: an instance that loses the
 * lock once a day stands for it again at once.
 */
export const retryLeadership = reconnect.pipe(Schedule.resetAfter("1 minute"))

/**
 * The time between two heartbeats. Three fit the time to live: two may be lost before the check is critical.
 */
export const heartbeatInterval = (ttl: Duration.Duration): Duration.Duration =>
  wholeMillis(Duration.times(ttl, 1 / 3))
