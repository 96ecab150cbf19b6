/**
 * The error of a leader that does not lead any more.
 */
import * as Data from "effect/Data"

/**
 * The instance does not hold the lock any more, or cannot be sure that it does.
 *
 * @since 0.1.0
 * @category errors
 */
export class LockLost extends Data.TaggedError("LockLost")<{
  /** Key of the lock. */
  readonly lock: string
  /** Why, in one line for people. */
  readonly reason: string
  /** False if the instance was still waiting for the lock, and the session to acquire it with has ended. True unless given. */
  readonly wasHeld?: boolean
}> {
  override get message() {
    return `${this.wasHeld === false ? "cannot stand by for" : "lost"} the lock ${this.lock}: ${this.reason}`
  }
}
