/**
 * What the decisions of a plan share.
 */
import type { Replication } from "../../Replication.js"
import type { Watcher } from "../../Watcher.js"
import type { ReplicaState } from "../destination/ReplicaState.js"
import type { Oddities } from "../report/Oddities.js"
import type { ChangeSet } from "./ChangeSet.js"
import type { Mapping } from "./Mapping.js"
import type * as SnapshotCheck from "./SnapshotCheck.js"

/** The services and settings that a decision needs beside the state. */
export interface Deciding {
  readonly replication: Replication
  readonly mapping: Mapping
  readonly watcher: Watcher["Type"]
  readonly check: SnapshotCheck.SnapshotCheck
  readonly oddities: Oddities
  readonly pass: SnapshotCheck.Pass
}

/** A plan in progress. */
export interface Draft {
  /** The state after the changes. */
  readonly state: ReplicaState
  /** The changes that are planned so far. */
  readonly changes: ChangeSet
}
