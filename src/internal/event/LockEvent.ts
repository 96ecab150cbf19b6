/** What happens to an instance and its lock. */
import type { EventFields, Route } from "./Common.js"

/**
 * Fields of every event about a lock.
 *
 * @since 0.5.0
 * @category models
 */
export interface LockFields extends EventFields {
  /** Key of the lock. */
  readonly lock: string
  /** Name of the service whose instances stand for leadership. */
  readonly service: string
}

/**
 * Why an instance stands by:
 *
 * | reason      | is                                                                                        |
 * | ----------- | ----------------------------------------------------------------------------------------- |
 * | `Held`      | another instance holds the lock                                                           |
 * | `LockDelay` | the lock is free, and Consul refuses it for a while because of a session of another tool  |
 * | `LedHere`   | another use in this process leads by the lock                                             |
 * | `UsedHere`  | another use in this process uses `key`                                                    |
 *
 * @since 0.5.0
 * @category models
 */
export type StandingByReason = "Held" | "LockDelay" | "LedHere" | "UsedHere"

/**
 * Who holds a lock, as that instance wrote it into the lock.
 *
 * @since 0.5.0
 * @category models
 */
export interface LockHolder {
  /** Name of its Consul node. */
  readonly node: string
  /** Its process id there. */
  readonly pid: number
  /** Since when: ms since 1970. */
  readonly since: number
  /** What it leads for, in a line for people. */
  readonly purpose?: string | undefined
}

/**
 * An instance waits for its turn. Emitted again when another instance has taken the lock meanwhile.
 *
 * @since 0.5.0
 * @category lock
 */
export interface StandingBy extends LockFields {
  readonly _tag: "StandingBy"
  readonly reason: StandingByReason
  /** Who holds the lock, if that is known. */
  readonly holder?: LockHolder | undefined
  /** What this instance wants to lead for, in a line for people. */
  readonly purpose?: string | undefined
  /** The key that another use in this process uses. Only with `UsedHere`. */
  readonly key?: string | undefined
}

/**
 * An instance has taken the lock.
 *
 * @since 0.5.0
 * @category lock
 */
export interface Leading extends LockFields {
  readonly _tag: "Leading"
  /** Id of its service in Consul's catalog. */
  readonly instance: string
  /** The session that holds the lock. */
  readonly session: string
}

/**
 * A replication has stopped because the lock was lost, or because the session that waited for the lock has ended. The
 * instance stands for leadership again.
 *
 * @since 0.5.0
 * @category lock
 */
export interface LockLost extends LockFields {
  readonly _tag: "LockLost"
  readonly replication: Route
  /** Why, in a line for people. */
  readonly reason: string
  /** False if the instance was still waiting for the lock. */
  readonly wasHeld: boolean
}

/**
 * A leader gives the lock back.
 *
 * @since 0.5.0
 * @category lock
 */
export interface Resigned extends LockFields {
  readonly _tag: "Resigned"
  /** Id of its service in Consul's catalog. */
  readonly instance: string
}

/**
 * The servers let no session live for as short a time as the lock's session should (`session_ttl_min`).
 *
 * @since 0.5.0
 * @category lock
 */
export interface SessionTtlRaised extends LockFields {
  readonly _tag: "SessionTtlRaised"
  /** Whether the instance has no check, so that only the session's time to live ends the session of a leader that was killed. */
  readonly agentless: boolean
  /** Time to live of the lock's session from now on: ms. Consul lets a session live for up to twice as long. */
  readonly ttl: number
  /** That of before: ms. */
  readonly before: number
}

/**
 * The status names a session that is not that of an instance of this service: it is not ended.
 *
 * @since 0.5.0
 * @category lock
 */
export interface SessionLeftAlone extends LockFields {
  readonly _tag: "SessionLeftAlone"
  readonly replication: Route
  /** Id of the session. */
  readonly session: string
  /** Name of the session. */
  readonly name: string
}

/**
 * An address answers as different nodes. The check of an instance belongs to one agent, and the others refuse its heartbeats.
 *
 * @since 0.5.0
 * @category lock
 */
export interface AgentsDiffer extends EventFields {
  readonly _tag: "AgentsDiffer"
  /** Address of the agents. */
  readonly address: string
  /** Name of the node that answered first, and of the one that has answered now. */
  readonly nodes: readonly [string, string]
}

/**
 * A request has failed that nothing waits for: a heartbeat, the renewal of the session, a request on leaving, or the end of
 * the session of the leader before.
 *
 * @since 0.5.0
 * @category lock
 */
export interface RequestFailed extends EventFields {
  readonly _tag: "RequestFailed"
  readonly purpose: "heartbeat" | "renewal" | "leaving" | "predecessor"
  /** Tag of the error. */
  readonly cause: string
  /** What was tried, and what Consul answered. */
  readonly message: string
}

/**
 * @since 0.5.0
 * @category models
 */
export type LockEvent =
  | StandingBy
  | Leading
  | LockLost
  | Resigned
  | SessionTtlRaised
  | SessionLeftAlone
  | AgentsDiffer
  | RequestFailed
