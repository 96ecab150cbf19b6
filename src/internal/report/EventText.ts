/** The log line of each event. It names keys, and never values. */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as DeleteLimit from "../../DeleteLimit.js"
import type {
  ComparisonProgressed,
  DriftCounts,
  ReplicationEvent,
  SentOperation
} from "../event/ReplicationEvent.js"
import { count, listed, some } from "./Counts.js"
import { routeText } from "./RouteText.js"
import { recovered, trouble } from "./TroubleText.js"

/** A log line. */
export interface Line {
  readonly level: "Debug" | "Info" | "Warning"
  readonly text: string
}

type Tag = ReplicationEvent["_tag"]
type Event<T extends Tag> = Extract<ReplicationEvent, { readonly _tag: T }>

const debug = (text: string): Line => ({ level: "Debug", text })
const info = (text: string): Line => ({ level: "Info", text })
const warning = (text: string): Line => ({ level: "Warning", text })

/** The name of an option in a message, given its field. */
export type NameOf = (field: string) => string

/** The name of an option in a program that embeds the library. */
const asField: NameOf = (field) => field

type StandingBy = Omit<Event<"StandingBy">, "at">

const standingByFor = ({ holder, key, lock, reason }: StandingBy): string => {
  switch (reason) {
    case "LedHere":
      return `this process leads by ${lock} already; LeaderLock.shared lets several uses lead at the same time`
    case "UsedHere":
      return `this process uses ${key ?? "the same key"} already`
    case "LockDelay":
      return `another tool left a lock delay on ${lock}, which is free`
    case "Held":
      return holder === undefined
        ? `another instance holds ${lock}`
        : `${lock} is held by pid ${holder.pid} on ${holder.node} since ` +
            DateTime.formatIso(DateTime.unsafeMake(holder.since))
  }
}

/** The text of an instance that stands by. The check of its service shows it, too. */
export const standingBy = (event: StandingBy): string => `standing by: ${standingByFor(event)}`

const standingByLine = (event: Event<"StandingBy">, nameOf: NameOf): Line => {
  const { holder, purpose } = event
  const text = standingBy(event)
  const holderPurpose = holder?.purpose
  return purpose === undefined || holderPurpose === undefined || purpose === holderPurpose
    ? info(text)
    : warning(
        `${text} for ${holderPurpose}, not for ${purpose}: a lock serves one replication; give this one a ${nameOf("lock")} and a ` +
          `${nameOf("status")} of its own`
      )
}

const lockLost = ({ lock, reason, wasHeld }: Event<"LockLost">): string =>
  `${wasHeld ? "lost" : "cannot stand by for"} the lock ${lock}: ${reason}`

const twice = (ms: number): string => Duration.format(Duration.millis(2 * ms))

const sessionTtlRaised = ({ agentless, before, ttl }: Event<"SessionTtlRaised">): string =>
  `the servers let no session live for less than ${Duration.format(Duration.millis(ttl))} (session_ttl_min): ` +
  `${agentless ? "after a leader was killed" : "where an agent cannot report that its leader has ended"}, another one may ` +
  `take up to ${twice(ttl)} to follow, not ${twice(before)}`

const agentsDiffer = ({ address, nodes: [first, other] }: Event<"AgentsDiffer">, nameOf: NameOf): string =>
  `${address} answers as different nodes, ${first} and ${other}: the check of this instance belongs to one of them, and the ` +
  `others refuse its heartbeats; if several servers stand behind the address, give ${nameOf("agentless")}`

const sessionLeftAlone = ({ lock, name, service, session }: Event<"SessionLeftAlone">): string =>
  `the status names the session ${session} of ${JSON.stringify(name)}, which is no instance of ` +
  `${JSON.stringify(service)} for the lock ${lock}: it is left alone`

/** The front of the line about a failed request, by its purpose. */
const failedRequests = {
  heartbeat: "heartbeat: ",
  renewal: "renewal: ",
  leaving: "a request on leaving failed; what it was to end, Consul ends later: ",
  predecessor: ""
} as const

/** A limit, other than the present one, that allows `deletes`. */
const sufficientLimit = (present: DeleteLimit.DeleteLimit, deletes: number): number =>
  present._tag === "Count" ? Math.max(deletes, present.count + 1) : deletes

const deletesHeld = ({ keys, limit, replication, totalKeys }: Event<"DeletesHeld">, nameOf: NameOf): string =>
  `holding back the deletion of ${keys.size} of the ${count(totalKeys, "key")} under ` +
  `${JSON.stringify(replication.destinationPrefix)} (${some(keys)}; ${nameOf("maxDeletes")}=${DeleteLimit.format(limit)}): ` +
  `${replication.source} does not have them, or not for this token; if that is meant, delete them yourself, or ` +
  `restart all instances with ${nameOf("maxDeletes")}=${sufficientLimit(limit, keys.size)}`

const writesRefused = ({ refusals }: Event<"WritesRefused">): string =>
  `${count(refusals.length, "key")} did not land, all else does: ${listed(refusals.map(({ message }) => message))}; ` +
  "tried again when that changes at the source, and every minute"

const answersWrong = ({ keys, replication }: Event<"AnswersWrong">): string =>
  `${replication.source} answered without ${count(keys, "key")} that a consistent read then found: they stay`

/** The text of a condition that lasts, without the time that it has lasted. */
export const lasting = (
  event: Event<"AnswersWrong" | "DeletesHeld" | "Trouble" | "WritesRefused">,
  nameOf: NameOf = asField
): string => {
  switch (event._tag) {
    case "Trouble":
      return trouble(event)
    case "DeletesHeld":
      return deletesHeld(event, nameOf)
    case "WritesRefused":
      return writesRefused(event)
    case "AnswersWrong":
      return answersWrong(event)
  }
}

/** The line about a condition that has begun, or a reminder of it. Other events of the condition have none. */
const lastingLine = (event: Parameters<typeof lasting>[0], nameOf: NameOf): Line | undefined => {
  if (event.phase === "Again") return undefined
  const text = lasting(event, nameOf)
  const lasted = Duration.format(Duration.seconds(Math.round(event.lasted / 1_000)))
  return warning(event.phase === "Began" ? text : `still: ${text} (for ${lasted})`)
}

const over = (what: string): Line => info(`recovered: ${what}`)

/** The line about keys of the source that one event names. */
const namedOnce =
  (what: string) =>
  ({ isLast, keys }: Event<"KeysHidden" | "KeysNotUtf8" | "LocksNotCopied">): Line =>
    warning(
      `${count(keys.length, "key")} at the source (${some(keys)}) ${what}` +
        (isLast ? "; there are so many that no more are named" : "")
    )

const siblingsMatched = ({ keys, prefix, replication, side }: Event<"SiblingsMatched">): string =>
  `the ${side === "source" ? `prefix of ${replication.source}` : "destination prefix"} ${JSON.stringify(prefix)} does not ` +
  `end with a slash: it matches ${count(keys.length, "key")} ` +
  `whose ${keys.length === 1 ? "name goes" : "names go"} on after it (${some(keys)})`

const sourceEmpty = ({ isReadable, replication }: Event<"SourceEmpty">): string =>
  `${replication.source} has no keys under ${JSON.stringify(replication.prefix)}` +
  `${isReadable ? "" : ", or none that the token may read"}: nothing is copied until there are some; check the prefix`

/** The text of a silent source. The check of the leader's service shows it, too. */
export const sourceSilent = ({ limit, replication }: Event<"SourceSilent">): string =>
  `nothing has been heard of ${replication.source} for ${Duration.format(Duration.millis(limit))} or longer`

const waitShortened = ({ limit, source }: Event<"WaitShortened">): string =>
  `queries of the source ${source} are ended after about ${Duration.format(Duration.millis(limit))}, by its servers or by ` +
  "something in between; they wait for less from now on"

/** A name, cut to 100 characters. */
const shortened = (name: string): string =>
  JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name)

const nameNotCarried = ({ address, datacenter, key }: Event<"NameNotCarried">): string =>
  `paths of the Consul agent at ${address}${datacenter === undefined ? "" : ` for ${datacenter}`} do not carry names such ` +
  `as ${shortened(key)}: such keys are read and written by transactions`

const firstComparison = ({ deleted, overwritten, replication }: Event<"FirstComparison">): string => {
  const acts = [
    ["overwrites", overwritten],
    ["deletes", deleted]
  ] as const
  const texts = acts.flatMap(([act, keys]) =>
    keys.length === 0 ? [] : [`${act} ${count(keys.length, "key")} here (${some(keys)})`]
  )
  return `the first comparison of ${routeText(replication)} ${texts.join(" and ")}`
}

/** The line about the progress of a comparison. */
export const progress = ({ compared, elapsed, expectedKeys, writes }: ComparisonProgressed): string => {
  const rate = compared / Math.max(elapsed / 1_000, 0.001)
  const left = Math.ceil(Math.max(expectedKeys - compared, 0) / Math.max(rate, 1))
  return (
    `comparing: ${compared} of ${Math.max(expectedKeys, compared)} keys, ${writes} written, ` +
    `${Math.round(rate)} keys/s, about ${left} s left`
  )
}

const counts = ({ changed, extra, missing }: DriftCounts): string =>
  `${changed} changed, ${missing} missing, ${extra} extra`

const landed = (event: Event<"Applied" | "ComparisonDone">): string => {
  const { deletes, duration, inSync, index, replication, totalKeys, writes } = event
  const what = `${count(writes, "write")}, ${count(deletes, "delete")}`
  const took = `${Math.round(duration)} ms (index ${index})`
  const drift = event._tag === "ComparisonDone" ? `; found ${counts(event.drift)}` : ""
  return inSync
    ? `in sync: ${routeText(replication)}, ${count(totalKeys, "key")} after ${what} in ${took}${drift}`
    : `replicated ${what} in ${took}${drift}`
}

const driftFound = ({ changed, extra, missing, repaired }: Event<"DriftFound">): string => {
  const drift = { changed: changed.length, missing: missing.length, extra: extra.length }
  return `${repaired ? "repaired" : "found"} drift: ${counts(drift)} (${some([...changed, ...missing, ...extra])})`
}

const verbs = { write: "wrote", delete: "deleted", check: "checked" } as const

const operationsText = (operations: ReadonlyArray<SentOperation>): string => {
  const all = (["write", "delete", "check"] as const).flatMap((kind) => {
    const keys = operations.flatMap((operation) =>
      operation.kind === kind ? [JSON.stringify(operation.key)] : []
    )
    return keys.length === 0 ? [] : [`${verbs[kind]} ${keys.join(", ")}`]
  })
  return `${count(operations.length, "operation")}: ${all.join("; ")}`
}

const sent = (event: Event<"LargeValueSent" | "TransactionSent">): string => {
  const what =
    event._tag === "TransactionSent"
      ? `transaction of ${operationsText(event.operations)}`
      : `PUT of a large value: wrote ${JSON.stringify(event.key)}`
  const outcomes = {
    Landed: "landed",
    Failed: `failed: ${event.message ?? event.cause}`,
    Interrupted: "was interrupted"
  }
  return `${what}; ${outcomes[event.outcome]} after ${Math.round(event.duration)} ms`
}

type Lines = { readonly [T in Tag]: (event: Event<T>, nameOf: NameOf) => Line | undefined }

const lines: Lines = {
  StandingBy: standingByLine,
  Leading: ({ instance, lock }) => info(`leading: ${instance} holds ${lock}`),
  LockLost: (event) => warning(lockLost(event)),
  Resigned: ({ instance, lock }) => debug(`resigning: ${instance} gives ${lock} back`),
  SessionTtlRaised: (event) => warning(sessionTtlRaised(event)),
  SessionLeftAlone: (event) => warning(sessionLeftAlone(event)),
  AgentsDiffer: (event, nameOf) => warning(agentsDiffer(event, nameOf)),
  RequestFailed: ({ message, purpose }) => debug(failedRequests[purpose] + message),
  Trouble: lastingLine,
  TroubleOver: ({ subject }) => over(recovered(subject)),
  QueryBudgetChanged: ({ address, share }) =>
    debug(`watches of the agent at ${address} have ${Math.round(share * 100)}% of their queries`),
  WaitShortened: (event) => warning(waitShortened(event)),
  NameNotCarried: (event) => warning(nameNotCarried(event)),
  AgentAnswered: ({ address, datacenter }) => debug(`the agent at ${address} is in ${datacenter}`),
  ComparisonBegan: ({ replication, totalKeys }) =>
    debug(`comparing ${routeText(replication)}: ${count(totalKeys, "key")} here`),
  FirstComparison: (event) => warning(firstComparison(event)),
  ComparisonProgressed: (event) => info(progress(event)),
  ComparisonDone: (event) => info(landed(event)),
  Applied: (event) => info(landed(event)),
  DriftFound: (event) => info(driftFound(event)),
  TransactionSent: (event) => debug(sent(event)),
  LargeValueSent: (event) => debug(sent(event)),
  EventsLost: ({ count: lost }) =>
    warning(`${count(lost, "event")} came too fast for a subscriber, and are lost for it`),
  DeletesHeld: lastingLine,
  DeletesAllowed: () => over("no deletes are held back any more"),
  WritesRefused: lastingLine,
  WritesAccepted: () => over("no keys are refused any more"),
  LocksNotCopied: namedOnce("locked by a session: the value is copied, the lock is not"),
  KeysNotUtf8: namedOnce("not valid UTF-8: Consul's HTTP interface cannot name it, so it is not copied"),
  KeysHidden: namedOnce(
    "left out of its answers: the token may not read them there; they stay as they are here"
  ),
  SiblingsMatched: (event) => warning(siblingsMatched(event)),
  SourceEmpty: (event) => warning(sourceEmpty(event)),
  AnswersWrong: lastingLine,
  AnswersRight: ({ replication }) => over(`the answers of ${replication.source} hold again`),
  SourceSilent: (event) => warning(sourceSilent(event)),
  SourceHeard: ({ replication }) => over(`${replication.source} is heard again`)
}

/** The line of an event; undefined for an event that is not logged. */
export const lineOf = <T extends Tag>(event: Event<T>, nameOf: NameOf = asField): Line | undefined =>
  lines[event._tag as T](event, nameOf)

/** Puts the name of the event's replication in front of a line that does not have it. */
export const withRoute = (event: ReplicationEvent, text: string): string => {
  const name = "replication" in event && event.replication !== undefined ? routeText(event.replication) : ""
  return text.includes(name) ? text : `${name}: ${text}`
}
