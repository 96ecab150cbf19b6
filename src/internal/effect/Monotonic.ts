/**
 * Time that nobody sets. `Clock.currentTimeMillis` is the time of day, which an operator or NTP can set back or ahead: it is
 * for people. Every duration is measured by this one.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Milliseconds since a moment that stays the same as long as the process lives. */
export const now: Effect.Effect<number> = Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos) / 1e6)
