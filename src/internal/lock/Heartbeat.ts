/**
 * Heartbeats keep alive what ends by itself: the check of a service, or a session without checks.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { ConsulError } from "../../ConsulError.js"
import { emit } from "../report/EventSink.js"
import * as Schedules from "../Schedules.js"

interface Options {
  /** What Consul confirms: heartbeats of the check, or renewals of the session. */
  readonly purpose: "heartbeat" | "renewal"
  /** How long Consul keeps alive what got no heartbeat, at least. */
  readonly ttl: Duration.Duration
  /** Between two heartbeats, and how long each may take. */
  readonly interval: Duration.Duration
}

/**
 * Sends heartbeats. Returns the reason when Consul has confirmed none for longer than the time to live: then another instance
 * may have the lock. Time is measured from before each request, and monotonic.
 *
 * A heartbeat returns a reason itself if there is nothing left to keep alive.
 */
const keep = Effect.fnUntraced(function* (
  heartbeat: Effect.Effect<string | undefined, ConsulError>,
  { interval, purpose, ttl }: Options
): Effect.fn.Return<string> {
  const limit = Duration.unsafeToNanos(ttl)
  let confirmed = yield* Clock.currentTimeNanos
  const overdue = Effect.map(Clock.currentTimeNanos, (now) => now - confirmed > limit)
  const beat = Effect.gen(function* () {
    const sent = yield* Clock.currentTimeNanos
    const ended = yield* heartbeat
    confirmed = sent
    return { ended, pause: interval }
  }).pipe(Effect.timeout(interval))
  while (!(yield* overdue)) {
    const { ended, pause } = yield* beat.pipe(
      Effect.catchAll((error) =>
        Effect.as(emit({ _tag: "RequestFailed", purpose, cause: error._tag, message: error.message }), {
          ended: undefined,
          pause: Schedules.heartbeatRetry(ttl)
        })
      )
    )
    if (ended !== undefined) return ended
    yield* Effect.sleep(pause)
  }
  const what = purpose === "heartbeat" ? "heartbeat" : "renewal of the session"
  return `Consul has confirmed no ${what} for ${Duration.format(ttl)}`
})

/** Three times in the time to live of a check. Without them Consul releases the lock right after that time. */
export const keepCheck = (
  update: Effect.Effect<void, ConsulError>,
  ttl: Duration.Duration
): Effect.Effect<string> =>
  keep(Effect.as(update, undefined), {
    purpose: "heartbeat",
    ttl,
    interval: Schedules.heartbeatInterval(ttl)
  })

/** Five times in the time to live of a session: an election may take two thirds of the shortest one that Consul allows. */
export const keepSession = (
  renewal: Effect.Effect<string | undefined, ConsulError>,
  ttl: Duration.Duration
): Effect.Effect<string> =>
  keep(renewal, { purpose: "renewal", ttl, interval: Schedules.agentlessRenewalInterval(ttl) })
