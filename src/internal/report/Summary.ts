/**
 * Sums passes up for the log. The first pass after a quiet time is logged at once. While more passes follow, one line sums up ten
 * seconds: otherwise a source that changes all the time would fill the log.
 */
import * as Option from "effect/Option"

/** One pass, or several together. */
export interface Passes {
  /** How many keys were written. */
  readonly writes: number
  /** How many keys were deleted. */
  readonly deletes: number
  /** How many passes they are. */
  readonly passes: number
  /** How long the longest pass took: ms. That was the lag of the destination. */
  readonly lag: number
  /** The `X-Consul-Index` of the source in the latest pass. */
  readonly index: number
}

/** How long passes are collected for one line: ms. After such a time without a pass it is quiet. */
export const interval = 10_000

export interface Collection {
  /** When the next line is due: ms, monotonic. */
  readonly until: number
  /** The passes for that line; none at first. */
  readonly collected: Option.Option<Passes>
}

/** None while it is quiet. */
export type Summary = Option.Option<Collection>

/** The summary before the first pass. */
export const quiet: Summary = Option.none()

const both = (one: Passes, other: Passes): Passes => ({
  writes: one.writes + other.writes,
  deletes: one.deletes + other.deletes,
  passes: one.passes + other.passes,
  lag: Math.max(one.lag, other.lag),
  index: other.index
})

/**
 * Adds a pass at `now` (ms). Returns true if the pass ends a quiet time: then the caller logs it by itself. Otherwise the pass is
 * collected until {@link due} returns it.
 */
export const add = (summary: Summary, now: number, pass: Passes): readonly [isFirst: boolean, Summary] =>
  Option.match(summary, {
    onNone: () => [true, Option.some({ until: now + interval, collected: Option.none() })],
    onSome: ({ collected, until }) => [
      false,
      Option.some({
        until,
        collected: Option.some(
          Option.match(collected, { onNone: () => pass, onSome: (before) => both(before, pass) })
        )
      })
    ]
  })

/**
 * Returns the passes to log at `now` (ms): the collected ones, if their line is due. If none were collected, it is quiet from
 * then on.
 */
export const due = (summary: Summary, now: number): readonly [Option.Option<Passes>, Summary] => {
  if (Option.isNone(summary) || now < summary.value.until) return [Option.none(), summary]
  const { collected } = summary.value
  return Option.isNone(collected)
    ? [Option.none(), quiet]
    : [collected, Option.some({ until: now + interval, collected: Option.none() })]
}
