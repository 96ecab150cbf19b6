/**
 * Durations as users of Go tools type them: `250ms`, `1m30s`, `0`.
 */
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as GoDuration from "../internal/GoDuration.js"

/** Left: what is wrong with the text. */
export const parse = (text: string): Either.Either<Duration.Duration, string> =>
  GoDuration.parse(text.replace(/[µμ]s/g, "us")).pipe(
    Either.filterOrLeft(
      (nanoseconds) => nanoseconds >= 0n,
      () => ""
    ),
    Either.mapBoth({
      onLeft: () => `a duration such as 250ms or 1m30s, not ${JSON.stringify(text)}`,
      onRight: Duration.nanos
    })
  )
