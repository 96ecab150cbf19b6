/**
 * The error of a leader that leads no more.
 */
import * as Data from "effect/Data"

/**
 * We no longer hold the lock, or can no longer be sure that we do. With `wasHeld: false` we were still waiting for it, and
 * the session to acquire it with has ended.
 *
 * @since 0.1.0
 * @category errors
 */
export class LockLost extends Data.TaggedError("LockLost")<{
  readonly lock: string
  readonly reason: string
  readonly wasHeld?: boolean
}> {
  override get message() {
    return `${this.wasHeld === false ? "cannot stand by for" : "lost"} the lock ${this.lock}: ${this.reason}`
  }
}
