/**
 * Durations as users of Go tools type them: `250ms`, `1m30s`, `0`.
 */
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as GoDuration from "../../internal/consul/GoDuration.js"

/** A duration. Left: the problem, and how a duration is written. */
export const parse = (text: string): Either.Either<Duration.Duration, string> =>
  GoDuration.parse(text.replace(/[µμ]s/g, "us")).pipe(
    Either.filterOrLeft(
      (nanoseconds) => nanoseconds >= 0n,
      () => ""
    ),
    Either.mapBoth({
      onLeft: () => "not a duration; write it as 250ms, 60s or 1m30s",
      onRight: Duration.nanos
    })
  )
