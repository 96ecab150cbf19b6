/** The outages of what is tried again and again, and fails with an error. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Route, Subject } from "../../ReplicationEvent.js"
import * as Outage from "./Outage.js"

/** One attempt that failed. */
export interface Attempt {
  /** Tag of its error. */
  readonly cause: string
  readonly message: string
  /** What it was about, if not the subject of the trouble itself. */
  readonly subject?: Subject | undefined
}

export type Trouble = Outage.Outage<Attempt>

export type OwnTrouble = Outage.OwnOutage<Attempt>

const eventsOf = (subject: Subject, replication: Route | undefined): Outage.Events<Attempt> => {
  const about = replication === undefined ? {} : { replication }
  return {
    lasts: ({ cause, message, subject: part }, lasting) => ({
      _tag: "Trouble",
      subject: part ?? subject,
      ...about,
      cause,
      message,
      ...lasting
    }),
    over: (lasted) => ({ _tag: "TroubleOver", subject, ...about, lasted })
  }
}

export const make = (subject: Subject, replication?: Route): Effect.Effect<OwnTrouble, never, Scope.Scope> =>
  Outage.make(eventsOf(subject, replication))

/** Makes troubles that are one to a reader: see {@link Outage.shared}. */
export const shared = (
  subject: Subject
): Effect.Effect<Effect.Effect<Trouble, never, Scope.Scope>, never, Scope.Scope> =>
  Outage.shared(eventsOf(subject, undefined))

/** What a failure has of its cause: what it is about, and what Consul answered to which request. */
export interface Failure {
  readonly _tag: string
  readonly message: string
  readonly key?: string
  readonly lock?: string
  readonly reason?: string
  readonly request?: string
}

/** An address, an id, a time: a word with a digit in it. */
const varying = /[\w.:[\]-]*\d[\w.:[\]-]*/g

/** Tells failures apart by their causes, and not by what varies from one attempt to the next. */
export const causeOf = ({ _tag, key = "", lock = "", reason = "", request = "" }: Failure): string => {
  switch (_tag) {
    // One cause has many words: refused, reset, timed out.
    case "Unreachable":
    case "UnexpectedAnswer":
      return _tag
    // Consul 1.8 does not say what is denied; the path would name each part of a prefix.
    case "Denied":
      return `${_tag} ${/^\w+ \/v1\/\w+/.exec(request)?.[0] ?? ""} ${reason.replace(varying, "#")}`
    default:
      return `${_tag} ${key} ${lock} ${reason.replace(varying, "#")}`
  }
}

/** Reports that an attempt failed. */
export const report = (
  trouble: Pick<Trouble, "report">,
  failure: Failure,
  subject?: Subject
): Effect.Effect<void> =>
  trouble.report(causeOf(failure), { cause: failure._tag, message: failure.message, subject })

/** Reports each failure of an effect, and resolves the trouble after each success. */
export const watching =
  (trouble: Trouble, subject?: Subject) =>
  <A, E extends Failure, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    effect.pipe(
      Effect.tapError((error) => report(trouble, error, subject)),
      Effect.zipLeft(trouble.resolve)
    )
