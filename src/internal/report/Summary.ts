/**
 * How often passes are logged: the first one after quiet at once, and as long as more follow, one line for all of every
 * ten seconds. A source that changes all the time would fill the log otherwise, and nobody would read it.
 */
import * as Option from "effect/Option"

/** One pass, or several together. */
export interface Passes {
  /** How many keys were written. */
  readonly writes: number
  /** How many keys were deleted. */
  readonly deletes: number
  readonly passes: number
  /** How long the longest of them took, in ms: so far the destination lagged behind the source. */
  readonly lag: number
  /** `X-Consul-Index` of the source, as of the latest pass. */
  readonly index: number
}

/** How long passes are collected for one line, in ms. Without a pass in that time, it is quiet. */
export const interval = 10_000

/** None while it is quiet. `until` is when the collection ends, in ms; `collected` what it holds, none at first. */
export type Summary = Option.Option<{
  readonly until: number
  readonly collected: Option.Option<Passes>
}>

/** Before the first pass. */
export const quiet: Summary = Option.none()

const both = (one: Passes, other: Passes): Passes => ({
  writes: one.writes + other.writes,
  deletes: one.deletes + other.deletes,
  passes: one.passes + other.passes,
  lag: Math.max(one.lag, other.lag),
  index: other.index
})

/**
 * Takes a pass in at `now`, in ms. Answers whether to log it by itself: it ended the quiet. Otherwise it is collected, and
 * {@link due} answers with it.
 */
export const add = (summary: Summary, now: number, pass: Passes): readonly [isFirst: boolean, Summary] =>
  Option.match(summary, {
    onNone: () => [true, Option.some({ until: now + interval, collected: Option.none() })],
    onSome: ({ collected, until }) => [
      false,
      Option.some({
        until,
        collected: Option.some(
          Option.match(collected, { onNone: () => pass, onSome: (so) => both(so, pass) })
        )
      })
    ]
  })

/**
 * What to log at `now`, in ms: what was collected, once its time is over. With nothing collected it is quiet from then on.
 */
export const due = (summary: Summary, now: number): readonly [Option.Option<Passes>, Summary] => {
  if (Option.isNone(summary) || now < summary.value.until) return [Option.none(), summary]
  const { collected } = summary.value
  return Option.isNone(collected)
    ? [Option.none(), quiet]
    : [collected, Option.some({ until: now + interval, collected: Option.none() })]
}
