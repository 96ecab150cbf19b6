/** An instance that stands for leadership, with its session. */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ConsulError } from "../../ConsulError.js"
import type { Health } from "./Health.js"

export interface Candidate {
  /** Id of the instance in the status, and in Consul's catalog if it has a service there. */
  readonly id: string
  /** The node that the lock's value names. */
  readonly node: string
  /** Id of the session that acquires the lock. */
  readonly session: string
  /** Shows a health by the check of the instance, if it has one. */
  readonly report: (health: Health) => Effect.Effect<void>
}

/** Runs `watch` until the scope closes. `watch` returns the reason as soon as the instance cannot lead any more. */
export type Supervise = (watch: Effect.Effect<string, ConsulError>) => Effect.Effect<void, never, Scope.Scope>

/** Stands until the scope closes. Only one candidate of a process stands for a lock at a time. */
export type Stand = (supervise: Supervise) => Effect.Effect<Candidate, ConsulError, Scope.Scope>
