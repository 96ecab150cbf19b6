/**
 * A key/value entry exactly as Consul holds it.
 *
 * @since 0.1.0
 */
import type { Value } from "./Value.js"

/**
 * One key with its value. Indexes are Raft indexes of the datacenter that answered.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeyValue {
  readonly key: string
  /** The base64 text that Consul sent, never decoded and encoded again. `Value.toText` and `Value.toBytes` decode it. */
  readonly value: Value
  /** A uint64. */
  readonly flags: bigint
  /** The session that holds the key as a lock; none if no session does. */
  readonly session: string | undefined
  /** How many times the key was acquired as a lock. */
  readonly lockIndex: number
  /** Index of the write that created the key. */
  readonly createIndex: number
  /** Index of the last write. */
  readonly modifyIndex: number
}

/**
 * A key that exists, and whose entry is one that no Consul would answer.
 *
 * @since 0.5.0
 * @category models
 */
export interface Malformed {
  readonly key: string
  /** What is wrong with the entry. It does not have the value. */
  readonly reason: string
}

/**
 * The entries of a range, and the keys that exist and cannot be copied. A key in any of the three fields exists.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeyValues {
  readonly entries: ReadonlyArray<KeyValue>
  /**
   * Keys that are not valid UTF-8. Consul stores such keys, but its JSON replaces their bad bytes by U+FFFD, so that no request
   * can name them. Keys that really contain U+FFFD are not among them.
   */
  readonly invalidUtf8Keys: ReadonlyArray<string>
  /**
   * Keys whose entries no Consul would answer: their value is not base64, their flags are no uint64, or an index is no index.
   *
   * @since 0.5.0
   */
  readonly malformed: ReadonlyArray<Malformed>
}
