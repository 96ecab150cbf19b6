/**
 * Heartbeats keep the check of a service from turning critical.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Consul } from "../../ConsulHttp.js"
import * as Schedules from "../Schedules.js"
import type { CheckOutput } from "./CheckOutput.js"

/**
 * Tells the agent what the check shows, three times in its time to live. Returns the reason when Consul has confirmed
 * none for longer than that: then it has released the lock. Time is measured from before each request, and monotonic.
 */
export const keep = Effect.fnUntraced(function* (
  { updateCheck }: Pick<Consul["agent"], "updateCheck">,
  checkId: string,
  ttl: Duration.Duration,
  { reported }: CheckOutput
): Effect.fn.Return<string> {
  const limit = Duration.unsafeToNanos(ttl)
  let confirmed = yield* Clock.currentTimeNanos
  const overdue = Effect.map(Clock.currentTimeNanos, (now) => now - confirmed > limit)
  const beat = Effect.gen(function* () {
    const sent = yield* Clock.currentTimeNanos
    yield* updateCheck(checkId, yield* reported)
    confirmed = sent
  }).pipe(Effect.timeout(Schedules.heartbeatInterval(ttl)))
  while (!(yield* overdue)) {
    const next = yield* beat.pipe(
      Effect.as(Schedules.heartbeatInterval(ttl)),
      Effect.catchAll((error) =>
        Effect.as(Effect.logDebug(`heartbeat: ${error.message}`), Schedules.heartbeatRetry(ttl))
      )
    )
    yield* Effect.sleep(next)
  }
  return `Consul has confirmed no heartbeat for ${Duration.format(ttl)}`
})
