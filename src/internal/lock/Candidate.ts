/** An instance that stands for leadership: its session, and what keeps the session alive. */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ConsulError } from "../../ConsulError.js"
import type { Health } from "./Health.js"

export interface Candidate {
  /** What the instance is called in the status, and in Consul's catalog if it has a service there. */
  readonly id: string
  /** The node that the lock's value names. */
  readonly node: string
  /** The session that takes the lock. */
  readonly session: string
  /** Shows what the instance does by the check of its service, if it has one. */
  readonly report: (health: Health) => Effect.Effect<void>
}

/** Runs beside the candidate until the scope closes. Returns the reason for which the instance cannot lead any more. */
export type Supervise = (watch: Effect.Effect<string, ConsulError>) => Effect.Effect<void, never, Scope.Scope>

/** Stands until the scope closes. Only one candidate of a process stands for a lock at a time. */
export type Stand = (supervise: Supervise) => Effect.Effect<Candidate, ConsulError, Scope.Scope>
