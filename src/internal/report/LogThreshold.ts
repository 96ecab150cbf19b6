/**
 * The least level that is logged. It can change while fibers run, unlike `currentMinimumLogLevel`, which a fiber keeps from its
 * begin.
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
  /** Changes the level for all fibers at once. */
  readonly change: (level: LogLevel.LogLevel) => Effect.Effect<void>
}

/** The threshold of a fiber. If undefined, the fiber has its `currentMinimumLogLevel`. */
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

/** A logger that drops lines below the threshold. */
export const at =
  (threshold: LogThreshold) =>
  <Message>(logger: Logger.Logger<Message, unknown>): Logger.Logger<Message, void> =>
    Logger.make((options) => {
      if (LogLevel.greaterThanEqual(options.logLevel, threshold.level())) logger.log(options)
    })

/** Drops the log lines of an effect that are below the threshold. */
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
