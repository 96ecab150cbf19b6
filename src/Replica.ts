/**
 * The destination as its leader knows it, and the one way to change it: a pass, which makes it equal to what the source
 * was found to hold. What looks wrong in a snapshot is confirmed first, and deletes past their limit are held back.
 *
 * @since 0.2.0
 */
import type * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Checkpoint } from "./Checkpoint.js"
import type { ConsulError } from "./ConsulError.js"
import { ConsulHttp } from "./ConsulHttp.js"
import * as Contents from "./Contents.js"
import * as DeleteLimit from "./DeleteLimit.js"
import * as Diff from "./Diff.js"
import * as Condition from "./internal/Condition.js"
import { Confirmed } from "./internal/Confirmed.js"
import * as Doubt from "./internal/Doubt.js"
import * as Notices from "./internal/Notices.js"
import { Pass } from "./internal/Pass.js"
import * as Survey from "./internal/Survey.js"
import * as Verdict from "./internal/Verdict.js"
import * as KeyRange from "./KeyRange.js"
import { type Leadership, passing } from "./LeaderLock.js"
import { type Mapping, rename } from "./Mapping.js"
import { type Replication, watched } from "./Replication.js"
import { type Complete, type News, type Snapshot, Watcher } from "./Watcher.js"
import * as Writer from "./Writer.js"

/**
 * What the leader knows. Passes change its `contents` and what is `confirmed`, which are not copied.
 *
 * @since 0.2.0
 * @category models
 */
export interface Replica extends Doubt.Known {
  readonly leader: Leadership
  readonly writer: Writer.Writer
  /** When the destination was last looked at, and by which indexes. */
  readonly looked: Survey.Looked
  /** Index of the source up to which everything has landed; none before the first comparison is complete. */
  readonly index: Option.Option<number>
  /** Whether something has landed that `index` does not tell of. */
  readonly isAhead: boolean
  /** What the comparison that began with this leadership has done so far. */
  readonly comparison: Comparison
}

/**
 * `since` when (ms); `held` keys that the destination held then; `compared` keys of the source, `of` about so many;
 * `found` what was not as at the source, where a key that is changed there meanwhile counts again.
 */
interface Comparison {
  readonly since: number
  readonly held: number
  readonly compared: number
  readonly of: number
  readonly writes: number
  readonly found: Diff.Drift
}

/**
 * Every member answers with the replica as it is afterwards. After a failure, what has landed is not known: take over
 * again. Only one of them may run at a time.
 *
 * @since 0.2.0
 * @category models
 */
export interface Passes {
  /** Voids what is still under way from before, then reads what the destination holds. */
  readonly takeOver: (leader: Leadership) => Effect.Effect<Replica, Writer.WriterError>
  /** Makes the destination equal to what the source was found to hold. */
  readonly catchUp: (
    replica: Replica,
    news: Arr.NonEmptyReadonlyArray<News>
  ) => Effect.Effect<Replica, Writer.WriterError>
  /** Looks for what others changed at the destination, and makes that equal to the source as it is now. */
  readonly reconcile: (replica: Replica) => Effect.Effect<Replica, Writer.WriterError>
}

/** How far a pass has come, news by news. */
interface Course {
  readonly replica: Replica
  /** Index of the source up to which everything has been said, if that was. */
  readonly index: Option.Option<number>
  /** How many keys had gone by then, since the time before. */
  readonly deleted: number
  /** Whether something was said after that. */
  readonly isBeyond: boolean
  /** Keys that parts of the source had not, as was said after that. */
  readonly missing: ReadonlyArray<string>
  /** Whether one of these parts has lost all it had. */
  readonly isEmptied: boolean
}

const begin = (replica: Replica): Course => ({
  replica,
  index: Option.none(),
  deleted: 0,
  isBeyond: false,
  missing: [],
  isEmptied: false
})

/** Everything up to `index` has been said, and decided on: what parts said before does not count any more. */
const told = (replica: Replica, index: number): Course => ({
  ...begin(replica),
  index: Option.some(index),
  deleted: replica.deleted
})

/** Keys are read one by one up to so many; of more, everything is read. */
const mostReadAlone = 64

const isComparing = (replica: Replica): boolean => Option.isNone(replica.index)

/**
 * @since 0.2.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (
  replication: Replication
): Effect.fn.Return<Passes, never, ConsulHttp | Checkpoint | Watcher> {
  const { deletes, destinationPrefix, lock, maxDeletes, prefix, shardKeys, status } = replication
  const mapping: Mapping = { prefix, destinationPrefix, owned: new Set([lock, status]) }
  const context = yield* Effect.context<ConsulHttp | Checkpoint>()
  const consul = yield* ConsulHttp
  const watcher = yield* Watcher
  const limits = yield* Writer.makeLimits
  const notices = yield* Notices.make(replication)
  const doubt = yield* Doubt.make(replication, mapping)
  const holding = yield* Condition.make("no deletes are held back any more")
  const whole = KeyRange.under(prefix)

  const takeOver: Passes["takeOver"] = Effect.fn("Replica.takeOver")(function* (leader) {
    const writer = yield* Effect.provide(Writer.open({ leader, limits, replication }), context)
    const contents = Contents.empty()
    const { looked } = yield* Survey.survey(consul, mapping, contents, Survey.never, shardKeys)
    return {
      leader,
      writer,
      contents,
      looked,
      index: Option.none(),
      isAhead: false,
      ...Verdict.none,
      deleted: 0,
      confirmed: new Confirmed(),
      comparison: {
        since: yield* Clock.currentTimeMillis,
        held: contents.size,
        compared: 0,
        of: 0,
        writes: 0,
        found: { changed: 0, missing: 0, extra: 0 }
      }
    }
  })

  const judge = (replica: Replica, pass: Pass, gone: ReadonlyArray<string>): Replica => ({
    ...replica,
    ...Verdict.judge(maxDeletes, replica.deleted, gone, pass.deleted + pass.held)
  })

  const goneBy = (replica: Replica, names: ReadonlyArray<string>) =>
    Diff.gone(replica.contents, mapping, names)

  const report = (replica: Replica) => {
    const held = replica.held.size
    if (held === 0) return Effect.zipRight(holding.fine, replica.leader.report(passing))
    const output = Notices.holding(replication, held, replica.contents.size)
    return Effect.zipRight(
      holding.trouble("held", output),
      replica.leader.report({ status: "warning", output })
    )
  }

  /** Counts what a comparison finds; what changes later is no drift. */
  const counting = (replica: Replica, more: Partial<Diff.Drift>): Replica => {
    const { comparison } = replica
    return isComparing(replica)
      ? { ...replica, comparison: { ...comparison, found: Diff.add(comparison.found, more) } }
      : replica
  }

  /** Takes what the source holds into the contents, and into the pass. */
  const write = (replica: Replica, pass: Pass, writes: Diff.Difference["writes"]): Replica => {
    let missing = 0
    for (const write of writes) {
      if (replica.contents.set(write.key, write.print)) missing += 1
      pass.write(write)
    }
    return counting(replica, { changed: writes.length - missing, missing })
  }

  /** Takes keys that the source has not out of the contents, and into the pass. */
  const remove = (replica: Replica, pass: Pass, keys: Iterable<string>): Replica => {
    let { deleted } = replica
    for (const key of keys) {
      if (!replica.contents.delete(key)) continue
      pass.delete(key)
      deleted += 1
    }
    return { ...replica, deleted }
  }

  /**
   * Decides on keys of parts of the source that are missing there. A few may go; but where a part has lost all it had,
   * so may others have, and it is looked for what else has gone.
   */
  const decide = Effect.fnUntraced(function* (
    replica: Replica,
    pass: Pass,
    missing: ReadonlyArray<string>,
    isEmptied: boolean
  ) {
    if (missing.length === 0) return replica
    const staying = { ...replica, absent: new Set([...replica.absent, ...missing]) }
    // Those of a first comparison go when it is complete.
    if (!deletes || isComparing(replica)) return staying
    if (replica.held.size > 0) return { ...staying, held: new Set([...replica.held, ...missing]) }
    const isFew = !isEmptied && Verdict.isFew(replica, missing)
    const isJudged = isFew || missing.every((key) => replica.condemned.has(key))
    const judged = isJudged
      ? staying
      : judge(staying, pass, goneBy(replica, yield* watcher.names(watched(replication))))
    const left = remove(judged, pass, isFew ? missing : missing.filter((key) => judged.condemned.has(key)))
    return { ...left, absent: new Set([...left.absent].filter((key) => left.contents.has(key))) }
  })

  /** Decides on all keys that the source has not, or had not when everything had been said, by its `names` of then. */
  const settle = Effect.fnUntraced(function* (replica: Replica, pass: Pass, names: ReadonlyArray<string>) {
    const missing = goneBy(replica, names)
    // Parts told of deletes while they were compared: those keys are among the names of then.
    const gone = new Set(goneBy(replica, yield* watcher.names(watched(replication))))
    // What is there again may hold something else, and may be in none of the parts so far; or it is gone once more.
    const again = [...new Set([...missing, ...replica.absent])].filter(
      (key) => !gone.has(key) && replica.contents.has(key)
    )
    let written = replica
    const ranges =
      again.length > mostReadAlone ? [KeyRange.under(destinationPrefix)] : again.map(KeyRange.only)
    for (const range of ranges) {
      const snapshot = yield* watcher.confirm({
        ...watched(replication),
        range: KeyRange.original(mapping, range)
      })
      const compared = yield* doubt.asConfirmed(written, snapshot)
      written = write(written, pass, compared.difference.writes)
      for (const key of compared.difference.missing) gone.add(key)
    }
    const counted = counting(written, { extra: gone.size })
    if (!deletes || gone.size === 0) return { ...counted, ...Verdict.none }
    const judged = judge(counted, pass, [...gone])
    return { ...remove(judged, pass, judged.condemned), absent: judged.held }
  })

  /** What a snapshot of everything has not goes now, or is held back. */
  const decideAll = (replica: Replica, pass: Pass, missing: ReadonlyArray<string>): Replica => {
    const judged: Replica = { ...replica, ...Verdict.none }
    if (!deletes) return judged
    return DeleteLimit.allows(maxDeletes, replica.deleted - pass.deleted + missing.length, pass.held)
      ? remove(judged, pass, missing)
      : { ...judged, held: new Set(missing) }
  }

  /**
   * Lands a pass; with the `index` of the source up to which nothing is left then, if there is one, and whether it
   * holds something beyond that.
   */
  const land = Effect.fn("Replica.land")(function* (
    before: Replica,
    after: Replica,
    pass: Pass,
    index: Option.Option<number>,
    isBeyond: boolean
  ) {
    const changes = pass.changes()
    const { comparison, held, writer } = after
    const [duration] = yield* Effect.timed(
      Effect.gen(function* () {
        if (isComparing(before) && Option.isNone(index)) return yield* writer.stage(changes.writes)
        const isNews =
          !Diff.isEmpty(changes) || held.size !== before.held.size || (after.isAhead && Option.isSome(index))
        const isOlder = Option.exists(index, (now) => !Option.exists(before.index, (was) => was <= now))
        if (!isNews && !isOlder) return
        const claim = Option.getOrElse(
          Option.orElse(index, () => before.index),
          () => 0
        )
        yield* writer.apply(changes, claim, held.size)
      })
    )
    const writes = comparison.writes + changes.writes.length
    const replica: Replica = {
      ...after,
      index: Option.orElse(index, () => before.index),
      isAhead: isBeyond || (Option.isNone(index) && (after.isAhead || !Diff.isEmpty(changes))),
      comparison: { ...comparison, writes }
    }
    if (isComparing(replica)) yield* notices.comparing({ ...comparison, writes })
    else if (isComparing(before) || (before.held.size > 0 && held.size === 0) || !Diff.isEmpty(changes)) {
      const since = yield* Effect.map(Clock.currentTimeMillis, (now) =>
        Duration.millis(now - comparison.since)
      )
      yield* notices.applied({
        writes: isComparing(before) ? writes : changes.writes.length,
        deletes: changes.deletes.length,
        keys: after.contents.size - held.size,
        index: Option.getOrElse(index, () => pass.index),
        duration: isComparing(before) ? since : duration,
        found: isComparing(before) ? Option.some(comparison.found) : Option.none(),
        inSync: held.size === 0 && (isComparing(before) || before.held.size > 0)
      })
    }
    if (!isComparing(replica)) yield* report(replica)
    return replica
  })

  /** Everything up to an index has been said: what the parts had not, and what nobody had, is decided on. */
  const conclude = Effect.fnUntraced(function* (
    { isEmptied, missing, replica }: Course,
    pass: Pass,
    { index, names, reshaped }: Complete
  ): Effect.fn.Return<Course, ConsulError> {
    const decided = yield* decide(replica, pass, missing, isEmptied)
    const isUnsettled = reshaped || isComparing(replica) || decided.held.size + decided.absent.size > 0
    const settled = isUnsettled ? yield* settle(decided, pass, names) : decided
    return told({ ...settled, condemned: Verdict.none.condemned }, index)
  })

  /** Takes in what was read of the source, as it is believed. */
  const take = (course: Course, pass: Pass, compared: Doubt.Compared): Course => {
    const { entries, index, of, range } = compared.snapshot
    const { missing, writes } = compared.difference
    const written = write(course.replica, pass, writes)
    pass.reach(index)
    const { comparison } = written
    const replica: Replica = {
      ...written,
      comparison: {
        ...comparison,
        compared: comparison.compared + entries.length,
        of: Math.max(comparison.of, of)
      }
    }
    if (KeyRange.equals(range, whole)) {
      return told(decideAll(counting(replica, { extra: missing.length }), pass, missing), index)
    }
    return {
      ...course,
      replica,
      isBeyond: course.isBeyond || writes.length + missing.length > 0,
      missing: Verdict.missingAfter(course.missing, KeyRange.rename(mapping, range), missing),
      isEmptied: course.isEmptied || (missing.length > 0 && entries.length === 0)
    }
  }

  /** Makes the destination equal to what `news` say, as `compareWith` makes sure of it. */
  const follow = Effect.fnUntraced(function* <E>(
    before: Replica,
    news: ReadonlyArray<News>,
    compareWith: (replica: Replica, snapshot: Snapshot, keys: number) => Effect.Effect<Doubt.Compared, E>
  ) {
    const held = isComparing(before) ? before.comparison.held : before.contents.size
    const pass = new Pass(held, before.deleted)
    let course = begin(before)
    for (const item of news) {
      if (item._tag === "Complete") {
        course = yield* conclude(course, pass, item)
        continue
      }
      const compared = yield* compareWith(course.replica, item, held)
      yield* notices.snapshot(compared.snapshot)
      course = take(course, pass, compared)
    }
    const { index, isBeyond, isEmptied, missing, replica } = course
    const decided = yield* decide(replica, pass, missing, isEmptied)
    const after = { ...decided, deleted: decided.deleted - course.deleted }
    return yield* land(before, after, pass, index, isBeyond)
  })

  const catchUp: Passes["catchUp"] = Effect.fn("Replica.catchUp")(function* (replica, news) {
    const after = yield* follow(replica, news, doubt.compare)
    after.confirmed.forget(yield* Clock.currentTimeMillis)
    return after
  })

  const reconcile: Passes["reconcile"] = Effect.fn("Replica.reconcile")(function* (replica) {
    if (isComparing(replica)) return replica
    const { drifted, looked } = yield* Survey.survey(
      consul,
      mapping,
      replica.contents,
      replica.looked,
      shardKeys
    )
    if (drifted.length === 0) return { ...replica, looked }
    const snapshots = yield* Effect.forEach(drifted, ({ range }) =>
      watcher.confirm({ ...watched(replication), range: KeyRange.original(mapping, range) })
    )
    const wanted = new Set(
      snapshots.flatMap(({ entries }) => entries.flatMap(({ key }) => Option.toArray(rename(mapping, key))))
    )
    const repaired = yield* follow({ ...replica, looked }, snapshots, doubt.asConfirmed)
    const drift = Diff.drift(
      {
        changed: drifted.flatMap(({ found }) => found.changed),
        missing: drifted.flatMap(({ found }) => found.missing),
        extra: drifted.flatMap(({ found }) => found.extra)
      },
      (key) => wanted.has(key)
    )
    yield* notices.drift(drift, drift.extra === 0 || (deletes && repaired.held.size === 0))
    return repaired
  })

  return { takeOver, catchUp, reconcile }
})
