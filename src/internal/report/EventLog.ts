/**
 * Log lines of events. Passes are logged each at `debug`, and at `info` as {@link Summary} has it; how far a comparison has
 * come, every five seconds.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Applied, ReplicationEvent, Route } from "../../ReplicationEvent.js"
import * as Monotonic from "../effect/Monotonic.js"
import { count } from "./Counts.js"
import { type Consumer, logEvent } from "./EventSink.js"
import { logsDebug } from "./LogThreshold.js"
import { NamesReplications } from "./NamesReplications.js"
import { routeText } from "./RouteText.js"
import * as Summary from "./Summary.js"

/** Between two lines about a comparison: ms. */
const progressInterval = 5_000

/** For a person, in the words of a single pass. */
export const format = ({ deletes, index, lag, passes, writes }: Summary.Passes): string =>
  `replicated ${count(writes, "write")}, ${count(deletes, "delete")} in ${count(passes, "pass", "es")}, ` +
  `lag up to ${Math.round(lag)} ms (index ${index})`

/** Decides how one replication's events are logged that come too often to be logged each. */
interface Pace {
  /** What a line about several passes begins with: the name of the replication, if it is not the only one. */
  name: string
  summary: Summary.Summary
  /** After how many ms of a comparison the next line about it is due. */
  progressDue: number
}

const passOf = ({ deletes, duration, index, writes }: Applied): Summary.Passes => ({
  writes,
  deletes,
  passes: 1,
  lag: duration,
  index
})

/** What is collected when the scope closes is logged then. `progress`: whether how far comparisons have come is logged. */
export const make = (options: { readonly progress: boolean }): Effect.Effect<Consumer, never, Scope.Scope> =>
  Effect.gen(function* () {
    /** By route. */
    const paces = new Map<string, Pace>()
    const busy = yield* Effect.makeLatch()

    const paceOf = (replication: Route): Pace => {
      const key = routeText(replication)
      const pace = paces.get(key) ?? { name: "", summary: Summary.quiet, progressDue: progressInterval }
      paces.set(key, pace)
      return pace
    }

    const logPasses = (name: string) =>
      Option.match({
        onNone: () => Effect.void,
        onSome: (passes: Summary.Passes) => Effect.logInfo(name + format(passes))
      })

    /** Logs what is due, and returns when the next line is: ms, monotonic. */
    const logDue = Effect.gen(function* () {
      const now = yield* Monotonic.now
      let next = Number.POSITIVE_INFINITY
      for (const pace of paces.values()) {
        const [passes, summary] = Summary.due(pace.summary, now)
        pace.summary = summary
        yield* logPasses(pace.name)(passes)
        if (Option.isSome(summary)) next = Math.min(next, summary.value.until)
      }
      return next
    })

    /** Sleeps while it is quiet. */
    const collecting = Effect.gen(function* () {
      yield* busy.await
      for (;;) {
        const next = yield* logDue
        if (next === Number.POSITIVE_INFINITY) return yield* busy.close
        yield* Effect.sleep(Math.max(next - (yield* Monotonic.now), 1))
      }
    })
    yield* Effect.forkScoped(Effect.forever(collecting))
    yield* Effect.addFinalizer(() =>
      Effect.forEach(
        paces.values(),
        ({ name, summary }) => logPasses(name)(Option.flatMap(summary, ({ collected }) => collected)),
        { discard: true }
      )
    )

    const logApplied = (event: Applied) =>
      Effect.gen(function* () {
        const now = yield* Monotonic.now
        const pace = paceOf(event.replication)
        pace.name = (yield* NamesReplications)() ? `${routeText(event.replication)}: ` : ""
        const [isFirst, next] = Summary.add(pace.summary, now, passOf(event))
        pace.summary = next
        yield* isFirst ? Effect.zipRight(busy.open, logEvent(event)) : logEvent(event, "Debug")
      })

    const consume = (event: ReplicationEvent): Effect.Effect<void> => {
      switch (event._tag) {
        case "Applied":
          return event.inSync ? logEvent(event) : logApplied(event)
        case "ComparisonProgressed": {
          const pace = paceOf(event.replication)
          if (!options.progress || event.elapsed < pace.progressDue) return Effect.void
          pace.progressDue = event.elapsed + progressInterval
          return logEvent(event)
        }
        case "ComparisonDone":
          paceOf(event.replication).progressDue = progressInterval
          return logEvent(event)
        case "ComparisonBegan":
          paceOf(event.replication).progressDue = progressInterval
          return logEvent(event)
        default:
          return logEvent(event)
      }
    }

    return { consume, wantsRequests: logsDebug }
  })
