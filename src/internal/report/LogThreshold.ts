/**
 * The least level that is logged, where it can change while fibers run: a fiber keeps the `currentMinimumLogLevel` with which
 * it began.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as HashSet from "effect/HashSet"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"

export interface LogThreshold {
  /** The least level that is logged now. */
  readonly level: () => LogLevel.LogLevel
  /** Holds for every fiber from now on. */
  readonly change: (level: LogLevel.LogLevel) => Effect.Effect<void>
}

/** The threshold of what runs; undefined: the `currentMinimumLogLevel` of each fiber. */
class Current extends Context.Reference<Current>()("consul-replicate/internal/LogThreshold", {
  defaultValue: (): LogThreshold | undefined => undefined
}) {}

export const make = (level: LogLevel.LogLevel): Effect.Effect<LogThreshold> =>
  Effect.sync(() => {
    let current = level
    return {
      level: () => current,
      change: (level) =>
        Effect.sync(() => {
          current = level
        })
    }
  })

/** A logger of what is at the threshold or above. */
export const at =
  (threshold: LogThreshold) =>
  <Message>(logger: Logger.Logger<Message, unknown>): Logger.Logger<Message, void> =>
    Logger.make((options) => {
      if (LogLevel.greaterThanEqual(options.logLevel, threshold.level())) logger.log(options)
    })

/** Logs what an effect logs only from the threshold on. */
export const under =
  (threshold: LogThreshold) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(FiberRef.get(FiberRef.currentLoggers), (loggers) =>
      effect.pipe(
        Effect.locally(FiberRef.currentLoggers, HashSet.map(loggers, at(threshold))),
        Logger.withMinimumLogLevel(LogLevel.All),
        Effect.provideService(Current, threshold)
      )
    )

/** Whether a fiber's debug lines are logged. */
export const logsDebug = (fiber: Fiber.RuntimeFiber<unknown, unknown>): boolean => {
  const threshold = Context.get(fiber.getFiberRef(FiberRef.currentContext), Current)
  const least = threshold?.level() ?? fiber.getFiberRef(FiberRef.currentMinimumLogLevel)
  return LogLevel.lessThanEqual(least, LogLevel.Debug)
}
