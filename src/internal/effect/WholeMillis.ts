import * as Duration from "effect/Duration"

/** Rounds to whole milliseconds: `TestClock` fails with fractions of one. */
export const wholeMillis = (duration: Duration.Duration): Duration.Duration =>
  Duration.millis(Math.round(Duration.toMillis(duration)))
