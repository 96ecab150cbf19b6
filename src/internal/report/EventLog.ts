/**
 * Log lines of events. Passes are logged each at `debug`, and summed up at `info` by {@link Summary}. The progress of a
 * comparison is logged every five seconds.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Monotonic from "../effect/Monotonic.js"
import type { Applied, ReplicationEvent, Route } from "../event/ReplicationEvent.js"
import { count } from "./Counts.js"
import { type Consumer, logEvent } from "./EventSink.js"
import { logsDebug } from "./LogThreshold.js"
import { NamesReplications } from "./NamesReplications.js"
import { routeText } from "./RouteText.js"
import * as Summary from "./Summary.js"

/** The time between two lines about the progress of a comparison: ms. */
const progressInterval = 5_000

/** The line about several passes, in the words of the line about one. */
export const format = ({ deletes, index, lag, passes, writes }: Summary.Passes): string =>
  `replicated ${count(writes, "write")}, ${count(deletes, "delete")} in ${count(passes, "pass", "es")}, ` +
  `lag up to ${Math.round(lag)} ms (index ${index})`

/** The state of one replication, whose passes and progress come too often to be logged each. */
interface Pace {
  /** The front of a line about several passes: the name of the replication, or empty if it is the only one. */
  name: string
  /** The passes that the next line sums up. */
  summary: Summary.Summary
  /** When the next line about a comparison is due: ms since the comparison began. */
  progressDue: number
}

const passOf = ({ deletes, duration, index, writes }: Applied): Summary.Passes => ({
  writes,
  deletes,
  passes: 1,
  lag: duration,
  index
})

export interface Options {
  /** Whether the progress of comparisons is logged. */
  readonly progress: boolean
}

/** The state of one consumer. */
interface State extends Options {
  /** The state of each replication, by its route. */
  readonly paces: Map<string, Pace>
  /** Open from the first pass after a quiet time until it is quiet again. */
  readonly busy: Effect.Latch
}

const paceOf = ({ paces }: State, replication: Route): Pace => {
  const key = routeText(replication)
  const pace = paces.get(key) ?? { name: "", summary: Summary.quiet, progressDue: progressInterval }
  paces.set(key, pace)
  return pace
}

const logPasses = (name: string, passes: Option.Option<Summary.Passes>): Effect.Effect<void> =>
  Option.match(passes, {
    onNone: () => Effect.void,
    onSome: (passes) => Effect.logInfo(name + format(passes))
  })

/** Logs the summaries that are due, and returns when the next one is: ms, monotonic. */
const logDue = ({ paces }: State): Effect.Effect<number> =>
  Effect.gen(function* () {
    const now = yield* Monotonic.now
    let next = Number.POSITIVE_INFINITY
    for (const pace of paces.values()) {
      const [passes, summary] = Summary.due(pace.summary, now)
      pace.summary = summary
      yield* logPasses(pace.name, passes)
      if (Option.isSome(summary)) next = Math.min(next, summary.value.until)
    }
    return next
  })

/** Waits for the next pass, and logs summaries while passes follow one another. */
const collect = (state: State): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { busy } = state
    yield* busy.await
    for (;;) {
      const next = yield* logDue(state)
      if (next === Number.POSITIVE_INFINITY) {
        yield* busy.close
        return
      }
      yield* Effect.sleep(Math.max(next - (yield* Monotonic.now), 1))
    }
  })

/** Logs the passes that are not summed up yet. */
const logRest = ({ paces }: State): Effect.Effect<void> =>
  Effect.forEach(
    paces.values(),
    ({ name, summary }) =>
      logPasses(
        name,
        Option.flatMap(summary, ({ collected }) => collected)
      ),
    { discard: true }
  )

/** Logs the first pass after a pause at `info`. Those that follow it are collected for a summary. */
const logApplied = (state: State, event: Applied): Effect.Effect<void> =>
  Effect.gen(function* () {
    const now = yield* Monotonic.now
    const pace = paceOf(state, event.replication)
    pace.name = (yield* NamesReplications)() ? `${routeText(event.replication)}: ` : ""
    const [isFirst, next] = Summary.add(pace.summary, now, passOf(event))
    pace.summary = next
    yield* isFirst ? Effect.zipRight(state.busy.open, logEvent(event)) : logEvent(event, "Debug")
  })

const consume = (state: State, event: ReplicationEvent): Effect.Effect<void> => {
  switch (event._tag) {
    case "Applied":
      return event.inSync ? logEvent(event) : logApplied(state, event)
    case "ComparisonProgressed": {
      const pace = paceOf(state, event.replication)
      if (!state.progress || event.elapsed < pace.progressDue) return Effect.void
      pace.progressDue = event.elapsed + progressInterval
      return logEvent(event)
    }
    case "ComparisonBegan":
    case "ComparisonDone":
      paceOf(state, event.replication).progressDue = progressInterval
      return logEvent(event)
    default:
      return logEvent(event)
  }
}

/** Makes a consumer that logs events. It logs the passes that it has not yet summed up when the scope closes. */
export const make = (options: Options): Effect.Effect<Consumer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const state: State = { ...options, paces: new Map(), busy: yield* Effect.makeLatch() }
    yield* Effect.forkScoped(Effect.forever(collect(state)))
    yield* Effect.addFinalizer(() => logRest(state))
    return { consume: (event) => consume(state, event), wantsRequests: logsDebug }
  })
