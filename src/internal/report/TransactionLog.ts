/**
 * What is written to the destination, at `debug`: one line for each transaction and for each value that goes by a PUT of its
 * own. The lines name keys, and never values.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import * as LogLevel from "effect/LogLevel"
import type { Operation } from "../../Operation.js"

type Verb = "wrote" | "deleted" | "checked"

const verbOf = ({ _tag }: Operation): Verb => {
  switch (_tag) {
    case "Delete":
    case "DeleteCas":
      return "deleted"
    case "Get":
    case "GetTree":
    case "CheckIndex":
    case "CheckSession":
      return "checked"
    default:
      return "wrote"
  }
}

/** `3 operations: wrote "a", "b"; checked "c"`. Exported for tests. */
export const format = (operations: ReadonlyArray<Operation>): string => {
  const named = (verb: Verb) => {
    const keys = operations.filter((operation) => verbOf(operation) === verb)
    return keys.length === 0 ? [] : [`${verb} ${keys.map(({ key }) => JSON.stringify(key)).join(", ")}`]
  }
  const all = [...named("wrote"), ...named("deleted"), ...named("checked")].join("; ")
  return `${operations.length} operation${operations.length === 1 ? "" : "s"}: ${all}`
}

interface Failure {
  readonly message: string
}

/** Logs how a request ended that wrote `what`, which is made into text only for the log. */
const logged =
  (what: () => string) =>
  <A, E extends Failure, R>(request: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(FiberRef.get(FiberRef.currentMinimumLogLevel), (level) => {
      if (LogLevel.greaterThan(level, LogLevel.Debug)) return request
      return Effect.flatMap(Effect.timed(Effect.exit(request)), ([took, exit]) => {
        const answer = Exit.match(exit, {
          onSuccess: () => "landed",
          onFailure: (cause) => (cause._tag === "Fail" ? `failed: ${cause.error.message}` : "was interrupted")
        })
        const time = `${Math.round(Duration.toMillis(took))} ms`
        return Effect.zipRight(Effect.logDebug(`${what()}; ${answer} after ${time}`), exit)
      })
    })

export const ofTransaction = (operations: ReadonlyArray<Operation>) =>
  logged(() => `transaction of ${format(operations)}`)

export const ofPut = (key: string) => logged(() => `PUT of a large value: wrote ${JSON.stringify(key)}`)
