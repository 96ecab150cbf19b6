/**
 * Compares snapshots of the source with the destination, reads the source again where a snapshot may be outdated, and asks a
 * source that has contradicted itself only now and then.
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
import type { ReplicaState } from "../destination/ReplicaState.js"
import * as Outage from "../report/Outage.js"
import { routeOf } from "../report/Route.js"
import * as Schedules from "../Schedules.js"
import type { Compared, Seen } from "./Compared.js"
import * as Diff from "./Diff.js"
import { type Mapping, sourceKeys } from "./Mapping.js"

type Write = Diff.Difference["writes"][number]

export interface SnapshotCheck {
  /**
   * Reads a range of the source consistently, and remembers that. If the range is read in pieces, the changes of each piece go
   * to `use`, if that is given, and what is missing follows with the range: so the writes of heavy values are not all in memory
   * at once.
   */
  readonly confirm: <E = never>(
    state: ReplicaState,
    range: KeyRange.KeyRange,
    use?: (piece: Compared) => Effect.Effect<void, E>
  ) => Effect.Effect<Compared, ConsulError | E>
  /** Compares a snapshot. If it may be older than a consistent read of before, its range is read again. */
  readonly compare: (state: ReplicaState, snapshot: Snapshot) => Effect.Effect<Compared, ConsulError>
  readonly beginPass: Effect.Effect<Pass>
  /** Ends its trouble without an event: this instance does not lead any more. */
  readonly leave: Effect.Effect<void>
}

/** How credible the answers of the source are that a pass applies. */
export interface Pass {
  /** The first use pauses if the answers of the pass before were contradicted. Later uses do nothing. */
  readonly pause: Effect.Effect<void>
  /** Reports that answers lacked so many keys that the source says exist. */
  readonly contradicted: (keys: number) => Effect.Effect<void>
  /** The pass is over: unless its answers were contradicted, the source is believed again. */
  readonly end: Effect.Effect<void>
}

/**
 * Whether this snapshot may be older than a consistent read that we have already used, and would undo what that read returned.
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
  const about = { replication: routeOf(replication) }
  const watcher = yield* Watcher
  /** Reported with the number of keys that an answer lacked. */
  const doubting = yield* Outage.make<number>({
    lasts: (keys, { lasted, phase }) => ({ _tag: "AnswersWrong", ...about, keys, phase, lasted }),
    over: (lasted) => ({ _tag: "AnswersRight", ...about, lasted })
  })
  const pace = yield* Schedule.driver(Schedules.retryDoubtful)
  const lastPassWasWrong = yield* Ref.make(false)

  /** Of the values only those that differ are kept. What lies between the pieces is missing. */
  const confirm = Effect.fnUntraced(function* <E = never>(
    { consistentReads, contents }: ReplicaState,
    range: KeyRange.KeyRange,
    use?: (piece: Compared) => Effect.Effect<void, E>
  ): Effect.fn.Return<Compared, ConsulError | E> {
    const entries: Array<Seen["entries"][number]> = []
    const invalidUtf8Keys: Array<string> = []
    const malformed: Array<Malformed> = []
    const unreadable: Array<Diff.Unreadable> = []
    const writes: Array<Write> = []
    const seen = (range: KeyRange.KeyRange, index: number, read: Omit<KeyValues, "entries">): Seen => ({
      _tag: "Snapshot",
      entries: [],
      ...read,
      range,
      index,
      restarted: false,
      totalKeys: entries.length
    })
    const index = yield* watcher.confirmInPieces({ ...watched(replication), range }, (piece, answer) =>
      Effect.suspend(() => {
        const { value } = answer
        const found = Diff.diff(contents, mapping, piece, value.entries, value.malformed)
        consistentReads.record(piece, answer.index)
        for (const { value: _, ...entry } of value.entries) entries.push(entry)
        for (const key of value.invalidUtf8Keys) invalidUtf8Keys.push(key)
        for (const one of value.malformed) malformed.push(one)
        if (use !== undefined && !KeyRange.equals(piece, range)) {
          const snapshot = seen(piece, answer.index, { invalidUtf8Keys: [], malformed: [] })
          return use({ snapshot, difference: { ...found, missing: [] } })
        }
        for (const write of found.writes) writes.push(write)
        for (const one of found.unreadable) unreadable.push(one)
        return Effect.void
      })
    )
    const names = [...entries, ...malformed].map(({ key }) => key)
    const missing = Diff.gone(contents, mapping, sourceKeys(names), range)
    consistentReads.record(range, index)
    const snapshot = { ...seen(range, index, { invalidUtf8Keys, malformed }), entries }
    return { snapshot, difference: { writes, missing, unreadable } }
  })

  const compare: SnapshotCheck["compare"] = Effect.fnUntraced(function* (state, snapshot) {
    if (snapshot.restarted) state.consistentReads.clear()
    const { entries, malformed, range } = snapshot
    const difference = Diff.diff(state.contents, mapping, range, entries, malformed)
    const compared = { snapshot, difference }
    return isOutdatedBy(state, compared) ? yield* confirm(state, range) : compared
  })

  const beginPass: SnapshotCheck["beginPass"] = Effect.gen(function* () {
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

  return { confirm, compare, beginPass, leave: doubting.forget }
})
