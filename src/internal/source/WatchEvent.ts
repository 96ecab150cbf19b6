/**
 * The events of a watch of a prefix.
 *
 * @since 0.5.0
 */
import * as Data from "effect/Data"
import type { KeyRange } from "../../KeyRange.js"
import type { KeyValue, KeyValues } from "../../KeyValue.js"

/**
 * All entries of a range at one moment: of the watched prefix, or of a part of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Snapshot extends KeyValues {
  readonly _tag: "Snapshot"
  /** The snapshot has all keys of this range. */
  readonly range: KeyRange
  /** Index of the range (`X-Consul-Index`). */
  readonly index: number
  /**
   * Whether the index of the range went backwards since the snapshot before: the datacenter was restored or rebuilt, or has
   * forgotten a delete, as Consul does after 15 minutes. The range was then read again, in `consistent` mode. The indexes of
   * earlier snapshots cannot be compared with that of this one.
   */
  readonly restarted: boolean
  /** About how many keys the watched prefix has. */
  readonly totalKeys: number
}

/**
 * Snapshots of all ranges were emitted up to an index.
 *
 * @since 0.5.0
 * @category models
 */
export interface CaughtUp {
  readonly _tag: "CaughtUp"
  /** Everything that changed under the watched prefix up to this index was emitted. */
  readonly index: number
  /** Names of all keys under the watched prefix at `index`, in any order. */
  readonly names: ReadonlyArray<string>
  /** Whether the prefix was divided in another way since the last `CaughtUp`: a deleted key may have been in a former range. */
  readonly layoutChanged: boolean
}

/**
 * @since 0.5.0
 * @category models
 */
export type WatchEvent = Snapshot | CaughtUp

/**
 * All keys of a prefix with their values. Keys are in the order of their UTF-16 code units.
 *
 * @since 0.5.0
 * @category models
 */
export interface Contents extends KeyValues {
  /** Everything that changed under the prefix up to this index (`X-Consul-Index`) is included. */
  readonly index: number
}

/**
 * One key was written or deleted, or exists at the beginning of the watch. A key that the token may no longer read looks deleted,
 * because Consul leaves it out of its answers: `Watcher.presence` shows the difference.
 *
 * @since 0.5.0
 * @category models
 */
export type KeyChange = Data.TaggedEnum<{
  Written: {
    readonly key: string
    /** The entry as it is now. Its `modifyIndex` is the index of the write. */
    readonly entry: KeyValue
  }
  Deleted: {
    readonly key: string
    /** The index at which the key was seen to be missing. It was deleted at this index or before. */
    readonly index: number
  }
}>

/**
 * @since 0.5.0
 * @category constructors
 */
export const KeyChange = Data.taggedEnum<KeyChange>()
