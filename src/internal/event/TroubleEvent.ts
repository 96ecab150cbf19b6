/** Events about attempts that fail and are made again. */
import type { EventFields, LastingFields, Route } from "./Common.js"

/**
 * The attempt that fails:
 *
 * | subject       | is                                                                                          |
 * | ------------- | ------------------------------------------------------------------------------------------- |
 * | `Agent`       | the destination's agent, before an instance can stand for leadership                        |
 * | `Leadership`  | registering a service and creating a session                                                |
 * | `Lock`        | reading or acquiring the lock                                                               |
 * | `Session`     | renewing the session of the lock                                                            |
 * | `Source`      | reading a source                                                                            |
 * | `Connections` | an agent that has no room for all blocking queries of a watch                               |
 * | `Rate`        | the destination, which limits the rate of requests                                          |
 * | `StatusOwner` | reading the lock of the instance that wrote the status                                      |
 * | `Replication` | applying changes: both sides are compared anew                                              |
 *
 * @since 0.5.0
 * @category models
 */
export type Subject =
  | {
      readonly _tag: "Agent"
      /** Address of the agent. */
      readonly address: string
    }
  | {
      readonly _tag: "Leadership"
      /** Key of the lock. */
      readonly lock: string
      /** Name of the service. */
      readonly service: string
    }
  | {
      readonly _tag: "Lock"
      /** Key of the lock. */
      readonly lock: string
      /** Name of the service. */
      readonly service: string
      /** What was tried. */
      readonly action: "read" | "acquire"
    }
  | {
      readonly _tag: "Session"
      /** Key of the lock. */
      readonly lock: string
      /** Name of the service. */
      readonly service: string
    }
  | {
      readonly _tag: "Source"
      /** Name of the source: its datacenter, the address of its agent, or both. */
      readonly source: string
    }
  | {
      readonly _tag: "Connections"
      /** Address of the agent. */
      readonly address: string
    }
  | {
      readonly _tag: "Rate"
      /** The requests that are limited. */
      readonly requests: "reads" | "writes"
    }
  | {
      readonly _tag: "StatusOwner"
      /** Key of the lock that the other instance holds. */
      readonly lock: string
    }
  | { readonly _tag: "Replication" }

/**
 * An attempt has failed and is made again, or trouble still lasts.
 *
 * @since 0.5.0
 * @category trouble
 */
export interface Trouble extends LastingFields {
  readonly _tag: "Trouble"
  /** The attempt that fails. */
  readonly subject: Subject
  /** The replication that is delayed, if the trouble is that of one. */
  readonly replication?: Route | undefined
  /** Tag of the latest error with this cause. */
  readonly cause: string
  /** Message of that error: what was tried, and what was answered. */
  readonly message: string
  /** How long there has been no success, from any cause, where the latest attempt has failed: ms. */
  readonly failingFor: number
}

/**
 * Attempts succeed again.
 *
 * @since 0.5.0
 * @category trouble
 */
export interface TroubleOver extends EventFields {
  readonly _tag: "TroubleOver"
  /** The attempt that succeeds again. */
  readonly subject: Subject
  /** The replication that goes on, if the trouble was that of one. */
  readonly replication?: Route | undefined
  /** How long the trouble lasted: ms. */
  readonly lasted: number
}

/**
 * The watches of an agent may have fewer or more blocking queries from now on.
 *
 * @since 0.5.0
 * @category trouble
 */
export interface QueryBudgetChanged extends EventFields {
  readonly _tag: "QueryBudgetChanged"
  /** Address of the agent. */
  readonly address: string
  /** The share of its queries that each watch may have now: from 0 to 1. */
  readonly share: number
}

/**
 * The servers of a source, or a proxy on the way, end blocking queries early. The queries wait for a shorter time from now on.
 *
 * @since 0.5.0
 * @category trouble
 */
export interface WaitShortened extends EventFields {
  readonly _tag: "WaitShortened"
  /** Name of the source: its datacenter, the address of its agent, or both. */
  readonly source: string
  /** About how long a query lasted before it was ended: ms. */
  readonly limit: number
}

/**
 * Paths of an agent cannot carry a name. Keys with such names are read and written by transactions from now on.
 *
 * @since 0.5.0
 * @category trouble
 */
export interface NameNotCarried extends EventFields {
  readonly _tag: "NameNotCarried"
  /** Address of the agent. */
  readonly address: string
  /** The datacenter that the request named, if that is not the agent's own. */
  readonly datacenter?: string | undefined
  /** The key, as the first of its kind. */
  readonly key: string
}

/**
 * @since 0.5.0
 * @category models
 */
export type TroubleEvent = Trouble | TroubleOver | QueryBudgetChanged | WaitShortened | NameNotCarried
