/**
 * The sink of events: `emit` gives an event to the consumer in the context of its fiber. Services have no sink of their own:
 * `ReplicationEvent.layer` provides one to all effects that run with it.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import type { ReplicationEvent } from "../event/ReplicationEvent.js"
import * as EventText from "./EventText.js"
import { logsDebug } from "./LogThreshold.js"
import { NamesReplications } from "./NamesReplications.js"
import { OptionName } from "./OptionName.js"

export interface Consumer {
  /** Consumes an event. The fiber that emits the event waits for that. */
  readonly consume: (event: ReplicationEvent) => Effect.Effect<void>
  /**
   * Whether the consumer wants an event for each write request of a fiber. Such events cost time to make. It is no effect,
   * because it is called for each such request.
   */
  readonly wantsRequests: (fiber: Fiber.RuntimeFiber<unknown, unknown>) => boolean
}

type WithoutTime<Event> = Event extends unknown ? Omit<Event, "at"> : never

/** An event without its time. */
export type Happening = WithoutTime<ReplicationEvent>

const log = ({ level, text }: EventText.Line) => {
  switch (level) {
    case "Debug":
      return Effect.logDebug(text)
    case "Info":
      return Effect.logInfo(text)
    case "Warning":
      return Effect.logWarning(text)
  }
}

/** Logs an event, at a level of its own unless `level` is given. */
export const logEvent = (event: ReplicationEvent, level?: EventText.Line["level"]): Effect.Effect<void> =>
  Effect.flatMap(OptionName, (nameOf) =>
    Effect.flatMap(NamesReplications, (namesReplications) => {
      const line = EventText.lineOf(event, nameOf)
      if (line === undefined) return Effect.void
      const text = namesReplications() ? EventText.withRoute(event, line.text) : line.text
      return log({ level: level ?? line.level, text })
    })
  )

/** Logs each event by itself. The progress of a comparison is a debug line. */
const logEach: Consumer = {
  consume: (event) => logEvent(event, event._tag === "ComparisonProgressed" ? "Debug" : undefined),
  wantsRequests: logsDebug
}

/** The consumer of all events. Logs each by itself unless another is given. */
export class EventSink extends Context.Reference<EventSink>()("consul-replicate/internal/EventSink", {
  defaultValue: (): Consumer => logEach
}) {}

export const emit = (happening: Happening): Effect.Effect<void> =>
  Effect.flatMap(EventSink, ({ consume }) =>
    Effect.flatMap(Clock.currentTimeMillis, (at) => consume({ ...happening, at } as ReplicationEvent))
  )

/** Whether the consumer of a fiber wants an event for each of its write requests. */
export const wantsRequests: Consumer["wantsRequests"] = (fiber) =>
  Context.get(fiber.getFiberRef(FiberRef.currentContext), EventSink).wantsRequests(fiber)

/** Gives all events of an effect to a consumer, too: after the sink. */
export const observing =
  ({ consume }: Pick<Consumer, "consume">) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(EventSink, (sink) =>
      Effect.provideService(effect, EventSink, {
        consume: (event) => Effect.zipRight(sink.consume(event), consume(event)),
        wantsRequests: sink.wantsRequests
      })
    )
