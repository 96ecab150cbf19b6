/**
 * The errors of a writer: one for each case that the replicator handles in its own way, or that a person must know of.
 */
import * as Data from "effect/Data"
import type { ConsulError } from "../../ConsulError.js"
import type { LockLost } from "../../LeaderLock.js"
import type { SourceUnreadable } from "../plan/SourceUnreadable.js"
import type { StatusInUse } from "./StatusOwner.js"
import type { Limits } from "./TransactionBatches.js"

/**
 * Another writer wrote the status key, or a person did. The contents that this writer was opened with may be out of date.
 */
export class CheckpointMoved extends Data.TaggedError("CheckpointMoved")<{ readonly key: string }> {
  override get message() {
    return `the status key ${this.key} was changed by somebody else`
  }
}

/**
 * Consul refused a transaction as too large. The next writer sends smaller ones.
 */
export class LimitLowered extends Data.TaggedError("LimitLowered")<{ readonly limits: Limits }> {
  override get message() {
    return `the destination takes smaller transactions: at most ${this.limits.operations} operations and ${this.limits.bytes} bytes from now on`
  }
}

/**
 * A change of a key that is not under the destination prefix, or of the lock, or of the status. The cause is a mistake of this
 * program, or a wrong answer that was not recognised.
 */
export class KeyOutsidePrefix extends Data.TaggedError("KeyOutsidePrefix")<{
  readonly key: string
  readonly prefix: string
}> {
  override get message() {
    return `refusing to change ${JSON.stringify(this.key)}, which is not among the keys to replicate under ${JSON.stringify(this.prefix)}; nothing was changed`
  }
}

export type WriterError =
  | ConsulError
  | LockLost
  | CheckpointMoved
  | KeyOutsidePrefix
  | StatusInUse
  | SourceUnreadable
  | LimitLowered
