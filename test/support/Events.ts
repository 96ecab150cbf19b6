/** Collects and selects events for the expectations of tests. */
import * as Effect from "effect/Effect"
import { observing } from "../../src/internal/report/EventSink.js"
import type { ReplicationEvent } from "../../src/ReplicationEvent.js"

export type Tag = ReplicationEvent["_tag"]

export type Event<T extends Tag> = Extract<ReplicationEvent, { readonly _tag: T }>

/** Recorded events. */
export interface Events {
  readonly events: ReadonlyArray<ReplicationEvent>
}

export interface Collector extends Events {
  /** Collects the events of an effect. */
  readonly collect: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

export const make = (): Collector => {
  const events: Array<ReplicationEvent> = []
  return {
    events,
    collect: observing({ consume: (event) => Effect.sync(() => void events.push(event)) })
  }
}

/** Events of one kind, in their order. */
export const of = <T extends Tag>({ events }: Events, tag: T): ReadonlyArray<Event<T>> =>
  events.filter((event): event is Event<T> => event._tag === tag)

/** The beginnings of troubles, without reminders and further attempts. */
export const troubles = (
  events: Events,
  subject?: Event<"Trouble">["subject"]["_tag"]
): ReadonlyArray<Event<"Trouble">> =>
  of(events, "Trouble").filter(
    (trouble) => trouble.phase === "Began" && (subject === undefined || trouble.subject._tag === subject)
  )

/** The ends of troubles. */
export const recovered = (
  events: Events,
  subject: Event<"Trouble">["subject"]["_tag"]
): ReadonlyArray<Event<"TroubleOver">> =>
  of(events, "TroubleOver").filter((over) => over.subject._tag === subject)

type Lasting = "AnswersWrong" | "DeletesHeld" | "Trouble" | "WritesRefused"

/** The beginnings of a lasting condition, one for each cause. */
export const began = <T extends Lasting>(events: Events, tag: T): ReadonlyArray<Event<T>> =>
  of<Lasting>(events, tag).filter((event): event is Event<T> => event.phase === "Began")

/** The passes that brought the destination in sync. */
export const inSync = ({ events }: Events): ReadonlyArray<Event<"Applied" | "ComparisonDone">> =>
  events.filter(
    (event): event is Event<"Applied" | "ComparisonDone"> =>
      (event._tag === "Applied" || event._tag === "ComparisonDone") && event.inSync
  )

/** All passes with changes, and all comparisons. */
export const passes = ({ events }: Events): ReadonlyArray<Event<"Applied" | "ComparisonDone">> =>
  events.filter(
    (event): event is Event<"Applied" | "ComparisonDone"> =>
      event._tag === "Applied" || event._tag === "ComparisonDone"
  )

/** The subjects and causes of troubles that have begun: `Source Unreachable`. */
export const causes = (events: Events): ReadonlyArray<string> =>
  troubles(events).map(({ cause, subject }) => `${subject._tag} ${cause}`)

/** Unusual events, which an operator would look at. */
export const odd = ({ events }: Events): ReadonlyArray<ReplicationEvent> => {
  const usual: ReadonlySet<Tag> = new Set([
    "StandingBy",
    "Leading",
    "Resigned",
    "RequestFailed",
    "AgentAnswered",
    "ComparisonBegan",
    "ComparisonProgressed",
    "ComparisonDone",
    "Applied",
    "TransactionSent",
    "LargeValueSent",
    "TroubleOver",
    "DeletesAllowed",
    "WritesAccepted",
    "AnswersRight",
    "SourceHeard"
  ])
  return events.filter((event) => !usual.has(event._tag) && !("phase" in event && event.phase !== "Began"))
}
