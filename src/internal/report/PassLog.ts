/**
 * Logs passes: each at `debug`, and at `info` as {@link Summary} has it.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Monotonic from "../effect/Monotonic.js"
import * as Summary from "./Summary.js"

export interface PassLog {
  /** `line` is what is logged of this pass by itself. */
  readonly log: (pass: Summary.Passes, line: string) => Effect.Effect<void>
}

const plural = (n: number, noun: string, end = "s"): string => `${n} ${noun}${n === 1 ? "" : end}`

/** For a person, in the words of a single pass. */
export const format = ({ deletes, index, lag, passes, writes }: Summary.Passes): string =>
  `replicated ${plural(writes, "write")}, ${plural(deletes, "delete")} in ${plural(passes, "pass", "es")}, ` +
  `lag up to ${Math.round(lag)} ms (index ${index})`

/** What is collected when the scope closes is logged then. */
export const make: Effect.Effect<PassLog, never, Scope.Scope> = Effect.gen(function* () {
  let summary = Summary.quiet
  const busy = yield* Effect.makeLatch()

  const say = Option.match({
    onNone: () => Effect.void,
    onSome: (passes: Summary.Passes) => Effect.logInfo(format(passes))
  })

  /** Sleeps while it is quiet. */
  const collecting = Effect.gen(function* () {
    yield* busy.await
    for (;;) {
      const [until] = Option.toArray(Option.map(summary, ({ until }) => until))
      if (until === undefined) return yield* busy.close
      yield* Effect.sleep(Math.max(until - (yield* Monotonic.now), 1))
      const [passes, next] = Summary.due(summary, yield* Monotonic.now)
      summary = next
      yield* say(passes)
    }
  })
  yield* Effect.forkScoped(Effect.forever(collecting))
  yield* Effect.addFinalizer(() => say(Option.flatMap(summary, ({ collected }) => collected)))

  return {
    log: (pass, line) =>
      Effect.flatMap(Monotonic.now, (now) => {
        const [isFirst, next] = Summary.add(summary, now, pass)
        summary = next
        return isFirst ? Effect.zipRight(busy.open, Effect.logInfo(line)) : Effect.logDebug(line)
      })
  }
})
