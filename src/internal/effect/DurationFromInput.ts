/**
 * A duration as people give it: `"250 millis"`, a number of ms, or a `Duration`. The schemas of Effect (3.22) read one form
 * each, and none reads text.
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const DurationInput: Schema.Schema<Duration.DurationInput> = Schema.declare(
  (input): input is Duration.DurationInput => Option.isSome(Duration.decodeUnknown(input)),
  { identifier: "DurationInput", message: () => 'not a duration; write one such as "10 seconds"' }
)

/** Encodes as text in ms. */
export const DurationFromInput: Schema.Schema<Duration.Duration, Duration.DurationInput> = Schema.transform(
  DurationInput,
  Schema.DurationFromSelf,
  {
    strict: true,
    decode: (input) => Duration.decode(input),
    encode: (duration): Duration.DurationInput => `${Duration.toMillis(duration)} millis`
  }
)
