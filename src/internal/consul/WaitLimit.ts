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

/** No query of this program asks for a longer wait: ms. */
const longest = 180_000

/** What queries that were ended early have shown. */
interface State {
  /** Runs when a limit has been seen twice. */
  readonly learned: (limit: Duration.Duration) => Effect.Effect<void>
  /** The longest wait of a query that does not try a longer one: ms. Undefined while every query lasts. */
  limit: number | undefined
  /** When a query may try a longer wait: ms, monotonic. */
  tryAt: number
  /** The time from a query that tried a longer wait, or was ended, until the next one may try: ms. */
  tryAfter: number
  /** The last query that was ended, without those that were ended at the same moment after it. */
  last: EndedQuery | undefined
  /** Whether `learned` was run for this limit. */
  isReported: boolean
}

/** A query that was ended before its own wait was over. */
interface EndedQuery {
  /** How long it had waited: ms. */
  readonly waited: number
  /** When it was ended: ms, monotonic. */
  readonly at: number
}

const next = (state: State, wait: Duration.Duration, now: number): Duration.Duration => {
  const { limit, tryAfter, tryAt } = state
  const wanted = Duration.toMillis(wait)
  if (limit === undefined || wanted <= limit) return wait
  if (now < tryAt) return Duration.millis(limit)
  state.tryAt = now + tryAfter
  return Duration.millis(Math.round(Math.min(wanted, limit * growth)))
}

/** Whether a query was ended by the same limit as the last one, and not by the same event. */
const isSameLimit = ({ last }: State, waited: number, now: number): boolean =>
  last !== undefined &&
  now - last.at >= moment &&
  Math.abs(last.waited - waited) <= tolerance * Math.max(last.waited, waited)

const lower = (state: State, wait: Duration.Duration, now: number): Effect.Effect<void> => {
  const { last, learned, limit, tryAfter } = state
  const waited = Duration.toMillis(wait)
  const isSame = isSameLimit(state, waited, now)
  state.limit = Math.max(shortest, Math.min(limit ?? Number.POSITIVE_INFINITY, Math.round(waited * share)))
  if (isSame) state.tryAfter = tryAfter === firstTry ? laterTry : Math.min(lastTry, 2 * tryAfter)
  if (last === undefined || now - last.at >= moment) state.last = { waited, at: now }
  state.tryAt = now + state.tryAfter
  if (!isSame || state.isReported) return Effect.void
  state.isReported = true
  return learned(wait)
}

const raise = (state: State, wait: Duration.Duration, now: number): void => {
  const waited = Duration.toMillis(wait)
  if (state.limit === undefined || waited <= state.limit) return
  state.limit = waited
  state.tryAfter = firstTry
  state.tryAt = now + firstTry
  if (waited < longest) return
  state.limit = undefined
  state.isReported = false
  state.last = undefined
}

/** `learned` is run when a limit has been seen twice. */
export const make = (learned: State["learned"]): WaitLimit => {
  const state: State = {
    learned,
    limit: undefined,
    tryAt: Number.POSITIVE_INFINITY,
    tryAfter: firstTry,
    last: undefined,
    isReported: false
  }
  return {
    next: (wait) => Effect.map(Monotonic.now, (now) => next(state, wait, now)),
    ended: (waited) => Effect.flatMap(Monotonic.now, (now) => lower(state, waited, now)),
    lasted: (wait) => Effect.map(Monotonic.now, (now) => raise(state, wait, now))
  }
}
