/**
 * The destination as its leader knows it, and the only way to change it: a pass makes the destination equal to snapshots of the
 * source. A doubtful snapshot is confirmed first. Deletes beyond the limit are held. A key that the destination refuses is left
 * out, and tried again.
 */

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Checkpoint } from "../../Checkpoint.js"
import { ConsulHttp } from "../../ConsulHttp.js"
import { LeaderLock, type Leadership } from "../../LeaderLock.js"
import type { Replication } from "../../Replication.js"
import type { DeletesHeld, RefusedKey } from "../../ReplicationEvent.js"
import type { Watcher } from "../../Watcher.js"
import * as Throttle from "../consul/Throttle.js"
import * as Monotonic from "../effect/Monotonic.js"
import * as DestinationIndex from "../plan/DestinationIndex.js"
import * as Diff from "../plan/Diff.js"
import * as EmptySource from "../plan/EmptySource.js"
import * as Exclusion from "../plan/Exclusion.js"
import * as FirstComparison from "../plan/FirstComparison.js"
import type { Mapping } from "../plan/Mapping.js"
import * as Planner from "../plan/Planner.js"
import * as SnapshotCheck from "../plan/SnapshotCheck.js"
import { emit } from "../report/EventSink.js"
import * as Oddities from "../report/Oddities.js"
import * as Outage from "../report/Outage.js"
import { routeOf } from "../report/Route.js"
import type { Batch } from "../source/Batch.js"
import { applyPlan } from "./ApplyPlan.js"
import * as Comparing from "./Comparing.js"
import * as DriftScan from "./DriftScan.js"
import * as FencedWriter from "./FencedWriter.js"
import * as RefusedKeys from "./RefusedKeys.js"
import { type Repaired, repair } from "./Repair.js"
import type { ReplicaServices } from "./ReplicaServices.js"
import { type ReplicaState, uncompared } from "./ReplicaState.js"

/**
 * The passes. Each pass gets the state and returns the next one. After a failure any of the changes may have landed or not: take
 * over again. Only one pass may run at a time.
 */
export interface Replica {
  /** Opens a writer, which voids transactions of the writer before. */
  readonly open: (leader: Leadership) => Effect.Effect<FencedWriter.FencedWriter, FencedWriter.WriterError>
  /** Reads all keys of the destination. The writer must have written nothing yet. */
  readonly takeOver: (
    leader: Leadership,
    writer: FencedWriter.FencedWriter
  ) => Effect.Effect<ReplicaState, FencedWriter.WriterError>
  /**
   * Makes the destination equal to the source in full: applies the events of the watcher that come `next`, until every range was
   * read. Runs `start`, which takes the destination over, when the first of them have come. Fails also as both do.
   */
  readonly compare: <E, E2>(
    start: Effect.Effect<ReplicaState, E>,
    next: Effect.Effect<Batch, E2>
  ) => Effect.Effect<ReplicaState, FencedWriter.WriterError | E | E2>
  /** Makes the destination equal to the snapshots in events of the watcher. The replica was compared before. */
  readonly applyEvents: (
    replica: ReplicaState,
    events: Batch
  ) => Effect.Effect<ReplicaState, FencedWriter.WriterError>
  /**
   * Scans the destination for drift, tries refused keys again, and makes the drifted ranges and these keys equal to the source. A
   * call does some of the work: {@link workLeft} returns the rest. Do the rest after other passes had their turn.
   */
  readonly reconcile: (
    replica: ReplicaState,
    work: Work
  ) => Effect.Effect<ReplicaState, FencedWriter.WriterError>
  /** Ends the outages without an event: this instance does not lead any more. */
  readonly leave: Effect.Effect<void>
}

/** The work of a reconcile. */
export interface Work {
  /** Whether it scans the destination for drift. */
  readonly scan: boolean
  /** Whether it tries refused keys again. */
  readonly retry: boolean
}

/**
 * The work that is to be done at once after a reconcile: the rest of an interrupted scan, and more refused keys while some of
 * them land. A right that was given back is mostly given back for all keys.
 */
export const workLeft = (before: ReplicaState, after: ReplicaState): Work => ({
  scan: after.cursor.rest !== undefined,
  retry: after.refused.size < before.refused.size
})

/**
 * The most bytes of answers of the destination that one call of `reconcile` scans. Events of the watcher wait meanwhile: 40,000
 * short keys take 0.2 s, a million would take 5 s.
 */
const scanBytes = 8 * 1024 * 1024

/** Services that only `Replica` needs. */
interface OwnServices extends ReplicaServices {
  readonly memory: FencedWriter.Memory
  /** The services of a writer. The sink of events is not among them: it is the sink of the fiber that opens a writer. */
  readonly context: Context.Context<ConsulHttp | Checkpoint>
}

const takeOver = Effect.fn("Replica.takeOver")(function* (
  { about, kv, mapping, replication }: ReplicaServices,
  leader: Leadership,
  writer: FencedWriter.FencedWriter
): Effect.fn.Return<ReplicaState, FencedWriter.WriterError> {
  const contents = DestinationIndex.empty()
  const start = DriftScan.startOfScan
  const { cursor } = yield* DriftScan.scan(kv, mapping, contents, start, replication.shardKeys)
  const { isFirst, wasHolding } = writer
  const startedAt = yield* Monotonic.now
  yield* emit({ _tag: "ComparisonBegan", ...about, isFirst, totalKeys: contents.size })
  return uncompared({ contents, cursor, leader, writer }, { isFirst, startedAt, wasHolding })
})

const applyEvents = Effect.fn("Replica.applyEvents")(function* (
  services: ReplicaServices,
  state: ReplicaState,
  events: Batch
): Effect.fn.Return<ReplicaState, FencedWriter.WriterError> {
  const after = yield* applyPlan(services, state, yield* services.planner.planEvents(state, events))
  after.consistentReads.forget(yield* Monotonic.now, services.replication.wait.max)
  return after
})

const scanForDrift = (
  { kv, mapping, replication }: ReplicaServices,
  { contents, cursor, writer }: ReplicaState
) =>
  Effect.zipRight(
    writer.verifyStatus,
    DriftScan.scan(kv, mapping, contents, cursor, replication.shardKeys, scanBytes)
  )

/** Emits the drift that a repair has met, without the keys that are refused. */
const emitDrift = Effect.fnUntraced(function* (
  { about, replication }: ReplicaServices,
  drifted: ReadonlyArray<DriftScan.DriftedRange>,
  { state, wanted }: Repaired
) {
  const all = (kind: keyof Diff.DriftedKeys) =>
    drifted.flatMap(({ keys }) => keys[kind]).filter((key) => !state.refused.has(key))
  const drift = Diff.drift({ changed: all("changed"), missing: all("missing"), extra: all("extra") }, (key) =>
    wanted.has(key)
  )
  if (drift.changed.length + drift.missing.length + drift.extra.length === 0) return
  const repaired = drift.extra.length === 0 || (replication.deletes && state.held.size === 0)
  yield* emit({ _tag: "DriftFound", ...about, ...drift, repaired })
})

const reconcile = Effect.fn("Replica.reconcile")(function* (
  services: ReplicaServices,
  replica: ReplicaState,
  { retry, scan }: Work
): Effect.fn.Return<ReplicaState, FencedWriter.WriterError> {
  const { cursor, drifted } = scan
    ? yield* scanForDrift(services, replica)
    : { cursor: replica.cursor, drifted: [] }
  const tried = retry ? RefusedKeys.nextToRetry(replica.refused, replica.held.size > 0) : []
  const before = { ...replica, cursor }
  if (drifted.length + tried.length === 0) return before
  const ranges = drifted.map(({ range }) => range)
  const repaired = yield* repair(services, before, ranges, tried)
  yield* emitDrift(services, drifted, repaired)
  return repaired.state
})

/** Replicas that share `services`. */
const ofServices = (services: OwnServices, leave: Effect.Effect<void>): Replica => ({
  open: (leader) => {
    const { context, memory, replication } = services
    return Effect.provide(FencedWriter.open({ leader, memory, replication }), context)
  },
  takeOver: (leader, writer) => takeOver(services, leader, writer),
  compare: (start, next) => Comparing.inFull(services, start, next),
  applyEvents: (replica, events) => applyEvents(services, replica, events),
  reconcile: (replica, work) => reconcile(services, replica, work),
  leave
})

/** Lasts while deletes are held. */
const makeHolding = ({ maxDeletes }: Replication, about: ReplicaServices["about"]) =>
  Outage.make<Pick<DeletesHeld, "keys" | "totalKeys">>({
    lasts: (deletes, { lasted, phase }) => ({
      _tag: "DeletesHeld",
      ...about,
      ...deletes,
      limit: maxDeletes,
      phase,
      lasted
    }),
    over: (lasted) => ({ _tag: "DeletesAllowed", ...about, lasted })
  })

/** Lasts while keys are refused. */
const makeRefusing = (about: ReplicaServices["about"]) =>
  Outage.make<ReadonlyArray<RefusedKey>>({
    lasts: (refusals, { lasted, phase }) => ({ _tag: "WritesRefused", ...about, refusals, phase, lasted }),
    over: (lasted) => ({ _tag: "WritesAccepted", ...about, lasted })
  })

export const make = Effect.fnUntraced(function* (
  replication: Replication
): Effect.fn.Return<Replica, never, ConsulHttp | LeaderLock | Checkpoint | Watcher | Scope.Scope> {
  const { destinationPrefix, exclude, prefix, status } = replication
  const context = Context.pick(ConsulHttp, Checkpoint)(yield* Effect.context<ConsulHttp | Checkpoint>())
  const { lock } = yield* LeaderLock
  const mapping: Mapping = {
    prefix,
    destinationPrefix,
    owned: new Set([lock, status]),
    excluded: Exclusion.ofReplication(replication)
  }
  const about = { replication: routeOf(replication) }
  const memory = yield* FencedWriter.makeMemory
  const kv = Throttle.reading(yield* ConsulHttp, yield* Throttle.make("reads"))
  const oddities = yield* Oddities.make(about.replication, exclude)
  const check = yield* SnapshotCheck.make(replication, mapping)
  const emptySource = yield* EmptySource.make(replication)
  const firstComparison = yield* FirstComparison.make(replication, mapping)
  const examiners = { check, oddities, emptySource, firstComparison }
  const planner = yield* Planner.make({ replication, mapping, ...examiners })
  const holding = yield* makeHolding(replication, about)
  const refusing = yield* makeRefusing(about)
  const leave = Effect.all([holding.forget, refusing.forget, check.leave, emptySource.forget], {
    discard: true
  })
  return ofServices(
    { replication, about, mapping, kv, check, planner, holding, refusing, memory, context },
    leave
  )
})
