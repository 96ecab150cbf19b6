/**
 * The error of a leader that leads no more.
 */
import * as Data from "effect/Data"

/**
 * The lock is not ours any more, or can't be known to be; where it `isAwaited`, it was not ours yet, and what it was
 * awaited with is gone.
 *
 * @since 0.1.0
 * @category errors
 */
export class LockLost extends Data.TaggedError("LockLost")<{
  readonly lock: string
  readonly reason: string
  readonly isAwaited?: boolean
}> {
  override get message() {
    return `${this.isAwaited === true ? "cannot stand by for" : "lost"} the lock ${this.lock}: ${this.reason}`
  }
}
