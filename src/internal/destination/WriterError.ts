/**
 * What a writer fails with: one error for each thing that the replicator does differently or tells a person.
 */
import * as Data from "effect/Data"
import type { ConsulError } from "../../ConsulError.js"
import type { LockLost } from "../../LeaderLock.js"
import type { SourceUnreadable } from "../plan/SourceUnreadable.js"
import type { StatusInUse } from "./StatusOwner.js"
import type { Limits } from "./TransactionBatches.js"

/**
 * Somebody else wrote the status key; what this writer knows of the destination may be out of date.
 */
export class CheckpointMoved extends Data.TaggedError("CheckpointMoved")<{ readonly key: string }> {
  override get message() {
    return `the status key ${this.key} was changed by somebody else`
  }
}

/**
 * Consul refused a transaction as too large; the next writer sends smaller ones.
 */
export class LimitLowered extends Data.TaggedError("LimitLowered")<{ readonly limits: Limits }> {
  override get message() {
    return `the destination takes smaller transactions: at most ${this.limits.operations} operations and ${this.limits.bytes} bytes from now on`
  }
}

/**
 * A change of a key that is not under the destination prefix, or of the lock or the status. Whatever made it is a mistake
 * of this program or an answer that should not have been believed.
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
