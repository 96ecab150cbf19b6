/**
 * Monotonic time, by which every duration is measured. `Clock.currentTimeMillis` is the time of day, for people: an operator or
 * NTP can set it back or ahead.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Time since a moment that is the same for the life of the process: ms. */
export const now: Effect.Effect<number> = Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos) / 1e6)
