/**
 * How a pass comes about: what the source was found to hold is taken into it, and it is decided on the keys that
 * the source has not. At the destination nothing has changed yet.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ConsulError } from "../../ConsulError.js"
import * as DeleteLimit from "../../DeleteLimit.js"
import * as KeyRange from "../../KeyRange.js"
import { type Replication, watched } from "../../Replication.js"
import { type Complete, type News, Watcher } from "../../Watcher.js"
import * as RefusedKeys from "../destination/RefusedKeys.js"
import { inTurns } from "../effect/EventLoop.js"
import type { Notices } from "../report/ReplicationLog.js"
import { Pass } from "./ChangeSet.js"
import * as Comparison from "./Comparison.js"
import { Confirmed } from "./ConsistentReads.js"
import * as DeletePolicy from "./DeletePolicy.js"
import type { Contents } from "./DestinationIndex.js"
import * as Diff from "./Diff.js"
import type { SourceUnreadable } from "./EmptySource.js"
import type { Mapping } from "./Mapping.js"
import type * as SnapshotCheck from "./SnapshotCheck.js"

/** What is known when a pass begins. Its `contents` and what is `confirmed` change with the pass, and are not copied. */
export interface Known extends SnapshotCheck.Known {
  /** Index of the source up to which everything has landed; none before the first comparison is complete. */
  readonly index: Option.Option<number>
  /** What the comparison that began with this leadership has done so far. */
  readonly comparison: Comparison.Comparison
}

/** Where a pass has come to. */
export interface Course {
  /** As it is with the pass; `index`, and the `writes` of its comparison, are up to whoever lands that. */
  readonly known: Known
  readonly pass: Pass
  /** Index of the source up to which everything has been said, if that was. */
  readonly index: Option.Option<number>
  /** Whether something was said after that. */
  readonly isBeyond: boolean
}

/** Looks at what is believed of the source before a pass takes it in. The contents of `known` are still as before that. */
export type Examine = (
  known: Known,
  believed: SnapshotCheck.Seen | Complete
) => Effect.Effect<void, ConsulError | SourceUnreadable>

export interface Courses {
  /** What news change, each snapshot as far as it is believed. */
  readonly follow: (
    known: Known,
    news: ReadonlyArray<News>
  ) => Effect.Effect<Course, ConsulError | SourceUnreadable>
  /** What snapshots change that were confirmed, of ranges that have nothing in common. */
  readonly followConfirmed: (
    known: Known,
    confirmed: ReadonlyArray<SnapshotCheck.Compared>
  ) => Effect.Effect<Course, ConsulError>
}

/** When the destination has just been read, and nothing has been compared. */
export const uncompared = (contents: Contents, begun: Omit<Comparison.Begin, "held">): Known => ({
  contents,
  index: Option.none(),
  ...DeletePolicy.none,
  deleted: 0,
  confirmed: new Confirmed(),
  refused: RefusedKeys.none,
  comparison: Comparison.begin({ ...begun, held: contents.size })
})

export const isComparing = ({ index }: Known): boolean => Option.isNone(index)

/** A course on which not everything that was said is decided on. */
interface Undecided extends Course {
  /** How many keys had gone when everything had been said, since the time before. */
  readonly deleted: number
  /** Keys that parts of the source had not, as was said after that. */
  readonly missing: ReadonlyArray<string>
  /** Whether one of these parts has lost all it had. */
  readonly isEmptied: boolean
}

const nothingSaid = (known: Known, pass: Pass): Undecided => ({
  known,
  pass,
  index: Option.none(),
  isBeyond: false,
  deleted: 0,
  missing: [],
  isEmptied: false
})

const begin = (known: Known): Undecided => {
  const held = isComparing(known) ? known.comparison.held : known.contents.size
  return nothingSaid(known, new Pass(held, known.deleted))
}

/** Everything up to `index` has been said, and decided on: what parts said before does not count any more. */
const told = (known: Known, pass: Pass, index: number): Undecided => {
  known.comparison.fresh.clear()
  return { ...nothingSaid(known, pass), index: Option.some(index), deleted: known.deleted }
}

/** Counts what a comparison finds; what changes later is no drift. */
const counting = (known: Known, more: Partial<Diff.Drift>): Known => {
  const { comparison } = known
  return isComparing(known)
    ? { ...known, comparison: { ...comparison, found: Diff.add(comparison.found, more) } }
    : known
}

/** What of a difference was not refused before is taken in; which keys are missing is still to be decided on. */
interface Taken {
  readonly known: Known
  readonly difference: Diff.Difference
}

/** Takes what the source holds in a range (as it is here) into the contents and into the pass. */
const write = (known: Known, pass: Pass, range: KeyRange.KeyRange, found: Diff.Difference): Taken => {
  const { difference, refused } = RefusedKeys.sift(known.refused, range, found)
  const { writes } = difference
  let missing = 0
  for (const write of writes) {
    if (known.contents.set(write.key, write.print)) {
      missing += 1
      if (isComparing(known)) known.comparison.fresh.add(write.key)
    }
    pass.write(write)
  }
  return {
    known: counting({ ...known, refused }, { changed: writes.length - missing, missing }),
    difference
  }
}

/** Takes keys that the source has not out of the contents, and into the pass. */
const remove = (known: Known, pass: Pass, keys: Iterable<string>): Known => {
  let { deleted } = known
  for (const key of keys) {
    if (!known.contents.delete(key)) continue
    pass.delete(key)
    deleted += 1
  }
  return { ...known, deleted, refused: RefusedKeys.without(known.refused, keys) }
}

/** Keys are read one by one up to so many; of more, everything is read. */
const mostReadAlone = 64

export const make = Effect.fnUntraced(function* (
  replication: Replication,
  mapping: Mapping,
  doubt: SnapshotCheck.Doubt,
  notices: Notices,
  examine: Examine
): Effect.fn.Return<Courses, never, Watcher> {
  const { deletes, destinationPrefix, maxDeletes, prefix } = replication
  const watcher = yield* Watcher
  const whole = KeyRange.under(prefix)

  /**
   * While keys are held, and in a comparison also if some were held before it, no others go: a source that is being
   * restored has ever fewer to delete, and none in the end.
   */
  const mayGo = (known: Known, gone: number, among: number): boolean => {
    const isHolding = known.held.size > 0 || (isComparing(known) && known.comparison.wasHolding)
    return !isHolding && DeleteLimit.allows(maxDeletes, gone, among)
  }

  /**
   * Of a comparison, keys that it wrote itself, and that the source has not any more, count among all that there are; the
   * others among those that there were.
   */
  const judge = (known: Known, pass: Pass, gone: ReadonlyArray<string>): Known => {
    const { comparison, contents, deleted } = known
    const old = isComparing(known) ? gone.filter((key) => !comparison.fresh.has(key)) : gone
    const isOfAll = old.length === gone.length || DeleteLimit.allows(maxDeletes, gone.length, contents.size)
    const isAllowed = isOfAll && mayGo(known, deleted + old.length, pass.deleted + pass.held)
    return { ...known, ...(isAllowed ? DeletePolicy.condemn(gone) : DeletePolicy.hold(gone)) }
  }

  const without = (keys: Iterable<string>, others: ReadonlySet<string>): ReadonlyArray<string> =>
    Array.from(keys).filter((key) => !others.has(key))

  /** But for those that the destination refuses to delete. */
  const goneBy = ({ contents, refused }: Known, names: ReadonlyArray<string>) =>
    Effect.map(
      inTurns(() => Diff.goneInSteps(contents, mapping, names)),
      (gone) => gone.filter((key) => !RefusedKeys.isDelete(refused, key))
    )

  /** What a read for certain of a few keys (as they are here) says of them goes into the pass. */
  const readAgain = Effect.fnUntraced(function* (known: Known, pass: Pass, keys: ReadonlyArray<string>) {
    const gone: Array<string> = []
    let read = known
    const ranges = keys.length > mostReadAlone ? [KeyRange.under(destinationPrefix)] : keys.map(KeyRange.only)
    for (const range of ranges) {
      const there = KeyRange.original(mapping, range)
      if (Option.isNone(there)) continue
      const found = yield* doubt.confirm(read, there.value)
      const taken = write(read, pass, range, found.difference)
      read = taken.known
      gone.push(...taken.difference.missing)
    }
    return { known: read, gone }
  })

  /**
   * Reads keys that answers of the source lacked, and that it has, as it says of their names. If the answer lacks a key once
   * more, the source contradicts itself, and the key counts as unreadable.
   */
  const readPresent = Effect.fnUntraced(function* (known: Known, pass: Pass, present: ReadonlyArray<string>) {
    if (present.length === 0) return known
    const asked = new Set(present)
    const read = yield* readAgain(known, pass, present)
    const lacking = read.gone.filter((key) => asked.has(key))
    const reason = "a read of it finds nothing, but the source says that it exists"
    return {
      ...read.known,
      absent: new Set(without(read.known.absent, asked)),
      refused: RefusedKeys.withUnreadable(
        read.known.refused,
        lacking.map((key) => ({ key, reason }))
      )
    }
  })

  /**
   * Takes keys that answers of the source lacked out of the contents, and into the pass, if the source says of their names
   * that there were none then. What the token may not read is in no answer: such a key stays as it is.
   */
  const removeAbsent = Effect.fnUntraced(function* (known: Known, pass: Pass, missing: Iterable<string>) {
    const keys = new Map<string, string>()
    for (const key of missing) {
      const there = KeyRange.original(mapping, KeyRange.only(key))
      // The source cannot be asked for a key that is not in the destination prefix: such a key stays.
      if (Option.isSome(there)) keys.set(there.value.prefix, key)
    }
    if (keys.size === 0) return known
    const { absent, created, hidden } = yield* watcher.presence({
      ...watched(replication),
      keys: [...keys.keys()]
    })
    yield* notices.hidden([...hidden])
    const here = (isSo: (key: string) => boolean) =>
      Array.from(keys).flatMap(([there, key]) => (isSo(there) ? [key] : []))
    // A key that was created since was not there when the source was read. Its next answer brings it: to land it now would
    // mix two states of the source.
    const isLater = (key: string) => (created.get(key) ?? 0) > pass.index
    const present = here((key) => !absent.has(key) && !hidden.has(key) && !isLater(key))
    const staying = new Set(without(known.absent, new Set(here((key) => hidden.has(key)))))
    const read = yield* readPresent({ ...known, absent: staying }, pass, present)
    const gone = here((key) => absent.has(key) || isLater(key))
    return remove(read, pass, gone)
  })

  /**
   * Decides on keys of parts of the source that are missing there. A few may go; but where a part has lost all it had,
   * so may others have, and it is looked for what else has gone.
   */
  const decide = Effect.fnUntraced(function* ({ isEmptied, known, missing, pass }: Undecided) {
    if (missing.length === 0) return known
    const staying = { ...known, absent: new Set([...known.absent, ...missing]) }
    // Those of a first comparison go when it is complete.
    if (!deletes || isComparing(known)) return staying
    if (known.held.size > 0) return { ...staying, held: new Set([...known.held, ...missing]) }
    const isFew = !isEmptied && DeletePolicy.isFew(known, missing)
    const isJudged = isFew || missing.every((key) => known.condemned.has(key))
    const gone = isJudged ? missing : yield* goneBy(known, yield* watcher.names(watched(replication)))
    const judged = isJudged ? staying : judge(staying, pass, gone)
    const doomed = isFew ? missing : missing.filter((key) => judged.condemned.has(key))
    const read = yield* readPresent(judged, pass, without(missing, new Set(gone)))
    const left = yield* removeAbsent(read, pass, doomed)
    return { ...left, absent: new Set([...left.absent].filter((key) => left.contents.has(key))) }
  })

  /** Decides on all keys that the source has not, or had not when everything had been said, by its `names` of then. */
  const settle = Effect.fnUntraced(function* (known: Known, pass: Pass, names: ReadonlyArray<string>) {
    const missing = yield* goneBy(known, names)
    // Parts told of deletes while they were compared: those keys are among the names of then.
    const now = yield* watcher.names({ ...watched(replication), before: names })
    const gone = new Set(now === names ? missing : yield* goneBy(known, now))
    // What is there again may hold something else, and may be in none of the parts so far; or it is gone once more.
    const again = [...new Set([...missing, ...known.absent])].filter(
      (key) => !gone.has(key) && known.contents.has(key)
    )
    const read = yield* readAgain(known, pass, again)
    for (const key of read.gone) gone.add(key)
    const counted = counting(read.known, { extra: gone.size })
    if (!deletes || gone.size === 0) return { ...counted, ...DeletePolicy.none }
    const judged = judge(counted, pass, [...gone])
    return { ...(yield* removeAbsent(judged, pass, judged.condemned)), absent: judged.held }
  })

  /** What a snapshot of everything has not goes now, or is held back. */
  const decideAll = Effect.fnUntraced(function* (known: Known, pass: Pass, missing: ReadonlyArray<string>) {
    const judged: Known = { ...known, ...DeletePolicy.none }
    if (!deletes) return judged
    return mayGo(known, known.deleted - pass.deleted + missing.length, pass.held)
      ? yield* removeAbsent(judged, pass, missing)
      : { ...judged, held: new Set(missing) }
  })

  /** Everything up to an index has been said: what the parts had not, and what nobody had, is decided on. */
  const conclude = Effect.fnUntraced(function* (course: Undecided, { index, names, reshaped }: Complete) {
    const { known, pass } = course
    const decided = yield* decide(course)
    const isUnsettled = reshaped || isComparing(known) || decided.held.size + decided.absent.size > 0
    const settled = isUnsettled ? yield* settle(decided, pass, names) : decided
    return told({ ...settled, condemned: DeletePolicy.none.condemned }, pass, index)
  })

  const takeIn = Effect.fnUntraced(function* (
    course: Undecided,
    { difference: found, snapshot }: SnapshotCheck.Compared
  ): Effect.fn.Return<Undecided, ConsulError> {
    const { pass } = course
    const { entries, index, of, range } = snapshot
    const here = KeyRange.rename(mapping, range)
    if (Option.isNone(here)) return course
    const taken = write(course.known, pass, here.value, found)
    const { missing, writes } = taken.difference
    pass.reach(index)
    const { comparison } = taken.known
    const known: Known = {
      ...taken.known,
      comparison: {
        ...comparison,
        compared: comparison.compared + entries.length,
        of: Math.max(comparison.of, of)
      }
    }
    if (KeyRange.equals(range, whole)) {
      const decided = yield* decideAll(counting(known, { extra: missing.length }), pass, missing)
      return told(decided, pass, index)
    }
    return {
      ...course,
      known,
      isBeyond: course.isBeyond || writes.length + missing.length > 0,
      missing: DeletePolicy.missingAfter(course.missing, here.value, missing),
      isEmptied: course.isEmptied || (missing.length > 0 && entries.length === 0)
    }
  })

  /** Takes in what was read of the source, as it is believed. */
  const take = (course: Undecided, compared: SnapshotCheck.Compared): Effect.Effect<Undecided, ConsulError> =>
    Effect.zipRight(notices.snapshot(compared.snapshot), takeIn(course, compared))

  const end = Effect.fnUntraced(function* (course: Undecided): Effect.fn.Return<Course, ConsulError> {
    const { index, isBeyond, pass } = course
    const decided = yield* decide(course)
    return { known: { ...decided, deleted: decided.deleted - course.deleted }, pass, index, isBeyond }
  })

  const follow: Courses["follow"] = Effect.fnUntraced(function* (known, news) {
    const compare = yield* doubt.comparing
    let course = begin(known)
    for (const item of news) {
      if (item._tag === "Complete") {
        yield* examine(course.known, item)
        course = yield* conclude(course, item)
      } else {
        const compared = yield* compare(course.known, item, course.pass.held)
        yield* examine(course.known, compared.snapshot)
        course = yield* take(course, compared)
      }
    }
    return yield* end(course)
  })

  const followConfirmed: Courses["followConfirmed"] = Effect.fnUntraced(function* (known, confirmed) {
    let course = begin(known)
    for (const compared of confirmed) course = yield* take(course, compared)
    return yield* end(course)
  })

  return { follow, followConfirmed }
})
