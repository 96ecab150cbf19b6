/**
 * Reasons why one key was left as it was at the destination. All other keys land.
 */
import * as Data from "effect/Data"
import { isDenial } from "../../ConsulError.js"

/**
 * A large value cannot be written while another session holds its key as a lock at the destination.
 */
export class KeyLocked extends Data.TaggedError("KeyLocked")<{ readonly key: string }> {
  override get message() {
    return `${JSON.stringify(this.key)} is locked by another session at the destination, and too large for a transaction`
  }
}

/**
 * A value is larger than the destination accepts. For a key that no path can carry, a transaction is the limit.
 */
export class KeyTooLarge extends Data.TaggedError("KeyTooLarge")<{
  readonly key: string
  readonly reason: string
}> {
  override get message() {
    return `the value of ${JSON.stringify(this.key)} is too large for the destination, see its limits.txn_max_req_len and limits.kv_max_value_size: ${this.reason}`
  }
}

/**
 * The destination refuses to write or to delete this key, but not other keys: the token lacks a right to it, or the destination
 * does not accept this key.
 */
export class KeyRefused extends Data.TaggedError("KeyRefused")<{
  readonly key: string
  readonly reason: string
}> {
  override get message() {
    const name = JSON.stringify(this.key)
    const advice = isDenial(this.reason) ? `; the token needs key ${name} { policy = "write" }` : ""
    return `${name} cannot be changed at the destination: ${this.reason}${advice}`
  }
}

/**
 * The source has this key, but its entry there cannot be copied. `reason` is what is wrong with the entry.
 */
export class KeyUnreadable extends Data.TaggedError("KeyUnreadable")<{
  readonly key: string
  readonly reason: string
}> {
  override get message() {
    return `what the source has for ${JSON.stringify(this.key)} cannot be copied: ${this.reason}`
  }
}

/** Why the destination does not accept the change of a key. */
export type Refusal = KeyLocked | KeyTooLarge | KeyRefused

/** Why a key did not land. */
export type Obstacle = Refusal | KeyUnreadable
