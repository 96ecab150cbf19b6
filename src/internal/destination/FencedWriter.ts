/**
 * Lands changes at the destination, so that nothing lands late: not after the lock was lost, and not after this
 * instance itself has given up on it and looked again.
 *
 * Every transaction starts with two checks. The fence: our session holds the lock. The guard: the status key is
 * where this writer left it. Opening a writer moves the status key, which voids whatever earlier writers still have
 * in the network; what is read after that stays read. The last transaction of a pass writes the checkpoint in place
 * of checking the guard.
 *
 * A value that fits no transaction goes by a PUT of its own, which the end of the session voids: see LargePut. A key that
 * the destination refuses is left out, and all the rest lands. A transaction that was refused for the rate of requests
 * changed nothing, and is sent again as it is. After any other failure both sides must be compared anew, also when the
 * servers had no leader: by the time that they have one, the lock and the status may be others'.
 */
import * as Arr from "effect/Array"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import { Checkpoint, isAbout, type State, Status } from "../../Checkpoint.js"
import { type Conflict, type ConsulError, Denied, isDenial, type TooLarge } from "../../ConsulError.js"
import { ConsulHttp, type TransactionOptions } from "../../ConsulHttp.js"
import * as DeleteLimit from "../../DeleteLimit.js"
import { type Leadership, LockLost } from "../../LeaderLock.js"
import { Operation } from "../../Operation.js"
import type { Replication } from "../../Replication.js"
import * as Rights from "../consul/Rights.js"
import * as Throttle from "../consul/Throttle.js"
import type { Changes, Write } from "../plan/Diff.js"
import { isReplicated } from "../plan/Mapping.js"
import * as TransactionLog from "../report/TransactionLog.js"
import * as InFlight from "./InFlight.js"
import * as LargePut from "./LargePut.js"
import { KeyRefused, KeyTooLarge, type Refusal } from "./Refusal.js"
import * as StatusOwner from "./StatusOwner.js"
import {
  type Batch,
  bytesOf,
  defaultLimits,
  fenceOperation,
  halve,
  headOperations,
  type Limits,
  type Packed,
  pack,
  valueBytes,
  valueLimit
} from "./TransactionBatches.js"
import { CheckpointMoved, KeyOutsidePrefix, LimitLowered, type WriterError } from "./WriterError.js"

export type { Refusal } from "./Refusal.js"
export { CheckpointMoved, type WriterError } from "./WriterError.js"

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

/**
 * What outlives the writers of a process, since it is learned from what they failed with.
 */
export interface Memory {
  readonly limits: Ref.Ref<Limits>
  readonly largePuts: LargePut.Memory
  /** For all that is sent to the destination's servers by way of a writer. */
  readonly throttle: Throttle.Throttle
}

export const makeMemory: Effect.Effect<Memory, never, Scope.Scope> = Effect.all({
  limits: Ref.make(defaultLimits),
  largePuts: LargePut.makeMemory,
  throttle: Throttle.make("writes")
})

export interface FencedWriter {
  /** Whether no instance has completed a comparison of this replication yet, as far as the status tells. */
  readonly isFirst: boolean
  /** Whether deletes were held back when it was opened: by the same limit, be it by this instance or by another. */
  readonly wasHolding: boolean
  /**
   * Writes a part of a pass, all large values first, and leaves the checkpoint as it was. Returns while the last transactions
   * are still in flight. Their failures, and the keys that Consul refused in them, are reported by the next `write` or
   * `commit`. After a failure some writes may have landed or may still land: open a new writer and compare.
   */
  readonly write: (
    writes: ReadonlyArray<Write>,
    left?: Remaining
  ) => Effect.Effect<ReadonlyArray<Refusal>, WriterError>
  /**
   * Writes all large values, then all writes, then all deletes. The checkpoint is in the last transaction. It says that
   * everything up to the source's `index` has landed. If something is `left`, it says how much, with the index of before.
   * Changes that fit one transaction land as one; of more, several are in flight at once. Returns the keys that Consul
   * refused; the checkpoint counts them among what is left. After a failure some changes may have landed or may still land,
   * until another writer is opened: open one and compare.
   */
  readonly commit: (
    changes: Changes,
    index: number,
    left?: Remaining
  ) => Effect.Effect<ReadonlyArray<Refusal>, WriterError>
  /**
   * Fails with `CheckpointMoved` unless the status key is where this writer left it. It moves without this writer when
   * somebody else writes it, and when the destination is restored from a snapshot: then nothing that was read before
   * tells what the destination holds, whatever the indexes say.
   */
  readonly verifyStatus: Effect.Effect<void, ConsulError | CheckpointMoved>
  /**
   * Marks the status as that of a source that is silent, or that is heard again: until the next call no other state is
   * written. `LastReplicated` stays. Waits for `stage` and `apply`, and for the transactions in flight.
   */
  readonly markSilence: (isSilent: boolean) => Effect.Effect<void, WriterError>
}

/**
 * Consul commits transactions that arrive together in fewer writes to its log: 30,000 keys a second one transaction
 * after another, 70,000 with eight under way, and hardly more with more. Twice as many keep it busy while this process
 * reads and compares what comes next: a first copy of 100,000 keys takes 2.2 s instead of 2.5.
 */
const transactionsInFlight = 16

/** So many keys may be refused before a writer fails: each is looked up, and tried again. Of more, it is not about keys. */
const mostRefused = 1_000

/** What is ready to land, behind a head of so many bytes. */
interface Prepared extends Omit<Packed, "large"> {
  readonly headBytes: number
}

const keyOf = ({ key }: Write): string => key

/**
 * Opens a writer for a leader: ends the session of the leader before, and takes over its status, unless that one holds
 * another lock. Its transactions end with its scope. Fails where the session of the leader was given up.
 */
export const open = Effect.fn("Writer.open")(function* (options: {
  readonly leader: Pick<Leadership, "fence" | "instance" | "report" | "service">
  readonly memory: Memory
  readonly replication: Replication
}) {
  const consul = yield* ConsulHttp
  const checkpoint = yield* Checkpoint
  const { leader, memory, replication } = options
  const { limits, throttle } = memory
  const { fence } = leader
  const { status: key } = replication
  const largePut = yield* LargePut.make(fence, memory.largePuts, throttle)
  yield* largePut.unlessGivenUp
  const maxDeletes = DeleteLimit.format(replication.maxDeletes)
  const lockLost = (reason: string) => new LockLost({ lock: fence.lock, reason })

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
          Source: replication.source,
          Prefix: replication.prefix,
          DestinationPrefix: replication.destinationPrefix,
          Instance: leader.instance,
          Session: fence.session,
          Lock: fence.lock,
          Time
        })
    )

  /** Sends the operations behind the fence and `guard`. */
  const transact = (guard: Operation, operations: ReadonlyArray<Operation>, options?: TransactionOptions) => {
    const all = [fenceOperation(fence), guard, ...operations]
    return throttle.send(TransactionLog.ofTransaction(all)(consul.transaction(all, options))).pipe(
      Effect.mapError((error) => {
        const [first] = error._tag === "Conflict" ? error.failures : []
        if (first === undefined || first.operation >= headOperations) return error
        const { key = "", operation, reason } = first
        if (isDenial(reason)) {
          const operation = first.operation === 0 ? fenceOperation(fence) : guard
          return new Denied({
            request: error.request,
            reason: `${reason} for ${JSON.stringify(key)}`,
            right: Rights.ofOperation(operation),
            isAnonymous: consul.endpoint.token === undefined
          })
        }
        return operation === 0 ? lockLost(reason) : new CheckpointMoved({ key })
      })
    )
  }

  /** Writes the status, with whatever else the transaction holds, and answers with the new index of its key. */
  const writeStatus = Effect.fnUntraced(function* (
    status: Status,
    index: number,
    operations: ReadonlyArray<Operation>
  ) {
    const results = yield* transact(checkpoint.operation(key, status, index), operations)
    const written = results.find((entry) => entry.key === key)
    return written === undefined ? yield* new CheckpointMoved({ key }) : written.modifyIndex
  })

  const found = yield* throttle.send(checkpoint.read(key))
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
  const lastReplicated = yield* Ref.make(landed)
  const comparing = yield* statusOf("comparing", landed, { ...nothingRemaining, heldDeletes: heldBefore })
  const guard = yield* Ref.make(yield* writeStatus(comparing, found.index, []))

  /** One at a time writes the status. */
  const turns = yield* Effect.makeSemaphore(1)
  const inTurn = turns.withPermits(1)
  /** The last that was written, if the source had not been silent. */
  let latest = comparing
  let isSilent = false

  const shown = (status: Status): Status =>
    isSilent ? new Status({ ...status, State: "source-silent" }) : status

  /** What was refused and not told yet, and how many keys the destination had refused before. */
  let pendingRefusals: ReadonlyArray<Refusal> = []
  let refusedBefore = 0

  const refuse = (refusals: ReadonlyArray<Refusal>) =>
    Effect.sync(() => {
      pendingRefusals = [...pendingRefusals, ...refusals]
    })

  /** Nothing of these keys is under way: what was said of them is out of date. */
  const dropOutdated = (keys: Iterable<string>, { refusedWrites, unreadable }: Remaining) =>
    Effect.sync(() => {
      refusedBefore = refusedWrites - unreadable
      if (pendingRefusals.length === 0) return
      const again = new Set(keys)
      pendingRefusals = pendingRefusals.filter(({ key }) => !again.has(key))
    })

  const drainRefusals = Effect.sync(() => {
    const told = pendingRefusals
    pendingRefusals = []
    return told
  })

  /** The last line of defence, whatever was believed before. */
  const owned = new Set([fence.lock, key])
  const scope = { destinationPrefix: replication.destinationPrefix, owned }
  const onlyReplicated = ({ deletes, writes }: Changes) => {
    const key =
      writes.find((write) => !isReplicated(scope, write.key))?.key ??
      deletes.find((deleted) => !isReplicated(scope, deleted))
    return key === undefined
      ? Effect.void
      : Effect.fail(new KeyOutsidePrefix({ key, prefix: replication.destinationPrefix }))
  }

  /** Lands what is too large for a transaction, and packs the rest, which goes behind the fence and `guard`. */
  const prepare = Effect.fnUntraced(function* (
    changes: Changes,
    guard: Operation
  ): Effect.fn.Return<Prepared, WriterError> {
    yield* onlyReplicated(changes)
    yield* largePut.unlessGivenUp
    const headBytes = bytesOf([fenceOperation(fence), guard])
    const { large, ...packed } = pack(changes, headBytes, yield* Ref.get(limits))
    for (const write of large) yield* refuse(Option.toArray(yield* largePut.put(write)))
    return { ...packed, headBytes }
  })

  /** Fails, and leaves smaller limits to the next writer. */
  const lowerLimits = (
    refused: Batch,
    headBytes: number,
    limit: Exclude<keyof Limits, "value">,
    error: TooLarge
  ) =>
    Ref.modify(limits, (before) => {
      const lowered = halve(before, refused, headBytes, limit)
      return [lowered, Option.getOrElse(lowered, () => before)] as const
    }).pipe(
      Effect.flatMap((lowered) =>
        Effect.fail(Option.isNone(lowered) ? error : new LimitLowered({ limits: lowered.value }))
      )
    )

  /** What is left of a batch without the values that are larger than the destination takes. */
  const withoutTooLarge = Effect.fnUntraced(function* (batch: Batch, error: TooLarge) {
    const limit = valueLimit(batch, error.reason)
    if (Option.isNone(limit)) return yield* error
    const most = limit.value
    yield* Ref.update(limits, (before) => ({ ...before, value: Math.min(before.value, most) }))
    const rest: Array<Operation> = []
    const refusals: Array<Refusal> = []
    for (const operation of batch) {
      const bytes = operation._tag === "Set" ? valueBytes(operation.value) : 0
      if (bytes <= most) rest.push(operation)
      else {
        const reason = `${bytes} bytes, and one value may have ${most}`
        refusals.push(new KeyTooLarge({ key: operation.key, reason }))
      }
    }
    yield* refuse(refusals)
    return rest
  })

  /** What is left of a batch without the operations that were refused, if those are not too many. */
  const withoutRefused = Effect.fnUntraced(function* (batch: Batch, error: Conflict) {
    const reasons = new Map(
      error.failures.map(({ operation, reason }) => [operation - headOperations, reason])
    )
    const refusals = batch.flatMap(({ key }, at) => {
      const reason = reasons.get(at)
      return reason === undefined ? [] : [new KeyRefused({ key, reason })]
    })
    const isTooMany = refusedBefore + pendingRefusals.length + refusals.length > mostRefused
    if (refusals.length === 0 || isTooMany) return yield* error
    yield* refuse(refusals)
    return batch.filter((_, at) => !reasons.has(at))
  })

  /** Sends a batch, and what is left of it when keys are refused. */
  const sendOrSplit = <A>(
    batch: Batch,
    headBytes: number,
    transaction: (batch: Batch) => Effect.Effect<A, WriterError>
  ): Effect.Effect<A, WriterError> =>
    Effect.catchTags(transaction(batch), {
      TooLarge: (error) => {
        const { limit } = error
        return limit === "value"
          ? Effect.flatMap(withoutTooLarge(batch, error), (rest) => sendOrSplit(rest, headBytes, transaction))
          : lowerLimits(batch, headBytes, limit, error)
      },
      Conflict: (error) =>
        Effect.flatMap(withoutRefused(batch, error), (rest) => sendOrSplit(rest, headBytes, transaction))
    })

  // Whether those that were under way at a failure have landed is not worth waiting for: the next writer moves the status
  // key before it looks, so that each of them has landed by then or never will.
  const underWay = yield* InFlight.make<WriterError>(transactionsInFlight)

  /** The guard of a transaction that leaves the status as it is. */
  const statusUnchanged = Effect.map(Ref.get(guard), (index) => Operation.CheckIndex({ key, index }))

  const sendBatch =
    (guard: Operation, { headBytes }: Prepared) =>
    (batch: Batch) =>
      sendOrSplit(batch, headBytes, (operations) => transact(guard, operations, { results: false }))

  const stage: FencedWriter["write"] = Effect.fn("Writer.stage")(function* (
    writes: ReadonlyArray<Write>,
    left: Remaining = nothingRemaining
  ) {
    const keys = Arr.map(writes, keyOf)
    // Two writes of one key must not overtake each other.
    if (underWay.touchesAny(keys)) yield* underWay.awaitAll
    yield* dropOutdated(keys, left)
    const guard = yield* statusUnchanged
    const prepared = yield* prepare({ writes, deletes: [] }, guard)
    const { last, writes: batches } = prepared
    yield* underWay.send(last.length === 0 ? batches : [...batches, last], sendBatch(guard, prepared))
    return yield* drainRefusals
  }, inTurn)

  const apply: FencedWriter["commit"] = Effect.fn("Writer.apply")(function* (
    changes: Changes,
    replicated: number,
    left: Remaining = nothingRemaining
  ) {
    const { heldDeletes, refusedWrites } = left
    const before = yield* Ref.get(lastReplicated)
    const statusWith = (refused: number) => {
      const all: Remaining = { ...left, refusedWrites: refusedWrites + refused }
      if (all.refusedWrites > 0) return statusOf("writes-refused", before, all)
      return heldDeletes > 0 ? statusOf("deletes-held", before, all) : statusOf("in-sync", replicated)
    }
    const index = yield* Ref.get(guard)
    const guardOf = (status: Status) => checkpoint.operation(key, status, index)
    yield* underWay.awaitAll
    yield* dropOutdated([...Arr.map(changes.writes, keyOf), ...changes.deletes], left)
    // How much will be refused is not known before; the longest status leaves room for any.
    const longest = yield* statusOf("writes-refused", Math.max(before, replicated), {
      ...left,
      refusedWrites: refusedWrites + pendingRefusals.length + changes.writes.length + changes.deletes.length
    })
    const prepared = yield* prepare(changes, guardOf(longest))
    const land = sendBatch(yield* statusUnchanged, prepared)
    yield* underWay.send(prepared.writes, land)
    yield* underWay.awaitAll
    yield* underWay.send(prepared.deletes, land)
    yield* underWay.awaitAll
    yield* sendOrSplit(prepared.last, prepared.headBytes, (operations) =>
      Effect.gen(function* () {
        const status = yield* statusWith(pendingRefusals.length)
        yield* Ref.set(guard, yield* writeStatus(shown(status), index, operations))
        yield* Ref.set(lastReplicated, status.LastReplicated)
        latest = status
      })
    )
    return yield* drainRefusals
  }, inTurn)

  const verifyStatus: FencedWriter["verifyStatus"] = Effect.gen(function* () {
    const { index } = yield* throttle.send(checkpoint.read(key))
    if (index !== (yield* Ref.get(guard))) return yield* new CheckpointMoved({ key })
  }).pipe(inTurn, Effect.withSpan("Writer.verifyStatus"))

  const markSilence: FencedWriter["markSilence"] = Effect.fn("Writer.markSilence")(function* (now: boolean) {
    if (isSilent === now) return
    // The status must not move under them.
    yield* underWay.awaitAll
    const status = new Status({ ...latest, Time: yield* DateTime.now })
    const marked = now ? new Status({ ...status, State: "source-silent" }) : status
    yield* Ref.set(guard, yield* writeStatus(marked, yield* Ref.get(guard), []))
    isSilent = now
  }, inTurn)

  return {
    commit: apply,
    isFirst,
    markSilence,
    write: stage,
    verifyStatus,
    wasHolding: heldBefore > 0
  } satisfies FencedWriter
})
