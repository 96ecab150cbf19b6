/**
 * The status key: the leader writes its status there, and its index guards every transaction.
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

/** Numbers of keys that a pass leaves as they were. */
export interface Remaining {
  /** Held deletes. */
  readonly heldDeletes: number
  /** Keys that did not land before and are not tried again: `unreadable` keys, and keys that the destination refused. */
  readonly refusedWrites: number
  /** Keys that cannot be read at the source. */
  readonly unreadable: number
}

/** Nothing is left: the destination equals the source. */
export const nothingRemaining: Remaining = { heldDeletes: 0, refusedWrites: 0, unreadable: 0 }

/** Sends operations behind the fence and a guard, and returns the entries that Consul answers with. */
export type Transact = (
  guard: Operation,
  operations: ReadonlyArray<Operation>
) => Effect.Effect<ReadonlyArray<KeyValue>, WriterError>

export interface StatusKey {
  /** Whether the status shows no completed comparison of this replication, by any instance. */
  readonly isFirst: boolean
  /** Whether the leader before held deletes, with the same limit. */
  readonly wasHolding: boolean
  /** The guard of a transaction that leaves the status as it is. */
  readonly unchanged: Effect.Effect<Operation>
  /** The operation that writes the longest status that a pass can end with: a batch beside it has room for any other status. */
  readonly longest: (replicated: number, left: Remaining) => Effect.Effect<Operation>
  /** Writes the status of a pass that has applied everything up to an index, in one transaction with `operations`. */
  readonly commit: (
    replicated: number,
    left: Remaining,
    operations: ReadonlyArray<Operation>
  ) => Effect.Effect<void, WriterError>
  /** Fails unless the key is where this leader left it. */
  readonly verify: Effect.Effect<void, ConsulError | CheckpointMoved>
  /** Writes that the source is silent, or that it answers again. Until the next call every status has that state. */
  readonly markSilence: (isSilent: boolean) => Effect.Effect<void, WriterError>
}

/** The services and settings of a status key. */
export interface Options {
  readonly leader: Pick<Leadership, "fence" | "instance" | "service">
  readonly replication: Replication
  /** For the reads and writes of the key. */
  readonly throttle: Throttle.Throttle
  /** Sends operations behind the fence and a guard. */
  readonly transact: Transact
}

/** The state of a status key that this leader has opened. */
interface Opened extends Options {
  readonly checkpoint: Checkpoint["Type"]
  /** ModifyIndex of the key: where this leader left it. */
  readonly guard: Ref.Ref<number>
  /** The last status that was written, with the state of a source that answers. */
  readonly latest: Ref.Ref<Status>
  /** Whether the source is silent. */
  readonly silent: Ref.Ref<boolean>
}

/** The status of this leader now. */
const statusOf = (
  { leader, replication }: Options,
  State: State,
  LastReplicated: number,
  left = nothingRemaining
): Effect.Effect<Status> =>
  Effect.map(
    DateTime.now,
    (Time) =>
      new Status({
        LastReplicated,
        State,
        HeldDeletes: left.heldDeletes,
        MaxDeletes: DeleteLimit.format(replication.maxDeletes),
        RefusedWrites: left.refusedWrites,
        ...fieldsOf(replication),
        Instance: leader.instance,
        Session: leader.fence.session,
        Lock: leader.fence.lock,
        Time
      })
  )

/** Writes a status, and returns the new index of the key. */
const write = Effect.fnUntraced(function* (
  {
    checkpoint,
    replication: { status: key },
    transact
  }: Pick<Opened, "checkpoint" | "replication" | "transact">,
  status: Status,
  index: number,
  operations: ReadonlyArray<Operation>
): Effect.fn.Return<number, WriterError> {
  const results = yield* transact(checkpoint.operation(key, status, index), operations)
  const written = results.find((entry) => entry.key === key)
  return written === undefined ? yield* new CheckpointMoved({ key }) : written.modifyIndex
})

/** Writes a status from the index at which the key was left. */
const writeNext = Effect.fnUntraced(function* (
  opened: Opened,
  status: Status,
  operations: ReadonlyArray<Operation>
): Effect.fn.Return<void, WriterError> {
  const { guard } = opened
  yield* Ref.set(guard, yield* write(opened, status, yield* Ref.get(guard), operations))
})

const silently = (status: Status, isSilent: boolean): Status =>
  isSilent ? new Status({ ...status, State: "source-silent" }) : status

const commit = Effect.fnUntraced(function* (
  opened: Opened,
  replicated: number,
  left: Remaining,
  operations: ReadonlyArray<Operation>
): Effect.fn.Return<void, WriterError> {
  const { latest, silent } = opened
  const { LastReplicated } = yield* Ref.get(latest)
  const state = left.refusedWrites > 0 ? "writes-refused" : left.heldDeletes > 0 ? "deletes-held" : "in-sync"
  const status =
    state === "in-sync"
      ? yield* statusOf(opened, state, replicated)
      : yield* statusOf(opened, state, LastReplicated, left)
  yield* writeNext(opened, silently(status, yield* Ref.get(silent)), operations)
  yield* Ref.set(latest, status)
})

const markSilence = Effect.fnUntraced(function* (
  opened: Opened,
  isSilent: boolean
): Effect.fn.Return<void, WriterError> {
  const { latest, silent } = opened
  if ((yield* Ref.get(silent)) === isSilent) return
  const status = new Status({ ...(yield* Ref.get(latest)), Time: yield* DateTime.now })
  yield* writeNext(opened, silently(status, isSilent), [])
  yield* Ref.set(silent, isSilent)
})

const longest = Effect.fnUntraced(function* (opened: Opened, replicated: number, left: Remaining) {
  const { checkpoint, guard, latest, replication } = opened
  const { LastReplicated } = yield* Ref.get(latest)
  const status = yield* statusOf(opened, "writes-refused", Math.max(LastReplicated, replicated), left)
  return checkpoint.operation(replication.status, status, yield* Ref.get(guard))
})

const verify = Effect.fnUntraced(function* ({
  checkpoint,
  guard,
  replication: { status: key },
  throttle
}: Opened): Effect.fn.Return<void, ConsulError | CheckpointMoved> {
  const { index } = yield* throttle.send(checkpoint.read(key))
  if (index !== (yield* Ref.get(guard))) return yield* new CheckpointMoved({ key })
})

/** The fields of the former status that the new leader goes on with. */
interface Former {
  /** Index of the source up to which everything has landed. */
  readonly replicated: number
  /** Number of keys whose deletion the leader before held, with the same limit. */
  readonly heldDeletes: number
  /** Whether no comparison was completed. */
  readonly isFirst: boolean
}

/** A status of another replication, or of another destination, counts as none. */
const formerOf = (status: Option.Option<Status>, replication: Replication): Former => {
  const former = Option.filter(status, (status) => isAbout(status, replication))
  const maxDeletes = DeleteLimit.format(replication.maxDeletes)
  return {
    replicated: Option.match(former, { onNone: () => 0, onSome: ({ LastReplicated }) => LastReplicated }),
    heldDeletes: Option.match(
      Option.filter(former, ({ MaxDeletes }) => MaxDeletes === maxDeletes),
      { onNone: () => 0, onSome: ({ HeldDeletes }) => HeldDeletes }
    ),
    isFirst: !Option.exists(
      former,
      ({ HeldDeletes, LastReplicated, RefusedWrites }) => LastReplicated + HeldDeletes + RefusedWrites > 0
    )
  }
}

/**
 * Takes over the status of the leader before, and moves the key: transactions of an earlier writer are void from now on. Only
 * one member may run at a time.
 */
export const open = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<StatusKey, WriterError, Checkpoint | ConsulHttp> {
  const { leader, replication, throttle } = options
  const { status: key } = replication
  const checkpoint = yield* Checkpoint
  const stored = yield* Throttle.read(throttle)(checkpoint.read(key))
  if (Option.isSome(stored.status)) {
    yield* throttle.send(StatusOwner.takeOver(stored.status.value, leader, replication))
  }
  const { heldDeletes, isFirst, replicated } = formerOf(stored.status, replication)
  const comparing = yield* statusOf(options, "comparing", replicated, { ...nothingRemaining, heldDeletes })
  const index = yield* write({ ...options, checkpoint }, comparing, stored.index, [])
  const opened: Opened = {
    ...options,
    checkpoint,
    guard: yield* Ref.make(index),
    latest: yield* Ref.make(comparing),
    silent: yield* Ref.make(false)
  }
  return {
    isFirst,
    wasHolding: heldDeletes > 0,
    unchanged: Effect.map(Ref.get(opened.guard), (index) => Operation.CheckIndex({ key, index })),
    longest: (replicated, left) => longest(opened, replicated, left),
    commit: (replicated, left, operations) => commit(opened, replicated, left, operations),
    verify: verify(opened),
    markSilence: (isSilent) => markSilence(opened, isSilent)
  }
})
