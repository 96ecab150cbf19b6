/**
 * Learns how long blocking queries may wait at a source: a balancer in between, or `limits` of its servers, may end them early.
 * The limit is learned from queries that were ended early, and a longer wait is tried from time to time.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Monotonic from "../effect/Monotonic.js"

export interface WaitLimit {
  /** How long the next query may wait, if it would wait for `wait` without a limit. */
  readonly next: (wait: Duration.Duration) => Effect.Effect<Duration.Duration>
  /** A query was ended after `waited`, before its own wait was over. */
  readonly ended: (waited: Duration.Duration) => Effect.Effect<void>
  /** A query waited for as long as it was to. */
  readonly lasted: (wait: Duration.Duration) => Effect.Effect<void>
}

/** The share of the shortest wait that was ended: the server may add a sixteenth to a wait, and the answer takes time too. */
const share = 0.8

/** The shortest limit: ms. A shorter wait would be little better than polling. */
const shortest = 1_000

/** The factor by which a query that tries a longer wait exceeds the limit. */
const growth = 1.5

/** Two queries were ended by the same limit if their waits differ by less than this share. */
const tolerance = 0.25

/** Until the limit was seen a second time, it is tried again soon (ms): one query can have been ended by a restart. */
const firstTry = 60_000

/** Afterwards one query in half an hour tries, and ever more seldom while it is ended again (ms). */
const laterTry = 30 * 60_000
const lastTry = 4 * 3_600_000

/** Queries that were ended at the same moment were ended by one event (ms). */
const moment = 1_000

/** `learned` is run when a limit has been seen twice. */
export const make = (learned: (limit: Duration.Duration) => Effect.Effect<void>): WaitLimit => {
  /** ms; none while every query lasts. */
  let limit: number | undefined
  let tryAt = Number.POSITIVE_INFINITY
  let tryAfter = firstTry
  let last: { readonly waited: number; readonly at: number } | undefined
  let isReported = false

  return {
    next: (wait) =>
      Effect.map(Monotonic.now, (now) => {
        const wanted = Duration.toMillis(wait)
        if (limit === undefined || wanted <= limit) return wait
        if (now < tryAt) return Duration.millis(limit)
        tryAt = now + tryAfter
        return Duration.millis(Math.round(Math.min(wanted, limit * growth)))
      }),
    ended: (waited) =>
      Effect.flatMap(Monotonic.now, (now) => {
        const ms = Duration.toMillis(waited)
        const isSame =
          last !== undefined &&
          now - last.at >= moment &&
          Math.abs(last.waited - ms) <= tolerance * Math.max(last.waited, ms)
        limit = Math.max(shortest, Math.min(limit ?? Number.POSITIVE_INFINITY, Math.round(ms * share)))
        if (isSame) tryAfter = tryAfter === firstTry ? laterTry : Math.min(lastTry, 2 * tryAfter)
        if (last === undefined || now - last.at >= moment) last = { waited: ms, at: now }
        tryAt = now + tryAfter
        if (!isSame || isReported) return Effect.void
        isReported = true
        return learned(waited)
      }),
    lasted: (wait) =>
      Effect.map(Monotonic.now, (now) => {
        if (limit === undefined || Duration.toMillis(wait) <= limit) return
        limit = Duration.toMillis(wait)
        tryAfter = firstTry
        tryAt = now + tryAfter
        if (limit < longest) return
        limit = undefined
        isReported = false
        last = undefined
      })
  }
}

/** No query of this program asks for a longer wait: ms. */
const longest = 180_000
