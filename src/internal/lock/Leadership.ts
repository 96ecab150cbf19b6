/** One leadership, as its use sees it. */
import type * as Effect from "effect/Effect"
import type { ConsulError } from "../../ConsulError.js"
import type { Operation } from "../../Operation.js"
import type { Fence } from "../destination/TransactionBatches.js"
import type { Health } from "./Health.js"
import type { LockLost } from "./LockLost.js"

/**
 * A leadership lasts from the acquisition of the lock to the end of its scope.
 *
 * @since 0.1.0
 * @category models
 */
export interface Leadership {
  /** Id of the instance's service in Consul's catalog. Without an agent, the name of the session begins with it. */
  readonly instance: string
  /**
   * Name of the service whose instances stand for leadership, also if they are registered nowhere.
   *
   * @since 0.5.0
   */
  readonly service: string
  /** The proof of leadership that every transaction must begin with. */
  readonly fence: Fence
  /** Never succeeds, and fails when the lock is lost. */
  readonly lost: Effect.Effect<never, LockLost>
  /**
   * Sets the health that the check shows; it is {@link passing} before that. The agent is sent a new health when its servers
   * have a leader. Without an agent there is no check, and this does nothing.
   */
  readonly report: (health: Health) => Effect.Effect<void>
  /**
   * Gives the session up, with a reason for people. A use that ends calls this if a write that carries the session may still
   * land. Under a {@link shared} lock all uses lose the lock, and the session ends with the last of them. Under a lock of one
   * use this does nothing: the session ends with the use.
   *
   * @since 0.5.0
   */
  readonly giveUp: (reason: string) => Effect.Effect<void>
  /**
   * Sets the last operations of the use. `operations` runs when the leader gives the lock back, and one transaction writes
   * them behind the fence with the lock's value. After a conflict that is done once more. Nothing is written if the lock was
   * lost, or after a failure or one second: the next leader waits. Under a {@link shared} lock, a use that ends before the
   * others writes its operations in a transaction of its own.
   *
   * @since 0.5.0
   */
  readonly onResign: (operations: Effect.Effect<ReadonlyArray<Operation>, ConsulError>) => Effect.Effect<void>
}
