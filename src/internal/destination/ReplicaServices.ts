/**
 * The services that the passes of one replication share, for as long as the replication runs.
 */
import type { Replication } from "../../Replication.js"
import type * as Throttle from "../consul/Throttle.js"
import type { DeletesHeld, RefusedKey, Route } from "../event/ReplicationEvent.js"
import type { Mapping } from "../plan/Mapping.js"
import type * as Planner from "../plan/Planner.js"
import type * as SnapshotCheck from "../plan/SnapshotCheck.js"
import type * as Outage from "../report/Outage.js"

export interface ReplicaServices {
  readonly replication: Replication
  /** The replication in the events of the passes. */
  readonly about: { readonly replication: Route }
  readonly mapping: Mapping
  /** Reads of the destination. They wait while its agent limits the rate of requests. */
  readonly kv: ReturnType<typeof Throttle.reading>
  /** Reads the source again. */
  readonly check: SnapshotCheck.SnapshotCheck
  readonly planner: Planner.Planner
  /** Lasts while deletes are held. */
  readonly holding: Outage.OwnOutage<Pick<DeletesHeld, "keys" | "totalKeys">>
  /** Lasts while keys are refused. */
  readonly refusing: Outage.OwnOutage<ReadonlyArray<RefusedKey>>
}

/** The most keys that are read at the same time, each with a request of its own. */
export const readsAtOnce = 8
