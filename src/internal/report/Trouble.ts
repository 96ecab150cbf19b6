/** Outages of attempts that fail with an error and are made again. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Route, Subject } from "../event/ReplicationEvent.js"
import * as Outage from "./Outage.js"

/** One attempt that failed. */
export interface Attempt {
  /** Tag of the error. */
  readonly cause: string
  /** Message of the error. */
  readonly message: string
  /** The subject of the attempt, if it is not that of the trouble. */
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

/** Makes an effect that makes members of one trouble: see {@link Outage.shared}. */
export const shared = (
  subject: Subject
): Effect.Effect<Effect.Effect<Trouble, never, Scope.Scope>, never, Scope.Scope> =>
  Outage.shared(eventsOf(subject, undefined))

/** The fields of an error that show its cause. */
export interface Failure {
  readonly _tag: string
  readonly message: string
  /** The key that the error is about. */
  readonly key?: string
  /** The lock that the error is about. */
  readonly lock?: string
  /** The answer of Consul. */
  readonly reason?: string
  /** The method and the path of the request. */
  readonly request?: string
}

/** An address, an id, a time: a word with a digit in it. */
const varying = /[\w.:[\]-]*\d[\w.:[\]-]*/g

/** The kind of a failure: the same for all attempts that fail for one cause, whatever else varies between them. */
export const causeOf = ({ _tag, key = "", lock = "", reason = "", request = "" }: Failure): string => {
  switch (_tag) {
    // The reasons of one cause vary: refused, reset, timed out.
    case "Unreachable":
    case "UnexpectedAnswer":
      return _tag
    // The answer of Consul 1.8 does not name what is denied. A whole path would be another cause for each part of a prefix.
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
