/** What goes wrong for a while, and is tried again until it succeeds. */
import type { EventFields, LastingFields, Route } from "./Common.js"

/**
 * What is in trouble:
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
      /** The source's datacenter, or the address of its agent. */
      readonly source: string
    }
  | {
      readonly _tag: "Connections"
      /** Address of the agent. */
      readonly address: string
    }
  | {
      readonly _tag: "Rate"
      readonly requests: "reads" | "writes"
    }
  | {
      readonly _tag: "StatusOwner"
      /** Key of the lock that the other instance holds. */
      readonly lock: string
    }
  | { readonly _tag: "Replication" }

/**
 * An attempt has failed, and another one follows; or trouble still lasts.
 *
 * @since 0.5.0
 * @category trouble
 */
export interface Trouble extends LastingFields {
  readonly _tag: "Trouble"
  readonly subject: Subject
  /** Which replication is held up, if the trouble is that of one. */
  readonly replication?: Route | undefined
  /** Tag of the latest error with this cause. */
  readonly cause: string
  /** The message of that error: what was tried, and what was answered. */
  readonly message: string
  /** How long no attempt has succeeded of the one that has just failed, from any cause: ms. */
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
  readonly subject: Subject
  /** Which replication goes on, if the trouble was that of one. */
  readonly replication?: Route | undefined
  /** How long the trouble lasted: ms. */
  readonly lasted: number
}

/**
 * The number of blocking queries that the watches of an agent may have has changed.
 *
 * @since 0.5.0
 * @category trouble
 */
export interface QueryBudgetChanged extends EventFields {
  readonly _tag: "QueryBudgetChanged"
  /** Address of the agent. */
  readonly address: string
  /** Share of its queries that each watch may have now: from 0 to 1. */
  readonly share: number
}

/**
 * Blocking queries of a source are ended early, by its servers or by something in between. They wait for less from now on.
 *
 * @since 0.5.0
 * @category trouble
 */
export interface WaitShortened extends EventFields {
  readonly _tag: "WaitShortened"
  /** The source's datacenter, or the address of its agent. */
  readonly source: string
  /** After how long a query was ended, about: ms. */
  readonly limit: number
}

/**
 * Paths of an agent do not carry a name. Keys with such names are read and written by transactions from now on.
 *
 * @since 0.5.0
 * @category trouble
 */
export interface NameNotCarried extends EventFields {
  readonly _tag: "NameNotCarried"
  /** Address of the agent. */
  readonly address: string
  /** The datacenter that the agent was asked for, if that is not its own. */
  readonly datacenter?: string | undefined
  /** The first name of its kind. */
  readonly key: string
}

/**
 * @since 0.5.0
 * @category models
 */
export type TroubleEvent = Trouble | TroubleOver | QueryBudgetChanged | WaitShortened | NameNotCarried
