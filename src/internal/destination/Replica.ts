/**
 * The destination as its leader knows it, and the one way to change it: a pass, which makes it equal to what the source
 * was found to hold. What looks wrong in a snapshot is confirmed first, and deletes past their limit are held back. A
 * key that the destination refuses is left out, and tried again.
 */
import * as Arr from "effect/Array"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Checkpoint } from "../../Checkpoint.js"
import { ConsulHttp } from "../../ConsulHttp.js"
import * as KeyRange from "../../KeyRange.js"
import { LeaderLock, type Leadership } from "../../LeaderLock.js"
import type { Replication } from "../../Replication.js"
import type { News, Watcher } from "../../Watcher.js"
import * as Throttle from "../consul/Throttle.js"
import * as Monotonic from "../effect/Monotonic.js"
import * as DestinationIndex from "../plan/DestinationIndex.js"
import * as Diff from "../plan/Diff.js"
import * as EmptySource from "../plan/EmptySource.js"
import * as FirstComparison from "../plan/FirstComparison.js"
import { type Mapping, rename } from "../plan/Mapping.js"
import * as Planner from "../plan/Planner.js"
import * as SnapshotCheck from "../plan/SnapshotCheck.js"
import * as OutageLog from "../report/OutageLog.js"
import * as ReplicationLog from "../report/ReplicationLog.js"
import * as DriftScan from "./DriftScan.js"
import * as FencedWriter from "./FencedWriter.js"
import * as RefusedKeys from "./RefusedKeys.js"

/**
 * What the leader knows. Passes change its `contents` and what is `confirmed`, which are not copied.
 */
export interface Replica extends Planner.Known {
  readonly leader: Leadership
  readonly writer: FencedWriter.Writer
  /** When the destination was last looked at, and by which indexes. */
  readonly looked: DriftScan.Looked
  /** Whether something has landed that `index` does not tell of. */
  readonly isAhead: boolean
}

/**
 * Every member answers with the replica as it is afterwards. After a failure, what has landed is not known: take over
 * again. Only one of them may run at a time.
 */
export interface Passes {
  /** Voids what is still under way from before. What passes leave under way ends with the scope. */
  readonly open: (
    leader: Leadership
  ) => Effect.Effect<FencedWriter.Writer, FencedWriter.WriterError, Scope.Scope>
  /** Reads what the destination holds. The writer has landed nothing yet. */
  readonly takeOver: (
    leader: Leadership,
    writer: FencedWriter.Writer
  ) => Effect.Effect<Replica, FencedWriter.WriterError>
  /** Makes the destination equal to what the source was found to hold. */
  readonly catchUp: (
    replica: Replica,
    news: Arr.NonEmptyReadonlyArray<News>
  ) => Effect.Effect<Replica, FencedWriter.WriterError>
  /**
   * Looks for what others changed at the destination, and makes that equal to the source as it is now. Of many keys it looks
   * at some: until `looked` has no rest, it is to be called again, when other passes had their turn.
   */
  readonly reconcile: (replica: Replica) => Effect.Effect<Replica, FencedWriter.WriterError>
  /** Tries some of the keys that the destination refused, as they are at the source now. */
  readonly tryRefused: (replica: Replica) => Effect.Effect<Replica, FencedWriter.WriterError>
  /** This instance does not lead any more: its troubles are logged no longer. */
  readonly leave: Effect.Effect<void>
}

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
): Effect.fn.Return<Passes, never, ConsulHttp | LeaderLock | Checkpoint | Watcher | Scope.Scope> {
  const { deletes, destinationPrefix, prefix, shardKeys, status } = replication
  const context = yield* Effect.context<ConsulHttp | Checkpoint>()
  const { lock } = yield* LeaderLock
  const mapping: Mapping = { prefix, destinationPrefix, owned: new Set([lock, status]) }
  const consul = yield* ConsulHttp
  const memory = yield* FencedWriter.makeMemory
  const kv = Throttle.reading(consul, yield* Throttle.make("reads"))
  const notices = yield* ReplicationLog.make(replication)
  const doubt = yield* SnapshotCheck.make(replication, mapping)
  const emptySource = yield* EmptySource.make(replication)
  const firstComparison = yield* FirstComparison.make(replication, mapping)
  const examine: Planner.Examine = (known, believed) => {
    const examined = emptySource.examine(believed)
    return Planner.isComparing(known) && known.comparison.isFirst
      ? Effect.zipRight(examined, firstComparison.announce(known.contents))
      : examined
  }
  const courses = yield* Planner.make(replication, mapping, doubt, notices, examine)
  const holding = yield* OutageLog.make("no deletes are held back any more")
  const refusing = yield* OutageLog.make("no keys are refused any more")

  const open: Passes["open"] = (leader) =>
    Effect.provide(FencedWriter.open({ leader, memory, replication }), context)

  const takeOver: Passes["takeOver"] = Effect.fn("Replica.takeOver")(function* (leader, writer) {
    const contents = DestinationIndex.empty()
    const { looked } = yield* DriftScan.survey(kv, mapping, contents, DriftScan.never, shardKeys)
    const { isFirst, wasHolding } = writer
    const since = yield* Monotonic.now
    const known = Planner.uncompared(contents, { isFirst, since, wasHolding })
    return { ...known, leader, writer, looked, isAhead: false }
  })

  /** `isDoneAtLast` when nothing is left to do, as there was before. */
  const report = Effect.fnUntraced(function* (replica: Replica, isDoneAtLast: boolean) {
    const { contents, held, leader, refused } = replica
    const outputs: Array<string> = []
    if (held.size === 0) yield* holding.fine
    else {
      const output = ReplicationLog.holding(replication, held, contents.size)
      yield* holding.trouble("held", output)
      outputs.push(output)
    }
    if (refused.size === 0) yield* refusing.fine
    else {
      const output = ReplicationLog.refused(RefusedKeys.refusals(refused))
      yield* refusing.trouble(output, output)
      outputs.push(output)
    }
    if (outputs.length > 0) yield* leader.report({ status: "warning", output: outputs.join("; ") })
    else if (isDoneAtLast) {
      const since = yield* DateTime.now
      const output = ReplicationLog.inSync(replication, since, contents.size, replica.index)
      yield* leader.report({ status: "passing", output })
    }
  })

  /** Looks up what the destination holds in place of what it has just refused. */
  const leaveOut = Effect.fnUntraced(function* (
    { contents, refused }: Planner.Known,
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
      const { key } = refusal
      all.set(key, { print: contents.get(key), refusal })
      Diff.learn(contents, mapping, KeyRange.only(key), held.entries, held.malformed)
    }
    return all
  })

  /** Lands a pass, with the `index` of its course as the one up to which nothing is left then, if there is one. */
  const land = Effect.fn("Replica.land")(function* (before: Replica, course: Planner.Course) {
    const { index, isBeyond, known, pass } = course
    const changes = pass.changes()
    const { comparison, held } = known
    const { isAhead, leader, looked, writer } = before
    const wasComparing = Planner.isComparing(before)
    const [duration, refusals] = yield* Effect.timed(
      Effect.gen(function* () {
        const left: FencedWriter.Left = {
          heldDeletes: held.size,
          refusedWrites: known.refused.size,
          unreadable: RefusedKeys.countUnreadable(known.refused)
        }
        if (wasComparing && Option.isNone(index)) return yield* writer.stage(changes.writes, left)
        const isNews =
          !Diff.isEmpty(changes) ||
          held.size !== before.held.size ||
          known.refused.size !== before.refused.size ||
          (isAhead && Option.isSome(index))
        const isOlder = Option.exists(index, (now) => !Option.exists(before.index, (was) => was <= now))
        if (!isNews && !isOlder) return []
        const claim = Option.getOrElse(
          Option.orElse(index, () => before.index),
          () => 0
        )
        return yield* writer.apply(changes, claim, left)
      })
    )
    const refusedNow = new Set(refusals.map(({ key }) => key))
    const deleted = changes.deletes.filter((key) => !refusedNow.has(key)).length
    // The others were to be written, by this pass or by one that it followed at once.
    const refusedDeletes = changes.deletes.length - deleted
    const written = changes.writes.length - (refusals.length - refusedDeletes)
    const writes = comparison.writes + written
    const refused = yield* leaveOut(known, refusals)
    const replica: Replica = {
      ...known,
      // What was refused is here still; where everything was said in between, it may count until it is said again.
      deleted: known.deleted - (Option.isNone(index) ? refusedDeletes : 0),
      refused,
      leader,
      writer,
      looked,
      index: Option.orElse(index, () => before.index),
      isAhead: isBeyond || (Option.isNone(index) && (isAhead || !Diff.isEmpty(changes))),
      comparison: { ...comparison, writes }
    }
    const isAllDone = held.size + refused.size === 0
    const isDoneAtLast = isAllDone && (wasComparing || before.held.size + before.refused.size > 0)
    if (Planner.isComparing(replica)) yield* notices.comparing({ ...comparison, writes })
    else if (wasComparing || isDoneAtLast || written + deleted > 0) {
      const since = yield* Effect.map(Monotonic.now, (now) => Duration.millis(now - comparison.since))
      yield* notices.applied({
        writes: wasComparing ? writes : written,
        deletes: deleted,
        keys: known.contents.size - held.size,
        index: Option.getOrElse(index, () => pass.index),
        duration: wasComparing ? since : duration,
        found: wasComparing ? Option.some(comparison.found) : Option.none(),
        inSync: isDoneAtLast
      })
    }
    if (!Planner.isComparing(replica)) yield* report(replica, isDoneAtLast)
    return replica
  })

  const catchUp: Passes["catchUp"] = Effect.fn("Replica.catchUp")(function* (replica, news) {
    const after = yield* land(replica, yield* courses.follow(replica, news))
    after.confirmed.forget(yield* Monotonic.now)
    return after
  })

  /** Makes ranges equal to the source. Answers also with the keys that the source has there, as they are named here. */
  const repair = Effect.fnUntraced(function* (
    replica: Replica,
    ranges: ReadonlyArray<KeyRange.KeyRange>
  ): Effect.fn.Return<
    { readonly repaired: Replica; readonly wanted: ReadonlySet<string> },
    FencedWriter.WriterError
  > {
    const wanted = new Set<string>()
    let repaired = replica
    let portion: Array<SnapshotCheck.Compared> = []
    let characters = 0
    const landPortion = Effect.gen(function* () {
      repaired = yield* land(repaired, yield* courses.followConfirmed(repaired, portion))
      portion = []
      characters = 0
    })
    const take = (compared: SnapshotCheck.Compared) =>
      Effect.suspend(() => {
        portion.push(compared)
        for (const { value } of compared.difference.writes) characters += value.length
        return characters > portionSize ? landPortion : Effect.void
      })
    for (const range of ranges) {
      const compared = yield* doubt.confirm(repaired, range, take)
      for (const { key } of compared.snapshot.entries) {
        for (const name of Option.toArray(rename(mapping, key))) wanted.add(name)
      }
      yield* take(compared)
    }
    if (portion.length > 0 || repaired === replica) yield* landPortion
    return { repaired, wanted }
  })

  const reconcile: Passes["reconcile"] = Effect.fn("Replica.reconcile")(function* (replica) {
    if (Planner.isComparing(replica)) return replica
    yield* replica.writer.verifyStatus
    const { drifted, looked } = yield* DriftScan.survey(
      kv,
      mapping,
      replica.contents,
      replica.looked,
      shardKeys,
      lookedAtOnce
    )
    if (drifted.length === 0) return { ...replica, looked }
    const there = drifted.flatMap(({ range }) => Option.toArray(KeyRange.original(mapping, range)))
    const { repaired, wanted } = yield* repair({ ...replica, looked }, there)
    const notRefused = (key: string): boolean => !repaired.refused.has(key)
    const drift = Diff.drift(
      {
        changed: drifted.flatMap(({ found }) => found.changed).filter(notRefused),
        missing: drifted.flatMap(({ found }) => found.missing).filter(notRefused),
        extra: drifted.flatMap(({ found }) => found.extra).filter(notRefused)
      },
      (key) => wanted.has(key)
    )
    yield* notices.drift(drift, drift.extra.length === 0 || (deletes && repaired.held.size === 0))
    return repaired
  })

  const tryRefused: Passes["tryRefused"] = Effect.fn("Replica.tryRefused")(function* (replica) {
    if (Planner.isComparing(replica)) return replica
    // Those that are refused again come last the next time.
    const tried = RefusedKeys.toTry(replica.refused, replica.held.size > 0)
    if (tried.length === 0) return replica
    const known = { ...replica, refused: RefusedKeys.without(replica.refused, tried) }
    const confirmed = yield* Effect.forEach(
      tried.flatMap((key) => Option.toArray(KeyRange.original(mapping, KeyRange.only(key)))),
      (range) => doubt.confirm(known, range),
      { concurrency: readsAtOnce }
    )
    return yield* land(replica, yield* courses.followConfirmed(known, confirmed))
  })

  const leave = Effect.all([holding.forget, refusing.forget, doubt.leave, emptySource.forget], {
    discard: true
  })

  return { open, takeOver, catchUp, reconcile, tryRefused, leave }
})
