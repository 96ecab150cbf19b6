/** The text of trouble in log lines, in the output of the check, and for `-timeout`. */
import type { ReplicationEvent } from "../event/ReplicationEvent.js"

type Trouble = Extract<ReplicationEvent, { readonly _tag: "Trouble" }>

/** The line about trouble that has begun. */
export const trouble = ({ message, subject }: Pick<Trouble, "message" | "subject">): string => {
  switch (subject._tag) {
    case "Agent":
      return `waiting for the agent: ${message}`
    case "Leadership":
      return `cannot stand for leadership: ${message}`
    case "Lock":
      return `cannot ${subject.action} the lock ${subject.lock}: ${message}`
    case "Session":
      return `cannot renew the session of the lock: ${message}`
    case "Source":
      return `waiting for the source ${subject.source}: ${message}`
    case "Connections":
      return `watching with fewer queries: ${message}`
    case "Rate":
      return `${message}: ${subject.requests} are sent again, and more slowly`
    case "StatusOwner":
      return `cannot read the lock ${subject.lock}, whose holder wrote the status: ${message}`
    case "Replication":
      return `replication is held up: ${message}`
  }
}

/** The line about trouble that is over. */
export const recovered = (subject: Trouble["subject"]): string => {
  switch (subject._tag) {
    case "Agent":
      return `the agent at ${subject.address} can be used`
    case "Leadership":
      return "this instance can stand for leadership"
    case "Lock":
      return `the lock ${subject.lock} can be used`
    case "Session":
      return "the session of the lock is renewed"
    case "Source":
      return `the source ${subject.source} can be read`
    case "Connections":
      return `the agent at ${subject.address} has room for all queries that there may be`
    case "Rate":
      return `the destination does not limit the rate of ${subject.requests} any more`
    case "StatusOwner":
      return `the lock ${subject.lock} can be read`
    case "Replication":
      return "replication goes on"
  }
}
