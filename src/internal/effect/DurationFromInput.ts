/**
 * A duration in the form that a person writes: `"250 millis"`, a number of ms, or a `Duration`. Each schema of Effect (3.22)
 * reads one form, and none reads text. `test/effect/DurationFromInput.test.ts` shows that.
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const DurationInput: Schema.Schema<Duration.DurationInput> = Schema.declare(
  (input): input is Duration.DurationInput => Option.isSome(Duration.decodeUnknown(input)),
  { identifier: "DurationInput", message: () => 'not a duration; write one such as "10 seconds"' }
)

/** Encodes a duration as text in ms. */
export const DurationFromInput: Schema.Schema<Duration.Duration, Duration.DurationInput> = Schema.transform(
  DurationInput,
  Schema.DurationFromSelf,
  {
    strict: true,
    decode: (input) => Duration.decode(input),
    encode: (duration): Duration.DurationInput => `${Duration.toMillis(duration)} millis`
  }
)
