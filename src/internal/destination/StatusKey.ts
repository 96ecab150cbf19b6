/**
 * The status key, as the leader writes it: what it says, and the index that guards every transaction.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import { Checkpoint, fieldsOf, isAbout, type State, Status } from "../../Checkpoint.js"
import type { ConsulError } from "../../ConsulError.js"
import type { ConsulHttp } from "../../ConsulHttp.js"
import * as DeleteLimit from "../../DeleteLimit.js"
import type { KeyValue } from "../../KeyValue.js"
import type { Leadership } from "../../LeaderLock.js"
import { Operation } from "../../Operation.js"
import type { Replication } from "../../Replication.js"
import * as Throttle from "../consul/Throttle.js"
import * as StatusOwner from "./StatusOwner.js"
import { CheckpointMoved, type WriterError } from "./WriterError.js"

/** What a pass leaves as it was, in numbers of keys. */
export interface Remaining {
  /** Keys whose deletion is held back. */
  readonly heldDeletes: number
  /** Keys that did not land before and are not tried again: `unreadable`, and those that the destination refused. */
  readonly refusedWrites: number
  /** Keys that cannot be read at the source. */
  readonly unreadable: number
}

export const nothingRemaining: Remaining = { heldDeletes: 0, refusedWrites: 0, unreadable: 0 }

/** Sends operations behind the fence and a guard, and returns the entries that Consul answers with. */
export type Transact = (
  guard: Operation,
  operations: ReadonlyArray<Operation>
) => Effect.Effect<ReadonlyArray<KeyValue>, WriterError>

export interface StatusKey {
  /** Whether no instance has completed a comparison of this replication yet, as far as the status tells. */
  readonly isFirst: boolean
  /** Whether deletes were held back before, by the same limit. */
  readonly wasHolding: boolean
  /** The guard of a transaction that leaves the status as it is. */
  readonly unchanged: Effect.Effect<Operation>
  /** The operation that writes the longest status that a pass can end with: it leaves room for any other. */
  readonly longest: (replicated: number, left: Remaining) => Effect.Effect<Operation>
  /** Writes the status of a pass that has applied everything up to an index, in one transaction with `operations`. */
  readonly commit: (
    replicated: number,
    left: Remaining,
    operations: ReadonlyArray<Operation>
  ) => Effect.Effect<void, WriterError>
  /** Fails unless the key is where this leader left it. */
  readonly verify: Effect.Effect<void, ConsulError | CheckpointMoved>
  /** Writes that the source is silent, or that it is heard again. Until the next call no other state is written. */
  readonly markSilence: (isSilent: boolean) => Effect.Effect<void, WriterError>
}

/**
 * Takes over the status of the leader before, and moves the key: transactions of an earlier writer are void from now on. Only
 * one member may run at a time.
 */
export const open = Effect.fnUntraced(function* (options: {
  readonly leader: Pick<Leadership, "fence" | "instance" | "service">
  readonly replication: Replication
  readonly throttle: Throttle.Throttle
  readonly transact: Transact
}): Effect.fn.Return<StatusKey, WriterError, Checkpoint | ConsulHttp> {
  const checkpoint = yield* Checkpoint
  const { leader, replication, throttle, transact } = options
  const { fence } = leader
  const { status: key } = replication
  const maxDeletes = DeleteLimit.format(replication.maxDeletes)

  const statusOf = (State: State, LastReplicated: number, left = nothingRemaining) =>
    Effect.map(
      DateTime.now,
      (Time) =>
        new Status({
          LastReplicated,
          State,
          HeldDeletes: left.heldDeletes,
          MaxDeletes: maxDeletes,
          RefusedWrites: left.refusedWrites,
          ...fieldsOf(replication),
          Instance: leader.instance,
          Session: fence.session,
          Lock: fence.lock,
          Time
        })
    )

  /** Writes a status, and returns the new index of the key. */
  const write = Effect.fnUntraced(function* (
    status: Status,
    index: number,
    operations: ReadonlyArray<Operation>
  ) {
    const results = yield* transact(checkpoint.operation(key, status, index), operations)
    const written = results.find((entry) => entry.key === key)
    return written === undefined ? yield* new CheckpointMoved({ key }) : written.modifyIndex
  })

  const found = yield* Throttle.read(throttle)(checkpoint.read(key))
  if (Option.isSome(found.status)) {
    yield* throttle.send(StatusOwner.takeOver(found.status.value, leader, replication))
  }
  const before = Option.filter(found.status, (status) => isAbout(status, replication))
  const landed = Option.match(before, { onNone: () => 0, onSome: (status) => status.LastReplicated })
  const heldBefore = Option.match(
    Option.filter(before, ({ MaxDeletes }) => MaxDeletes === maxDeletes),
    { onNone: () => 0, onSome: ({ HeldDeletes }) => HeldDeletes }
  )
  const isFirst = !Option.exists(
    before,
    ({ HeldDeletes, LastReplicated, RefusedWrites }) => LastReplicated + HeldDeletes + RefusedWrites > 0
  )
  const comparing = yield* statusOf("comparing", landed, { ...nothingRemaining, heldDeletes: heldBefore })
  const guard = yield* Ref.make(yield* write(comparing, found.index, []))
  /** The last status that was written, as it is while the source is heard. */
  const latest = yield* Ref.make(comparing)
  const silent = yield* Ref.make(false)

  const show = (status: Status) =>
    Effect.map(Ref.get(silent), (isSilent) =>
      isSilent ? new Status({ ...status, State: "source-silent" }) : status
    )

  const commit: StatusKey["commit"] = Effect.fnUntraced(function* (replicated, left, operations) {
    const { LastReplicated } = yield* Ref.get(latest)
    const state =
      left.refusedWrites > 0 ? "writes-refused" : left.heldDeletes > 0 ? "deletes-held" : "in-sync"
    const status =
      state === "in-sync" ? yield* statusOf(state, replicated) : yield* statusOf(state, LastReplicated, left)
    yield* Ref.set(guard, yield* write(yield* show(status), yield* Ref.get(guard), operations))
    yield* Ref.set(latest, status)
  })

  const markSilence: StatusKey["markSilence"] = Effect.fnUntraced(function* (isSilent) {
    if ((yield* Ref.get(silent)) === isSilent) return
    const status = new Status({ ...(yield* Ref.get(latest)), Time: yield* DateTime.now })
    const marked = isSilent ? new Status({ ...status, State: "source-silent" }) : status
    yield* Ref.set(guard, yield* write(marked, yield* Ref.get(guard), []))
    yield* Ref.set(silent, isSilent)
  })

  return {
    isFirst,
    wasHolding: heldBefore > 0,
    unchanged: Effect.map(Ref.get(guard), (index) => Operation.CheckIndex({ key, index })),
    longest: Effect.fnUntraced(function* (replicated, left) {
      const { LastReplicated } = yield* Ref.get(latest)
      const status = yield* statusOf("writes-refused", Math.max(LastReplicated, replicated), left)
      return checkpoint.operation(key, status, yield* Ref.get(guard))
    }),
    commit,
    verify: Effect.gen(function* () {
      const { index } = yield* throttle.send(checkpoint.read(key))
      if (index !== (yield* Ref.get(guard))) return yield* new CheckpointMoved({ key })
    }),
    markSilence
  }
})
