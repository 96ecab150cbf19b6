/**
 * What a snapshot of the source changes at the destination. One that may be wrong is not taken at its word: the source
 * is read again, by servers that know that they are not behind, and what they say counts.
 */
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { ConsulError } from "../../ConsulError.js"
import * as KeyRange from "../../KeyRange.js"
import type { KeyValues, Malformed } from "../../KeyValue.js"
import { type Replication, watched } from "../../Replication.js"
import type { Snapshot } from "../../WatchEvent.js"
import { Watcher } from "../../Watcher.js"
import * as RefusedKeys from "../destination/RefusedKeys.js"
import type { ReplicaState } from "../destination/ReplicaState.js"
import * as Outage from "../report/Outage.js"
import { routeOf } from "../report/Route.js"
import * as Schedules from "../Schedules.js"
import type { Compared, Seen } from "./Compared.js"
import * as DeletePolicy from "./DeletePolicy.js"
import * as Diff from "./Diff.js"
import * as Exclusion from "./Exclusion.js"
import { type Mapping, sourceKeys } from "./Mapping.js"

type Write = Diff.Difference["writes"][number]

export interface SnapshotCheck {
  /**
   * Reads a range of the source to be sure, and remembers what that says. What a range changes that is read in pieces goes to
   * `take` piece by piece, if that is given, and what is missing follows with the range: the writes of heavy values are not
   * all in memory at once then.
   */
  readonly confirm: <E = never>(
    state: ReplicaState,
    range: KeyRange.KeyRange,
    take?: (piece: Compared) => Effect.Effect<void, E>
  ) => Effect.Effect<Compared, ConsulError | E>
  /** For one pass, in which it pauses at most once, however many snapshots have to be asked for again. */
  readonly checker: Effect.Effect<Check>
  /** Ends its trouble without an event: this instance does not lead any more. */
  readonly leave: Effect.Effect<void>
}

/** Believes a snapshot, or what the source says for certain instead. `keys` is how many the destination held. */
export type Check = (
  state: ReplicaState,
  snapshot: Snapshot,
  keys: number
) => Effect.Effect<Compared, ConsulError>

/**
 * Whether this snapshot may be older than a consistent read that we have already used, and would undo what that read said.
 * Even a consistent snapshot can be: it may have waited in the queue.
 */
const isOutdatedBy = (
  { consistentReads }: ReplicaState,
  { difference, snapshot: { index, range } }: Compared
): boolean =>
  difference.writes.length + difference.missing.length > 0 && consistentReads.overrules(range, index)

export const make = Effect.fnUntraced(function* (
  replication: Replication,
  mapping: Mapping
): Effect.fn.Return<SnapshotCheck, never, Watcher | Scope.Scope> {
  const { deletes, maxDeletes, prefix } = replication
  const about = { replication: routeOf(replication) }
  const watcher = yield* Watcher
  /** Reported with the number of keys that an answer lacked. */
  const doubting = yield* Outage.make<number>({
    lasts: (keys, { lasted, phase }) => ({ _tag: "AnswersWrong", ...about, keys, phase, lasted }),
    over: (lasted) => ({ _tag: "AnswersRight", ...about, lasted })
  })
  const pace = yield* Schedule.driver(Schedules.retryDoubtful)
  const lastAnswerWasWrong = yield* Ref.make(false)
  const whole = KeyRange.under(prefix)

  /** Whether the source is empty all of a sudden, or so many keys are gone that the limit may hold them back. */
  const isShrunken = (
    state: ReplicaState,
    { difference, snapshot: { entries, range } }: Compared,
    keys: number
  ): boolean => {
    const missing = difference.missing.filter((key) => !RefusedKeys.isDelete(state.refused, key))
    if (missing.length === 0) return false
    const isWhole = KeyRange.equals(range, whole)
    return (
      Exclusion.coversAll(mapping.excluded.atSource, entries) ||
      (deletes && DeletePolicy.isSuspicious(state, maxDeletes, missing, isWhole, keys))
    )
  }

  const compareUnchecked = ({ contents }: ReplicaState, snapshot: Snapshot): Compared => ({
    snapshot,
    difference: Diff.diff(contents, mapping, snapshot.range, snapshot.entries, snapshot.malformed)
  })

  /** Of the values only those that differ are kept. What lies between the pieces is missing. */
  const confirm = Effect.fnUntraced(function* <E = never>(
    { consistentReads, contents }: ReplicaState,
    range: KeyRange.KeyRange,
    take?: (piece: Compared) => Effect.Effect<void, E>
  ): Effect.fn.Return<Compared, ConsulError | E> {
    const entries: Array<Seen["entries"][number]> = []
    const invalidUtf8Keys: Array<string> = []
    const malformed: Array<Malformed> = []
    const unreadable: Array<Diff.Unreadable> = []
    const writes: Array<Write> = []
    const seen = (range: KeyRange.KeyRange, index: number, found: Omit<KeyValues, "entries">): Seen => ({
      _tag: "Snapshot",
      entries: [],
      ...found,
      range,
      index,
      restarted: false,
      totalKeys: entries.length
    })
    const index = yield* watcher.confirmInPieces({ ...watched(replication), range }, (piece, answer) =>
      Effect.suspend(() => {
        const { value } = answer
        const { unreadable: odd, writes: found } = Diff.diff(
          contents,
          mapping,
          piece,
          value.entries,
          value.malformed
        )
        consistentReads.record(piece, answer.index)
        for (const { value: _, ...entry } of value.entries) entries.push(entry)
        for (const key of value.invalidUtf8Keys) invalidUtf8Keys.push(key)
        for (const one of value.malformed) malformed.push(one)
        if (take !== undefined && !KeyRange.equals(piece, range)) {
          const snapshot = seen(piece, answer.index, { invalidUtf8Keys: [], malformed: [] })
          return take({ snapshot, difference: { writes: found, missing: [], unreadable: odd } })
        }
        for (const write of found) writes.push(write)
        for (const one of odd) unreadable.push(one)
        return Effect.void
      })
    )
    const names = [...entries, ...malformed].map(({ key }) => key)
    const missing = Diff.gone(contents, mapping, sourceKeys(names), range)
    consistentReads.record(range, index)
    const snapshot = { ...seen(range, index, { invalidUtf8Keys, malformed }), entries }
    return { snapshot, difference: { writes, missing, unreadable } }
  })

  const compare = Effect.fnUntraced(function* (
    pause: Effect.Effect<void>,
    state: ReplicaState,
    first: Snapshot,
    keys: number
  ) {
    if (first.restarted) state.consistentReads.clear()
    const compared = compareUnchecked(state, first)
    const isOutdated = isOutdatedBy(state, compared)
    const isDoubtful = isOutdated || isShrunken(state, compared, keys)
    if ((first.restarted || isDoubtful) && (yield* Ref.get(lastAnswerWasWrong))) yield* pause
    if (!isDoubtful) {
      // A range that was read anew says nothing about whether the answers of blocking queries can be believed again.
      if (!first.restarted) {
        yield* doubting.resolve
        yield* Ref.set(lastAnswerWasWrong, false)
      }
      return compared
    }
    const certain = yield* confirm(state, first.range)
    // It was right when it was read.
    if (isOutdated) return certain
    const wrong = compared.difference.missing.length - certain.difference.missing.length
    yield* Ref.set(lastAnswerWasWrong, wrong > 0)
    if (wrong > 0) yield* doubting.report("wrong", wrong)
    return certain
  })

  const comparing: SnapshotCheck["checker"] = Effect.map(
    Effect.once(Effect.ignore(pace.next(undefined))),
    (pause) =>
      (...given) =>
        compare(pause, ...given)
  )

  return { confirm, checker: comparing, leave: doubting.forget }
})
