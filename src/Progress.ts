/**
 * How far a comparison of both sides in full has come, and who receives that.
 *
 * @since 0.5.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/**
 * `compared` keys of the source, of about `of`, `writes` of which had to be written so far, in `elapsed`.
 *
 * @since 0.5.0
 * @category models
 */
export interface Progress {
  readonly compared: number
  readonly of: number
  readonly writes: number
  readonly elapsed: Duration.Duration
}

/**
 * `report` is called not more often than `every`, and not at all where a comparison takes no longer; `done` at its end
 * if it was.
 *
 * @since 0.5.0
 * @category models
 */
export interface Reporter {
  readonly every: Duration.Duration
  readonly report: (progress: Progress) => Effect.Effect<void>
  readonly done: Effect.Effect<void>
}

/**
 * For a person: keys, rate and time left.
 *
 * @since 0.5.0
 * @category text
 */
export const format = ({ compared, elapsed, of, writes }: Progress): string => {
  const seconds = Math.max(Duration.toSeconds(elapsed), 0.001)
  const rate = compared / seconds
  const left = Math.ceil(Math.max(of - compared, 0) / Math.max(rate, 1))
  return (
    `comparing: ${compared} of ${Math.max(of, compared)} keys, ${writes} written, ` +
    `${Math.round(rate)} keys/s, about ${left} s left`
  )
}

/**
 * Logs every five seconds.
 *
 * @since 0.5.0
 * @category reporters
 */
export const log: Reporter = {
  every: Duration.seconds(5),
  report: (progress) => Effect.logInfo(format(progress)),
  done: Effect.void
}

/**
 * Who receives progress; {@link log} unless another receiver is given.
 *
 * @since 0.5.0
 * @category tags
 */
export class ProgressReporter extends Context.Reference<ProgressReporter>()(
  "consul-replicate/ProgressReporter",
  { defaultValue: (): Reporter => log }
) {}
