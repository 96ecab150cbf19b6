/**
 * Collects log lines for tests, each as `LEVEL message`.
 *
 * @since 0.5.0
 */
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"

/**
 * @since 0.5.0
 * @category models
 */
export interface Logs {
  /** The lines so far. */
  readonly lines: ReadonlyArray<string>
  /** Collects the lines of an effect at level INFO and above. */
  readonly capture: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/**
 * @since 0.5.0
 * @category constructors
 */
export const make = (): Logs => {
  const lines: Array<string> = []
  const logger = Logger.make(({ logLevel, message }) => {
    if (LogLevel.lessThan(logLevel, LogLevel.Info)) return
    lines.push(`${logLevel.label} ${Array.isArray(message) ? message.join(" ") : String(message)}`)
  })
  return { lines, capture: (effect) => Effect.provide(effect, Logger.add(logger)) }
}
