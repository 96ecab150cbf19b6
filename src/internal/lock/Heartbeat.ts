/**
 * Heartbeats keep the check of a service, or a session without checks, from ending by its time to live.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { ConsulError } from "../../ConsulError.js"
import { wholeMillis } from "../effect/WholeMillis.js"
import { emit } from "../report/EventSink.js"
import * as LockTimes from "./LockTimes.js"

/** The pause after a failed heartbeat. It is short, since the rest of the time to live is. */
const heartbeatRetry = (ttl: Duration.Duration): Duration.Duration => wholeMillis(Duration.times(ttl, 1 / 10))

/**
 * The time between two renewals of a session without an agent, and the time limit of each renewal. Servers without a leader
 * confirm no renewal: the lock outlasts elections of four fifths of the time to live.
 */
const agentlessRenewalInterval = (ttl: Duration.Duration): Duration.Duration =>
  wholeMillis(Duration.times(ttl, 1 / 5))

interface Options {
  /** Whether the requests are heartbeats of the check or renewals of the session. */
  readonly purpose: "heartbeat" | "renewal"
  /** The time to live: at least so long Consul keeps the check or the session alive without a heartbeat. */
  readonly ttl: Duration.Duration
  /** The pause after each heartbeat, and its time limit. */
  readonly interval: Duration.Duration
}

/**
 * Sends heartbeats. Returns the reason to stop when Consul has confirmed no heartbeat for longer than the time to live: then
 * another instance may have the lock. The time is monotonic, and begins before the request that was confirmed.
 *
 * `heartbeat` itself returns a reason to stop if the session is gone.
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
          pause: heartbeatRetry(ttl)
        })
      )
    )
    if (ended !== undefined) return ended
    yield* Effect.sleep(pause)
  }
  const what = purpose === "heartbeat" ? "heartbeat" : "renewal of the session"
  return `Consul has confirmed no ${what} for ${Duration.format(ttl)}`
})

/**
 * Sends a heartbeat of a check three times in its time to live. Without heartbeats Consul releases the lock right after that
 * time.
 */
export const keepCheck = (
  update: Effect.Effect<void, ConsulError>,
  ttl: Duration.Duration
): Effect.Effect<string> =>
  keep(Effect.as(update, undefined), {
    purpose: "heartbeat",
    ttl,
    interval: LockTimes.heartbeatInterval(ttl)
  })

/**
 * Renews a session five times in its time to live: an election may take two thirds of the shortest time to live that Consul
 * allows.
 */
export const keepSession = (
  renewal: Effect.Effect<string | undefined, ConsulError>,
  ttl: Duration.Duration
): Effect.Effect<string> =>
  keep(renewal, { purpose: "renewal", ttl, interval: agentlessRenewalInterval(ttl) })
