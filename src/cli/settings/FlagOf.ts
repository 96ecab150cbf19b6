/**
 * The place of a field that the library refuses: where it was given, or the option that sets it. The library has no options.
 */
import type { InvalidOptions } from "../../InvalidOptions.js"
import { type Origin, shown } from "./Origin.js"
import { WrongUse } from "./WrongUse.js"

/** The options that set the library's fields, without their dash. */
const options: Readonly<Record<string, string>> = {
  source: "src",
  sourceAgent: "src-addr",
  prefix: "prefix",
  destinationPrefix: "dst-prefix",
  exclude: "exclude",
  status: "status",
  deletes: "no-delete",
  maxDeletes: "max-deletes",
  reconcile: "reconcile",
  watchShards: "watch-shards",
  lock: "lock",
  service: "service",
  agentless: "agentless",
  sessionTtl: "session-ttl"
}

/** The option that sets a field, with its dash, or the name of the field if there is none. */
export const flagOf = (field: string): string => {
  const option = options[field]
  return option === undefined ? field : `-${option}`
}

/**
 * Makes the error of the command from an error of the library. `origins` are the places of settings, by the names of their
 * options. A prefix that names its own datacenter has its destination in the same text, so the message names no second option.
 */
export const wrongUse =
  (origins: ReadonlyMap<string, Origin>) =>
  ({ alternative, field, problem }: InvalidOptions): WrongUse => {
    const nameOf = (field: string): string => {
      const option = options[field]
      const origin = option === undefined ? undefined : origins.get(option)
      return option === undefined || origin === undefined ? flagOf(field) : shown(origin, option)
    }
    const subject = nameOf(field)
    if (alternative === undefined) return new WrongUse({ subject, problem })
    const other = nameOf(alternative) === subject ? "destination" : flagOf(alternative)
    return new WrongUse({ subject, problem: `${problem}, or another ${other}` })
  }
