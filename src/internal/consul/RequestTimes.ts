/**
 * The times of requests to a server: the pauses between attempts, and those of blocking queries.
 */
import * as Duration from "effect/Duration"
import * as Schedule from "effect/Schedule"
import { wholeMillis } from "../effect/WholeMillis.js"

/**
 * Attempts to reach a server that does not answer. The first ones follow quickly, since elections take a second or two. Then one
 * follows every 5 s, so that a server that comes back can bear any number of instances. Jitter keeps the instances out of step.
 */
export const reconnect = Schedule.exponential("100 millis", 2).pipe(
  Schedule.union(Schedule.spaced("5 seconds")),
  Schedule.jittered,
  Schedule.modifyDelay((_, delay) => wholeMillis(delay))
)

/**
 * The wait of a blocking query. An idle watch costs one request a minute, and a connection that died without notice is detected
 * soon after.
 */
export const watchWait = Duration.minutes(1)

/** The pause before a watch starts over after its query ended early. */
export const restartPause = Duration.seconds(1)

/**
 * For this time an unmoved `X-Consul-Index` proves that nothing changed under a prefix. After 15 minutes Consul forgets a delete,
 * and the index that the delete gave to the prefix.
 */
export const indexMaxAge = Duration.minutes(10)
