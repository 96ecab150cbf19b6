/** Events about an instance and its lock. */
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
 * | `UsedHere`  | another use in this process has the same `exclusive` key                                   |
 *
 * @since 0.5.0
 * @category models
 */
export type StandingByReason = "Held" | "LockDelay" | "LedHere" | "UsedHere"

/**
 * The instance that holds a lock, as it described itself in the lock's value.
 *
 * @since 0.5.0
 * @category models
 */
export interface LockHolder {
  /** Name of its Consul node. */
  readonly node: string
  /** Its process id there. */
  readonly pid: number
  /** When it acquired the lock: ms since 1970. */
  readonly since: number
  /** What it does while it leads, in one line for people. */
  readonly purpose?: string | undefined
}

/**
 * An instance waits for the lock. Emitted again when another instance has acquired the lock meanwhile.
 *
 * @since 0.5.0
 * @category lock
 */
export interface StandingBy extends LockFields {
  readonly _tag: "StandingBy"
  /** Why the instance waits. */
  readonly reason: StandingByReason
  /** The instance that holds the lock, if the lock's value describes it. */
  readonly holder?: LockHolder | undefined
  /** What this instance will do when it leads, in one line for people. */
  readonly purpose?: string | undefined
  /** The `exclusive` key of both uses. Only with `UsedHere`. */
  readonly key?: string | undefined
}

/**
 * An instance has acquired the lock.
 *
 * @since 0.5.0
 * @category lock
 */
export interface Leading extends LockFields {
  readonly _tag: "Leading"
  /** Id of the instance's service in Consul's catalog; as in `Leadership` without an agent. */
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
  /** The replication that has stopped. */
  readonly replication: Route
  /** Why, in one line for people. */
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
  /** Id of the instance's service in Consul's catalog; as in `Leadership` without an agent. */
  readonly instance: string
}

/**
 * The servers refuse the time to live of the lock's session as too short (`session_ttl_min`). The session gets a longer one.
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
  /** Time to live that the servers refused: ms. */
  readonly before: number
}

/**
 * The status names a session that is not one of an instance of this service for this lock. The session is not ended.
 *
 * @since 0.5.0
 * @category lock
 */
export interface SessionLeftAlone extends LockFields {
  readonly _tag: "SessionLeftAlone"
  /** The replication whose status it is. */
  readonly replication: Route
  /** Id of the session. */
  readonly session: string
  /** Name of the session. */
  readonly name: string
}

/**
 * Agents of different nodes answer at one address. The check of an instance belongs to one agent, and the others refuse its
 * heartbeats.
 *
 * @since 0.5.0
 * @category lock
 */
export interface AgentsDiffer extends EventFields {
  readonly _tag: "AgentsDiffer"
  /** Address of the agents. */
  readonly address: string
  /** Name of the node that answered first, and of the node that has answered now. */
  readonly nodes: readonly [string, string]
}

/**
 * A request has failed whose failure stops nothing.
 *
 * @since 0.5.0
 * @category lock
 */
export interface RequestFailed extends EventFields {
  readonly _tag: "RequestFailed"
  /**
   * The request: a heartbeat of the check, a renewal of the session, one that an instance sends when it leaves, or one that ends
   * the session of the leader before.
   */
  readonly purpose: "heartbeat" | "renewal" | "leaving" | "predecessor"
  /** Tag of the error. */
  readonly cause: string
  /** The message of the error: what was tried, and what Consul answered. */
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
