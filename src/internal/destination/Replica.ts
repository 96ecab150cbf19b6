/**
 * The destination as its leader knows it, and the one way to change it: a pass, which makes it equal to what the source
 * was found to hold. What looks wrong in a snapshot is confirmed first, and deletes past their limit are held back. A
 * key that the destination refuses is left out, and tried again.
 */

import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { Checkpoint } from "../../Checkpoint.js"
import { ConsulHttp } from "../../ConsulHttp.js"
import * as KeyRange from "../../KeyRange.js"
import { LeaderLock, type Leadership } from "../../LeaderLock.js"
import type { Replication } from "../../Replication.js"
import type { DeletesHeld, RefusedKey } from "../../ReplicationEvent.js"
import type { WatchEvent } from "../../WatchEvent.js"
import type { Watcher } from "../../Watcher.js"
import * as Throttle from "../consul/Throttle.js"
import * as Monotonic from "../effect/Monotonic.js"
import type { Compared } from "../plan/Compared.js"
import * as DeletePolicy from "../plan/DeletePolicy.js"
import * as DestinationIndex from "../plan/DestinationIndex.js"
import * as Diff from "../plan/Diff.js"
import * as EmptySource from "../plan/EmptySource.js"
import * as Exclusion from "../plan/Exclusion.js"
import * as FirstComparison from "../plan/FirstComparison.js"
import {
  type DestinationKey,
  destinationKey,
  type Mapping,
  rangeAtSource,
  rename,
  sourceKey
} from "../plan/Mapping.js"
import * as Planner from "../plan/Planner.js"
import * as SnapshotCheck from "../plan/SnapshotCheck.js"
import { emit } from "../report/EventSink.js"
import * as Oddities from "../report/Oddities.js"
import * as Outage from "../report/Outage.js"
import { routeOf } from "../report/Route.js"
import * as DriftScan from "./DriftScan.js"
import * as FencedWriter from "./FencedWriter.js"
import * as RefusedKeys from "./RefusedKeys.js"
import { isComparing, type ReplicaState, uncompared } from "./ReplicaState.js"
import { valueBytes } from "./TransactionBatches.js"

/**
 * The passes. Each takes the state and returns the next one. After a failure nobody knows what has landed: take over anew.
 * Only one pass may run at a time.
 */
export interface Replica {
  /** Opens a writer, which voids transactions of the writer before. */
  readonly open: (leader: Leadership) => Effect.Effect<FencedWriter.FencedWriter, FencedWriter.WriterError>
  /** Reads what the destination has. The writer has written nothing yet. */
  readonly takeOver: (
    leader: Leadership,
    writer: FencedWriter.FencedWriter
  ) => Effect.Effect<ReplicaState, FencedWriter.WriterError>
  /** Makes the destination equal to what events of the watcher say of the source. */
  readonly applyEvents: (
    replica: ReplicaState,
    news: Arr.NonEmptyReadonlyArray<WatchEvent>
  ) => Effect.Effect<ReplicaState, FencedWriter.WriterError>
  /**
   * Scans the destination for drift, tries refused keys again, and makes the destination equal there to the source as it is
   * now. A call does some of the work: {@link workLeft} returns the rest. Do that after other passes had their turn.
   */
  readonly reconcile: (
    replica: ReplicaState,
    work: Work
  ) => Effect.Effect<ReplicaState, FencedWriter.WriterError>
  /** This instance does not lead any more: what held it up is that of others. */
  readonly leave: Effect.Effect<void>
}

/** What a reconcile does. */
export interface Work {
  /** Whether it scans the destination for drift. */
  readonly scan: boolean
  /** Whether it tries refused keys again. */
  readonly retry: boolean
}

export const noWork: Work = { scan: false, retry: false }

/**
 * What is to be done at once after a reconcile. Rights that were given back are given back for all keys: while refused keys
 * land, the next ones are tried.
 */
export const workLeft = (before: ReplicaState, after: ReplicaState): Work => ({
  scan: after.cursor.rest !== undefined,
  retry: after.refused.size < before.refused.size
})

/** Keys that are read at once, each by itself. */
const readsAtOnce = 8

/**
 * Bytes of answers of the destination until what the source has changed meanwhile gets its turn: 40,000 short keys take
 * 0.2 s, a million would keep each change waiting for 5 s.
 */
const lookedAtOnce = 8 * 1024 * 1024

/** A repair lands as one pass unless its values have more characters of base64: then in several, one after another. */
const portionSize = 16 * 1024 * 1024

export const make = Effect.fnUntraced(function* (
  replication: Replication
): Effect.fn.Return<Replica, never, ConsulHttp | LeaderLock | Checkpoint | Watcher | Scope.Scope> {
  const { deletes, destinationPrefix, exclude, prefix, shardKeys, status } = replication
  // Only these: the sink of events is that of the fiber that opens a writer.
  const context = Context.pick(ConsulHttp, Checkpoint)(yield* Effect.context<ConsulHttp | Checkpoint>())
  const { lock } = yield* LeaderLock
  const mapping: Mapping = {
    prefix,
    destinationPrefix,
    owned: new Set([lock, status]),
    excluded: Exclusion.ofReplication(replication)
  }
  const consul = yield* ConsulHttp
  const memory = yield* FencedWriter.makeMemory
  const kv = Throttle.reading(consul, yield* Throttle.make("reads"))
  const about = { replication: routeOf(replication) }
  const oddities = yield* Oddities.make(about.replication, exclude)
  const check = yield* SnapshotCheck.make(replication, mapping)
  const emptySource = yield* EmptySource.make(replication)
  const firstComparison = yield* FirstComparison.make(replication, mapping)
  const examine: Planner.Examine = (state, event) =>
    event._tag === "CaughtUp"
      ? emptySource.examine(event)
      : isComparing(state) && state.comparison.isFirst
        ? Effect.as(firstComparison.announce(state.contents), [])
        : Effect.succeed([])
  const planner = yield* Planner.make({ replication, mapping, check, oddities, examine })
  const holding = yield* Outage.make<Pick<DeletesHeld, "keys" | "totalKeys">>({
    lasts: (held, { lasted, phase }) => ({
      _tag: "DeletesHeld",
      ...about,
      ...held,
      limit: replication.maxDeletes,
      phase,
      lasted
    }),
    over: (lasted) => ({ _tag: "DeletesAllowed", ...about, lasted })
  })
  const refusing = yield* Outage.make<ReadonlyArray<RefusedKey>>({
    lasts: (refusals, { lasted, phase }) => ({ _tag: "WritesRefused", ...about, refusals, phase, lasted }),
    over: (lasted) => ({ _tag: "WritesAccepted", ...about, lasted })
  })

  const open: Replica["open"] = (leader) =>
    Effect.provide(FencedWriter.open({ leader, memory, replication }), context)

  const takeOver: Replica["takeOver"] = Effect.fn("Replica.takeOver")(function* (leader, writer) {
    const contents = DestinationIndex.empty()
    const { cursor } = yield* DriftScan.scan(kv, mapping, contents, DriftScan.startOfScan, shardKeys)
    const { isFirst, wasHolding } = writer
    const startedAt = yield* Monotonic.now
    yield* emit({ _tag: "ComparisonBegan", ...about, isFirst, totalKeys: contents.size })
    return uncompared({ contents, cursor, leader, writer }, { isFirst, startedAt, wasHolding })
  })

  /** Emits what a pass has left to do. */
  const emitLeft = Effect.fnUntraced(function* ({ contents, held, refused }: ReplicaState) {
    if (held.size === 0) yield* holding.resolve
    else yield* holding.report("held", { keys: held, totalKeys: contents.size })
    if (refused.size === 0) yield* refusing.resolve
    else {
      const refusals = RefusedKeys.refusals(refused).map(({ _tag, key, message }) => ({
        key,
        cause: _tag,
        message
      }))
      // Another number of keys, or another reason, is a cause of its own.
      const kind = [refusals.length, ...refusals.slice(0, 3).map(({ message }) => message)].join(" ")
      yield* refusing.report(kind, refusals)
    }
  })

  /** Looks up what the destination holds in place of what it has just refused. */
  const recordRefused = Effect.fnUntraced(function* (
    { contents, refused }: ReplicaState,
    refusals: ReadonlyArray<FencedWriter.Refusal>
  ) {
    const all = new Map(refused)
    const found = yield* Effect.forEach(
      refusals,
      ({ key }) =>
        kv.entry(key, { consistency: "consistent" }).pipe(
          Effect.map(({ value: { entries, malformed } }) => ({ entries, malformed })),
          // As a list leaves out what the token may not read.
          Effect.catchTag("Denied", () => Effect.succeed({ entries: [], malformed: [] }))
        ),
      { concurrency: readsAtOnce }
    )
    for (const [refusal, held] of Arr.zip(refusals, found)) {
      const key = destinationKey(refusal.key)
      all.set(key, { print: contents.get(key), refusal })
      Diff.updateContents(contents, mapping, KeyRange.only(key), held.entries, held.malformed)
    }
    return all
  })

  /** Writes a plan. If the plan has an `index`, the checkpoint says that everything up to it has landed. */
  const applyPlan = Effect.fn("Replica.applyPlan")(function* (before: ReplicaState, plan: Planner.Plan) {
    const { index, state } = plan
    const changes = plan.changes.changes()
    const { comparison, held } = state
    const { writer } = before
    const wasComparing = isComparing(before)
    const [duration, refusals] = yield* Effect.timed(
      Effect.gen(function* () {
        const left: FencedWriter.Remaining = {
          heldDeletes: held.size,
          refusedWrites: state.refused.size,
          unreadable: RefusedKeys.countUnreadable(state.refused)
        }
        if (wasComparing && Option.isNone(index)) return yield* writer.write(changes.writes, left)
        const isNews =
          !Diff.isEmpty(changes) ||
          held.size !== before.held.size ||
          state.refused.size !== before.refused.size ||
          (before.aheadOfCheckpoint && Option.isSome(index))
        const isOlder = Option.exists(index, (now) => !Option.exists(before.index, (was) => was <= now))
        if (!isNews && !isOlder) return []
        const claim = Option.getOrElse(
          Option.orElse(index, () => before.index),
          () => 0
        )
        return yield* writer.commit(changes, claim, left)
      })
    )
    const refusedNow = new Set(refusals.map(({ key }) => key))
    const deleted = changes.deletes.filter((key) => !refusedNow.has(key)).length
    // The other refusals are of writes.
    const refusedDeletes = changes.deletes.length - deleted
    const written = changes.writes.length - (refusals.length - refusedDeletes)
    const writes = comparison.writes + written
    let bytes = 0
    for (const { value } of changes.writes) bytes += valueBytes(value)
    const refused = yield* recordRefused(state, refusals)
    const replica: ReplicaState = {
      ...state,
      // A refused delete did not happen. With an index it may be counted until the source is complete again.
      deletesSinceComplete: state.deletesSinceComplete - (Option.isNone(index) ? refusedDeletes : 0),
      refused,
      index: Option.orElse(index, () => before.index),
      aheadOfCheckpoint:
        plan.aheadOfCheckpoint ||
        (Option.isNone(index) && (before.aheadOfCheckpoint || !Diff.isEmpty(changes))),
      comparison: { ...comparison, writes, bytes: comparison.bytes + bytes }
    }
    const isAllDone = held.size + refused.size === 0
    const isDoneAtLast = isAllDone && (wasComparing || before.held.size + before.refused.size > 0)
    const landed = {
      ...about,
      deletes: deleted,
      totalKeys: state.contents.size - held.size,
      index: Option.getOrElse(index, () =>
        Math.max(
          plan.changes.index,
          Option.getOrElse(before.index, () => 0)
        )
      ),
      inSync: isDoneAtLast
    }
    if (wasComparing) {
      const elapsed = (yield* Monotonic.now) - comparison.startedAt
      yield* isComparing(replica)
        ? emit({
            _tag: "ComparisonProgressed",
            ...about,
            compared: comparison.compared,
            expectedKeys: comparison.expectedKeys,
            writes,
            elapsed
          })
        : emit({
            _tag: "ComparisonDone",
            ...landed,
            writes,
            bytes: replica.comparison.bytes,
            duration: elapsed,
            drift: comparison.drift
          })
    } else if (isDoneAtLast || written + deleted > 0) {
      yield* emit({
        _tag: "Applied",
        ...landed,
        writes: written,
        bytes,
        duration: Duration.toMillis(duration)
      })
    }
    if (!isComparing(replica)) yield* emitLeft(replica)
    return replica
  })

  const applyEvents: Replica["applyEvents"] = Effect.fn("Replica.applyEvents")(function* (state, events) {
    const after = yield* applyPlan(state, yield* planner.planEvents(state, events))
    after.consistentReads.forget(yield* Monotonic.now, replication.wait.max)
    return after
  })

  /**
   * Makes `ranges` and `keys` of the destination equal to the source. Keys among them that were refused are tried again. Returns
   * also the keys that the source has in the ranges, by their names at the destination.
   */
  const repair = Effect.fnUntraced(function* (
    replica: ReplicaState,
    ranges: ReadonlyArray<KeyRange.KeyRange>,
    keys: ReadonlyArray<DestinationKey>
  ): Effect.fn.Return<
    { readonly repaired: ReplicaState; readonly wanted: ReadonlySet<DestinationKey> },
    FencedWriter.WriterError
  > {
    const wanted = new Set<DestinationKey>()
    let repaired = replica
    let portion: Array<Compared> = []
    let characters = 0
    const applyPortion = Effect.gen(function* () {
      // Those that are refused again come last the next time.
      const tried = portion.flatMap(({ snapshot: { range } }) =>
        range.exact ? Option.toArray(rename(mapping, sourceKey(range.prefix))) : []
      )
      const trying = {
        ...repaired,
        ...DeletePolicy.withoutDeleted(repaired, repaired.contents),
        refused: RefusedKeys.forget(repaired.refused, tried)
      }
      repaired = yield* applyPlan(repaired, yield* planner.planConfirmed(trying, portion))
      portion = []
      characters = 0
    })
    const take = (compared: Compared) =>
      Effect.suspend(() => {
        portion.push(compared)
        for (const { value } of compared.difference.writes) characters += value.length
        return characters > portionSize ? applyPortion : Effect.void
      })
    const atSource = (range: KeyRange.KeyRange) => Option.toArray(rangeAtSource(mapping, range))
    const alone = yield* Effect.forEach(
      keys.flatMap((key) => atSource(KeyRange.only(key))),
      (range) => check.confirm(replica, range),
      { concurrency: readsAtOnce }
    )
    for (const compared of alone) yield* take(compared)
    for (const range of ranges.flatMap(atSource)) {
      const compared = yield* check.confirm(repaired, range, take)
      for (const { key } of compared.snapshot.entries) {
        for (const name of Option.toArray(rename(mapping, sourceKey(key)))) wanted.add(name)
      }
      yield* take(compared)
    }
    if (portion.length > 0 || repaired === replica) yield* applyPortion
    return { repaired, wanted }
  })

  const scanned = ({ contents, cursor, writer }: ReplicaState) =>
    Effect.zipRight(
      writer.verifyStatus,
      DriftScan.scan(kv, mapping, contents, cursor, shardKeys, lookedAtOnce)
    )

  const reconcile: Replica["reconcile"] = Effect.fn("Replica.reconcile")(function* (
    replica,
    { retry, scan }
  ) {
    if (isComparing(replica)) return replica
    const { cursor, drifted } = scan ? yield* scanned(replica) : { cursor: replica.cursor, drifted: [] }
    const tried = retry ? RefusedKeys.nextToRetry(replica.refused, replica.held.size > 0) : []
    const before = { ...replica, cursor }
    if (drifted.length + tried.length === 0) return before
    const ranges = drifted.map(({ range }) => range)
    const { repaired, wanted } = yield* repair(before, ranges, tried)
    const notRefused = (key: DestinationKey): boolean => !repaired.refused.has(key)
    const drift = Diff.drift(
      {
        changed: drifted.flatMap(({ found }) => found.changed).filter(notRefused),
        missing: drifted.flatMap(({ found }) => found.missing).filter(notRefused),
        extra: drifted.flatMap(({ found }) => found.extra).filter(notRefused)
      },
      (key) => wanted.has(key)
    )
    if (drift.changed.length + drift.missing.length + drift.extra.length > 0) {
      const isRepaired = drift.extra.length === 0 || (deletes && repaired.held.size === 0)
      yield* emit({ _tag: "DriftFound", ...about, ...drift, repaired: isRepaired })
    }
    return repaired
  })

  const leave = Effect.all([holding.forget, refusing.forget, check.leave, emptySource.forget], {
    discard: true
  })

  return { open, takeOver, applyEvents, reconcile, leave }
})
