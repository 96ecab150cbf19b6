/**
 * Compares snapshots of the source with the destination. Reads a range again if its snapshot may be outdated, and slows down the
 * questions to a source that has contradicted itself.
 */
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { ConsulError } from "../../ConsulError.js"
import * as KeyRange from "../../KeyRange.js"
import type { KeyValues, Malformed } from "../../KeyValue.js"
import { type Replication, watched } from "../../Replication.js"
import { Watcher } from "../../Watcher.js"
import * as RequestTimes from "../consul/RequestTimes.js"
import type { ReplicaState } from "../destination/ReplicaState.js"
import * as Outage from "../report/Outage.js"
import { routeOf } from "../report/Route.js"
import type { Snapshot } from "../source/WatchEvent.js"
import type { Compared, ValuelessSnapshot } from "./Compared.js"
import * as Diff from "./Diff.js"
import { type Mapping, sourceKeys } from "./Mapping.js"

/**
 * The pauses between a doubtful answer of the source and the read that confirms or corrects it. A source that answers wrongly
 * all the time is asked every 5 s, and a few times more at the beginning of each minute.
 */
const retryDoubtful = RequestTimes.reconnect.pipe(Schedule.resetAfter("1 minute"))

type Write = Diff.Difference["writes"][number]

export interface SnapshotCheck {
  /**
   * Reads a range of the source consistently, and records that in `consistentReads` of the state. If the range is read in
   * pieces and `use` is given, `use` is called with the writes of each piece, and only the missing keys are returned: so the
   * writes of heavy values are not all in memory at once.
   */
  readonly confirm: <E = never>(
    state: ReplicaState,
    range: KeyRange.KeyRange,
    use?: (piece: Compared) => Effect.Effect<void, E>
  ) => Effect.Effect<Compared, ConsulError | E>
  /** Compares a snapshot. If the snapshot may be older than a consistent read that was used, reads its range again. */
  readonly compare: (state: ReplicaState, snapshot: Snapshot) => Effect.Effect<Compared, ConsulError>
  /** Begins a pass, with the credibility that the pass before has left. */
  readonly beginPass: Effect.Effect<Pass>
  /** Ends the trouble `AnswersWrong` without an event: this instance does not lead any more. */
  readonly leave: Effect.Effect<void>
}

/** The credibility of the answers of the source that one pass applies. */
export interface Pass {
  /** The first use pauses if the answers of the pass before were contradicted. Later uses do nothing. */
  readonly pause: Effect.Effect<void>
  /** Reports that the answers lacked `keys` keys that the source has. */
  readonly contradicted: (keys: number) => Effect.Effect<void>
  /** Ends the pass. If its answers were not contradicted, the answers of the next pass are credible. */
  readonly end: Effect.Effect<void>
}

/**
 * Whether this snapshot may be older than a consistent read that we have already used, and would undo the changes of that read.
 * Even a consistent snapshot can be: it may have waited in the queue.
 */
const isOutdatedBy = (
  { consistentReads }: ReplicaState,
  { difference, snapshot: { index, range } }: Compared
): boolean =>
  difference.writes.length + difference.missing.length > 0 && consistentReads.overrules(range, index)

/** The services and the state of the check of one replication. */
interface Checking {
  readonly replication: Replication
  readonly mapping: Mapping
  readonly watcher: Watcher["Type"]
  /** Lasts while answers are contradicted. It is reported with the number of keys that an answer lacked. */
  readonly doubting: Outage.OwnOutage<number>
  /** The pauses between passes of a source that has contradicted itself. */
  readonly pace: Schedule.ScheduleDriver<unknown, unknown>
  /** Whether the answers of the last pass were contradicted. */
  readonly lastPassWasWrong: Ref.Ref<boolean>
}

const valuelessSnapshot = (
  range: KeyRange.KeyRange,
  index: number,
  totalKeys: number,
  read: Omit<KeyValues, "entries">
): ValuelessSnapshot => ({
  _tag: "Snapshot",
  entries: [],
  ...read,
  range,
  index,
  restarted: false,
  totalKeys
})

/** Keeps only the values that differ. A key of the destination that is in none of the pieces is missing. */
const confirm = Effect.fnUntraced(function* <E = never>(
  { mapping, replication, watcher }: Checking,
  { consistentReads, contents }: ReplicaState,
  range: KeyRange.KeyRange,
  use?: (piece: Compared) => Effect.Effect<void, E>
): Effect.fn.Return<Compared, ConsulError | E> {
  const entries: Array<ValuelessSnapshot["entries"][number]> = []
  const invalidUtf8Keys: Array<string> = []
  const malformed: Array<Malformed> = []
  const unreadable: Array<Diff.Unreadable> = []
  const writes: Array<Write> = []
  const index = yield* watcher.confirmInPieces({ ...watched(replication), range }, (piece, answer) =>
    Effect.suspend(() => {
      const { value } = answer
      const difference = Diff.diff(contents, mapping, piece, value.entries, value.malformed)
      consistentReads.record(piece, answer.index)
      for (const { value: _, ...entry } of value.entries) entries.push(entry)
      for (const key of value.invalidUtf8Keys) invalidUtf8Keys.push(key)
      for (const one of value.malformed) malformed.push(one)
      if (use !== undefined && !KeyRange.equals(piece, range)) {
        const nothingElse = { invalidUtf8Keys: [], malformed: [] }
        const snapshot = valuelessSnapshot(piece, answer.index, entries.length, nothingElse)
        return use({ snapshot, difference: { ...difference, missing: [] } })
      }
      for (const write of difference.writes) writes.push(write)
      for (const one of difference.unreadable) unreadable.push(one)
      return Effect.void
    })
  )
  const names = [...entries, ...malformed].map(({ key }) => key)
  const missing = Diff.gone(contents, mapping, sourceKeys(names), range)
  consistentReads.record(range, index)
  const read = { invalidUtf8Keys, malformed }
  const snapshot = { ...valuelessSnapshot(range, index, entries.length, read), entries }
  return { snapshot, difference: { writes, missing, unreadable } }
})

const compare = (
  checking: Checking,
  state: ReplicaState,
  snapshot: Snapshot
): Effect.Effect<Compared, ConsulError> =>
  Effect.suspend(() => {
    if (snapshot.restarted) state.consistentReads.clear()
    const { entries, malformed, range } = snapshot
    const difference = Diff.diff(state.contents, checking.mapping, range, entries, malformed)
    const compared = { snapshot, difference }
    return isOutdatedBy(state, compared) ? confirm(checking, state, range) : Effect.succeed(compared)
  })

const beginPass = Effect.fnUntraced(function* ({
  doubting,
  lastPassWasWrong,
  pace
}: Checking): Effect.fn.Return<Pass> {
  const wasWrong = yield* Ref.get(lastPassWasWrong)
  const isWrong = yield* Ref.make(false)
  return {
    pause: yield* Effect.once(wasWrong ? Effect.ignore(pace.next(undefined)) : Effect.void),
    contradicted: (keys) => Effect.zipRight(Ref.set(isWrong, true), doubting.report("wrong", keys)),
    end: Effect.flatMap(Ref.get(isWrong), (isWrong) =>
      Effect.zipRight(Ref.set(lastPassWasWrong, isWrong), isWrong ? Effect.void : doubting.resolve)
    )
  }
})

export const make = Effect.fnUntraced(function* (
  replication: Replication,
  mapping: Mapping
): Effect.fn.Return<SnapshotCheck, never, Watcher | Scope.Scope> {
  const about = { replication: routeOf(replication) }
  const doubting = yield* Outage.make<number>({
    lasts: (keys, { lasted, phase }) => ({ _tag: "AnswersWrong", ...about, keys, phase, lasted }),
    over: (lasted) => ({ _tag: "AnswersRight", ...about, lasted })
  })
  const checking: Checking = {
    replication,
    mapping,
    watcher: yield* Watcher,
    doubting,
    pace: yield* Schedule.driver(retryDoubtful),
    lastPassWasWrong: yield* Ref.make(false)
  }
  return {
    confirm: (state, range, use) => confirm(checking, state, range, use),
    compare: (state, snapshot) => compare(checking, state, snapshot),
    beginPass: beginPass(checking),
    leave: doubting.forget
  }
})
