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
import type { KeyValue, KeyValues, Malformed } from "../../KeyValue.js"
import { type Replication, watched } from "../../Replication.js"
import { type Snapshot, Watcher } from "../../Watcher.js"
import * as RefusedKeys from "../destination/RefusedKeys.js"
import * as OutageLog from "../report/OutageLog.js"
import * as ReplicationLog from "../report/ReplicationLog.js"
import * as Schedules from "../Schedules.js"
import type { Confirmed } from "./ConsistentReads.js"
import * as DeletePolicy from "./DeletePolicy.js"
import type { Contents } from "./DestinationIndex.js"
import * as Diff from "./Diff.js"
import type { Mapping } from "./Mapping.js"

/** What is known when a snapshot comes. */
export interface Known extends DeletePolicy.Verdict {
  /** What the destination holds, our own keys left out. */
  readonly contents: Contents
  /** What the source said for certain, not long ago. */
  readonly confirmed: Confirmed
  /** What the destination did not take: it holds something else there, and is given that no more with each pass. */
  readonly refused: RefusedKeys.Refused
}

type Write = Diff.Difference["writes"][number]

/** A snapshot whose values are not kept: they may be more than fits memory. */
export interface Seen extends Omit<Snapshot, "entries"> {
  readonly entries: ReadonlyArray<Omit<KeyValue, "value">>
}

/** A snapshot that is believed, and what it changes. */
export interface Compared {
  readonly snapshot: Seen
  readonly difference: Diff.Difference
}

export interface Doubt {
  /**
   * Reads a range of the source to be sure, and remembers what that says. What a range changes that is read in pieces goes to
   * `take` piece by piece, if that is given, and what is missing follows with the range: the writes of heavy values are not
   * all in memory at once then.
   */
  readonly confirm: <E = never>(
    known: Known,
    range: KeyRange.KeyRange,
    take?: (piece: Compared) => Effect.Effect<void, E>
  ) => Effect.Effect<Compared, ConsulError | E>
  /** For one pass, in which it pauses at most once, however many snapshots have to be asked for again. */
  readonly comparing: Effect.Effect<Compare>
  /** Ends its trouble without a log line: this instance does not lead any more. */
  readonly leave: Effect.Effect<void>
}

/** Believes a snapshot, or what the source says for certain instead. `keys` is how many the destination held. */
export type Compare = (known: Known, snapshot: Snapshot, keys: number) => Effect.Effect<Compared, ConsulError>

/** Whether a snapshot was read before something that is certain; one that nobody can doubt can be one that had to wait. */
const isOvertaken = ({ confirmed }: Known, { difference, snapshot: { index } }: Compared): boolean =>
  difference.writes.some(({ key, print }) => confirmed.isNewerThan(key, { index, print })) ||
  difference.missing.some((key) => confirmed.isNewerThan(key, { index, print: undefined }))

export const make = Effect.fnUntraced(function* (
  replication: Replication,
  mapping: Mapping
): Effect.fn.Return<Doubt, never, Watcher | Scope.Scope> {
  const { deletes, maxDeletes, prefix, source } = replication
  const watcher = yield* Watcher
  const doubting = yield* OutageLog.make(`the answers of ${source} hold again`)
  const pace = yield* Schedule.driver(Schedules.lookAgain)
  const wasWrong = yield* Ref.make(false)
  const whole = KeyRange.under(prefix)

  /** Whether the source is empty all of a sudden, or so many keys are gone that the limit may hold them back. */
  const isShrunken = (
    known: Known,
    { difference, snapshot: { entries, range } }: Compared,
    keys: number
  ): boolean => {
    const missing = difference.missing.filter((key) => !RefusedKeys.isDelete(known.refused, key))
    if (missing.length === 0) return false
    const isWhole = KeyRange.equals(range, whole)
    return (
      entries.length === 0 || (deletes && !DeletePolicy.allows(maxDeletes, known, missing, isWhole, keys))
    )
  }

  const asIs = ({ contents }: Known, snapshot: Snapshot): Compared => ({
    snapshot,
    difference: Diff.diff(contents, mapping, snapshot.range, snapshot.entries, snapshot.malformed)
  })

  /** Of the values only those that differ are kept. What lies between the pieces is missing. */
  const confirm = Effect.fnUntraced(function* <E = never>(
    { confirmed, contents }: Known,
    range: KeyRange.KeyRange,
    take?: (piece: Compared) => Effect.Effect<void, E>
  ): Effect.fn.Return<Compared, ConsulError | E> {
    const entries: Array<Seen["entries"][number]> = []
    const unnameable: Array<string> = []
    const malformed: Array<Malformed> = []
    const unreadable: Array<Malformed> = []
    const writes: Array<Write> = []
    const seen = (range: KeyRange.KeyRange, index: number, found: Omit<KeyValues, "entries">): Seen => ({
      _tag: "Snapshot",
      entries: [],
      ...found,
      range,
      index,
      rewound: false,
      isCertain: true,
      of: entries.length
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
        for (const { key, print } of found) confirmed.note(key, { index: answer.index, print })
        for (const { value: _, ...entry } of value.entries) entries.push(entry)
        for (const key of value.unnameable) unnameable.push(key)
        for (const one of value.malformed) malformed.push(one)
        if (take !== undefined && !KeyRange.equals(piece, range)) {
          const snapshot = seen(piece, answer.index, { unnameable: [], malformed: [] })
          return take({ snapshot, difference: { writes: found, missing: [], unreadable: odd } })
        }
        for (const write of found) writes.push(write)
        for (const one of odd) unreadable.push(one)
        return Effect.void
      })
    )
    const names = [...entries, ...malformed].map(({ key }) => key)
    const missing = Diff.gone(contents, mapping, names, range)
    for (const key of missing) confirmed.note(key, { index, print: undefined })
    const snapshot = { ...seen(range, index, { unnameable, malformed }), entries }
    return { snapshot, difference: { writes, missing, unreadable } }
  })

  const compare = Effect.fnUntraced(function* (
    pause: Effect.Effect<void>,
    known: Known,
    first: Snapshot,
    keys: number
  ) {
    const compared = asIs(known, first)
    const isOfAnother = first.rewound && !first.isCertain
    const isLate = isOvertaken(known, compared)
    if (!isOfAnother && !isLate && !isShrunken(known, compared, keys)) {
      // A consistent read says nothing about whether the others can be believed again.
      if (!first.isCertain) {
        yield* doubting.fine
        yield* Ref.set(wasWrong, false)
      }
      return compared
    }
    if (isOfAnother || (yield* Ref.get(wasWrong))) yield* pause
    if (isOfAnother) known.confirmed.clear()
    const certain = yield* confirm(known, first.range)
    // It was right when it was read.
    if (isLate) return certain
    const wrong = compared.difference.missing.length - certain.difference.missing.length
    yield* Ref.set(wasWrong, wrong > 0)
    if (wrong > 0) yield* doubting.trouble("wrong", ReplicationLog.wrong(replication, wrong))
    return certain
  })

  const comparing: Doubt["comparing"] = Effect.map(
    Effect.once(Effect.ignore(pace.next(undefined))),
    (pause) =>
      (...given) =>
        compare(pause, ...given)
  )

  return { confirm, comparing, leave: doubting.forget }
})
