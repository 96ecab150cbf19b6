/** What a leader has. */
import type * as Effect from "effect/Effect"
import type { ConsulError } from "../../ConsulError.js"
import type { Operation } from "../../Operation.js"
import type { Fence } from "../destination/TransactionBatches.js"
import type { Health } from "./Health.js"
import type { LockLost } from "./LockLost.js"

/**
 * Held from the acquisition to the end of its scope.
 *
 * @since 0.1.0
 * @category models
 */
export interface Leadership {
  /** The id of its service in Consul's catalog; without an agent, what its session is called by. */
  readonly instance: string
  /**
   * Name of that service, also if it is registered nowhere.
   *
   * @since 0.5.0
   */
  readonly service: string
  /** What every transaction must carry. */
  readonly fence: Fence
  /** Never succeeds, and fails when the lock is lost. */
  readonly lost: Effect.Effect<never, LockLost>
  /**
   * Sets what the check is to show, {@link passing} until then. Heartbeats tell Consul when its servers have a leader. Without
   * an agent there is no check, and nothing is shown.
   */
  readonly report: (health: Health) => Effect.Effect<void>
  /**
   * Gives the session up. A use that ends calls this if a write that carries the session may still land. Under a {@link shared}
   * lock all uses lose the lock, and the session ends with the last of them. Without other uses this does nothing: the session ends
   * with the use.
   *
   * @since 0.5.0
   */
  readonly giveUp: (reason: string) => Effect.Effect<void>
  /**
   * Sets what is written when the leader gives the lock back, in one transaction with the lock's value: asked for then,
   * behind the fence, and once more after a conflict. It is not written when the lock was lost, when it fails, or when it
   * takes longer than a second: nothing may delay the next leader. Under a {@link shared} lock, a use that ends before the
   * others writes it then, in a transaction of its own.
   *
   * @since 0.5.0
   */
  readonly onResign: (operations: Effect.Effect<ReadonlyArray<Operation>, ConsulError>) => Effect.Effect<void>
}
