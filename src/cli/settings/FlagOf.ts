/**
 * What to call a field that the library refuses: where it was given, or the option that gives it. The library knows nothing of
 * options.
 */
import type { InvalidOptions } from "../../InvalidOptions.js"
import { type Origin, shown } from "./Origin.js"
import { WrongUse } from "./WrongUse.js"

/** The names of the options that give the library's fields. */
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

/** The name of the field itself, if no option gives it. */
export const flagOf = (field: string): string => {
  const option = options[field]
  return option === undefined ? field : `-${option}`
}

/**
 * `origins` has where settings were given, by the names of their options. The destination of a prefix that names its own
 * datacenter is given where the datacenter is, and not by an option of its own.
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
