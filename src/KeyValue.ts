/**
 * A key/value entry exactly as Consul holds it.
 *
 * @since 0.1.0
 */
import type { Value } from "./Value.js"

/**
 * `value` is the base64 text that Consul sent, never decoded and encoded again: `Value.toText` and `Value.toBytes` decode
 * it. `flags` is a uint64. `session` is
 * the session that holds the key as a lock. Indexes are Raft indexes of the datacenter that answered.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeyValue {
  readonly key: string
  readonly value: Value
  readonly flags: bigint
  readonly session: string | undefined
  readonly lockIndex: number
  readonly createIndex: number
  readonly modifyIndex: number
}

/**
 * A key of the source or destination that is there, and whose entry cannot be believed; `reason` says why, without the
 * value.
 *
 * @since 0.5.0
 * @category models
 */
export interface Malformed {
  readonly key: string
  readonly reason: string
}

/**
 * The entries of a range, and the keys that are there and cannot be copied. A key in any of the three is not absent.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeyValues {
  readonly entries: ReadonlyArray<KeyValue>
  /**
   * Keys that are not valid UTF-8. Consul stores such keys but its JSON replaces their bad bytes by U+FFFD, so that no
   * client can tell what they are called; they are kept apart from keys that really contain U+FFFD, and are good for a
   * message only.
   */
  readonly invalidUtf8Keys: ReadonlyArray<string>
  /**
   * Keys whose entries no Consul would answer so: a value that is not base64, flags that are no uint64, an index that is
   * none.
   *
   * @since 0.5.0
   */
  readonly malformed: ReadonlyArray<Malformed>
}
