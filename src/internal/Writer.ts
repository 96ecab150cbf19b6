/**
 * Lands changes at the destination, so that nothing lands late: not after the lock was lost, and not after this
 * instance itself has given up on it and looked again.
 *
 * Every transaction starts with two checks. The fence: our session holds the lock. The guard: the status key is
 * where this writer left it. Opening a writer moves the status key, which voids whatever earlier writers still have
 * in the network; what is read after that stays read. The last transaction of a pass writes the checkpoint in place
 * of checking the guard.
 *
 * A value that fits no transaction is put by acquiring its key with the session of the lock, which Consul refuses
 * once that session has ended. The guard cannot stand before such a put, so a lost answer costs the leadership:
 * ending the session is what voids it. A key that the destination refuses is left out, and all the rest lands.
 */
import * as Arr from "effect/Array"
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import { Checkpoint, isAbout, type State, Status } from "../Checkpoint.js"
import { type Conflict, type ConsulError, Denied, isDenial, type TooLarge } from "../ConsulError.js"
import { ConsulHttp, type TransactionOptions } from "../ConsulHttp.js"
import * as DeleteLimit from "../DeleteLimit.js"
import type { Changes, Write } from "../Diff.js"
import { type Leadership, LockLost } from "../LeaderLock.js"
import { Operation } from "../Operation.js"
import type { Replication } from "../Replication.js"
import {
  type Batch,
  bytesOf,
  defaultLimits,
  fenceOperation,
  halve,
  headOperations,
  type Limits,
  type Packed,
  pack
} from "../Transaction.js"
import * as Predecessor from "./Predecessor.js"
import * as UnderWay from "./UnderWay.js"

/**
 * Somebody else wrote the status key; what this writer knows of the destination may be out of date.
 */
export class CheckpointMoved extends Data.TaggedError("CheckpointMoved")<{ readonly key: string }> {
  override get message() {
    return `the status key ${this.key} was changed by somebody else`
  }
}

/**
 * A large value cannot be written while another session holds its key as a lock at the destination.
 */
export class KeyLocked extends Data.TaggedError("KeyLocked")<{ readonly key: string }> {
  override get message() {
    return `${JSON.stringify(this.key)} is locked by another session at the destination, and too large for a transaction`
  }
}

/**
 * A value is larger than the destination takes; a key that no path can name takes what fits a transaction.
 */
export class KeyTooLarge extends Data.TaggedError("KeyTooLarge")<{
  readonly key: string
  readonly reason: string
}> {
  override get message() {
    return `the value of ${JSON.stringify(this.key)} is too large for the destination, see its limits.txn_max_req_len and limits.kv_max_value_size: ${this.reason}`
  }
}

/**
 * Consul refused a transaction as too large; the next writer sends smaller ones.
 */
export class LimitLowered extends Data.TaggedError("LimitLowered")<{ readonly limits: Limits }> {
  override get message() {
    return `the destination takes smaller transactions: at most ${this.limits.operations} operations and ${this.limits.bytes} bytes from now on`
  }
}

/**
 * The destination refuses to write or to delete this key and takes others: the token may not.
 */
export class KeyRefused extends Data.TaggedError("KeyRefused")<{
  readonly key: string
  readonly reason: string
}> {
  override get message() {
    return `${JSON.stringify(this.key)} cannot be changed at the destination: ${this.reason}`
  }
}

/**
 * Why one key was left as it was. It is no reason not to land all the rest.
 */
export type Refusal = KeyLocked | KeyTooLarge | KeyRefused

export type WriterError = ConsulError | LockLost | CheckpointMoved | Predecessor.StatusInUse | LimitLowered

/**
 * What a pass leaves as it was: keys whose deletion is held back, and keys that were refused before and are not tried
 * again.
 */
export interface Left {
  readonly heldDeletes: number
  readonly refusedWrites: number
}

export const nothingLeft: Left = { heldDeletes: 0, refusedWrites: 0 }

export interface Writer {
  /** Whether deletes were held back when it was opened: by the same limit, be it by this instance or by another. */
  readonly wasHolding: boolean
  /**
   * Lands writes of a pass that is not at its end, all large values first, and leaves the checkpoint as it was. The last
   * transactions are still under way when it returns: what becomes of them, and which of their keys are refused, is told
   * by what follows, be it `stage` or `apply`. What is said of a failure holds here too.
   */
  readonly stage: (
    writes: ReadonlyArray<Write>,
    left?: Left
  ) => Effect.Effect<ReadonlyArray<Refusal>, WriterError>
  /**
   * Lands all large values, then all writes, then all deletes, and with the last of them the checkpoint that
   * everything up to the source's `index` has landed; or, where something is `left`, how much that is, and the index is
   * that of before. What fits one transaction lands as one; of more, several are under way at once. Answers with the
   * keys that were refused, which the checkpoint counts among what is left. After a failure, parts may have landed, or may
   * land until another writer is opened: open one and compare.
   */
  readonly apply: (
    changes: Changes,
    index: number,
    left?: Left
  ) => Effect.Effect<ReadonlyArray<Refusal>, WriterError>
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

/** Whether Consul refused before it wrote anything. */
const isUntouched = (error: ConsulError): boolean =>
  ["TooLarge", "Denied", "RateLimited", "NoLeader", "NoPathToDatacenter"].includes(error._tag)

/**
 * Opens a writer for a leader: ends the session of the leader before, and takes over its status, unless that one holds
 * another lock. `limits` outlives the writer, since it is learned from refusals. Its transactions end with its scope.
 */
export const open = Effect.fn("Writer.open")(function* (options: {
  readonly leader: Pick<Leadership, "fence" | "instance" | "report">
  readonly limits: Ref.Ref<Limits>
  readonly replication: Replication
}) {
  const consul = yield* ConsulHttp
  const checkpoint = yield* Checkpoint
  const { leader, limits, replication } = options
  const { fence } = leader
  const maxDeletes = DeleteLimit.format(replication.maxDeletes)
  const lockLost = (reason: string) => new LockLost({ lock: fence.lock, reason })

  const statusOf = (State: State, LastReplicated: number, left = nothingLeft) =>
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
  const transact = (guard: Operation, operations: ReadonlyArray<Operation>, options?: TransactionOptions) =>
    consul.transaction([fenceOperation(fence), guard, ...operations], options).pipe(
      Effect.mapError((error) => {
        const [first] = error._tag === "Conflict" ? error.failures : []
        if (first === undefined || first.operation >= headOperations) return error
        const { key = "", operation, reason } = first
        if (isDenial(reason)) {
          return new Denied({ request: error.request, reason: `${reason} for ${JSON.stringify(key)}` })
        }
        return operation === 0 ? lockLost(reason) : new CheckpointMoved({ key })
      })
    )

  /** Writes the status, with whatever else the transaction holds, and answers with the new index of its key. */
  const commit = Effect.fnUntraced(function* (
    status: Status,
    index: number,
    operations: ReadonlyArray<Operation>
  ) {
    const results = yield* transact(checkpoint.operation(status, index), operations)
    const written = results.find((entry) => entry.key === checkpoint.key)
    return written === undefined ? yield* new CheckpointMoved({ key: checkpoint.key }) : written.modifyIndex
  })

  const found = yield* checkpoint.read
  if (Option.isSome(found.status)) yield* Predecessor.supersede(found.status.value, leader, replication)
  const before = Option.filter(found.status, (status) => isAbout(status, replication))
  const landed = Option.match(before, { onNone: () => 0, onSome: (status) => status.LastReplicated })
  const heldBefore = Option.match(
    Option.filter(before, ({ MaxDeletes }) => MaxDeletes === maxDeletes),
    { onNone: () => 0, onSome: ({ HeldDeletes }) => HeldDeletes }
  )
  const lastReplicated = yield* Ref.make(landed)
  const comparing = yield* statusOf("comparing", landed, { ...nothingLeft, heldDeletes: heldBefore })
  const guard = yield* Ref.make(yield* commit(comparing, found.index, []))

  /** One at a time writes the status. */
  const turns = yield* Effect.makeSemaphore(1)
  const inTurn = turns.withPermits(1)
  /** The last that was written, if the source had not been silent. */
  let latest = comparing
  let isSilent = false

  const shown = (status: Status): Status =>
    isSilent ? new Status({ ...status, State: "source-silent" }) : status

  /** What was refused and not told yet, and how many keys were before and are not tried again. */
  let untold: ReadonlyArray<Refusal> = []
  let refusedBefore = 0

  const refuse = (refusals: ReadonlyArray<Refusal>) =>
    Effect.sync(() => {
      untold = [...untold, ...refusals]
    })

  /** Nothing of these keys is under way: what was said of them is out of date. */
  const trying = (keys: Iterable<string>, { refusedWrites }: Left) =>
    Effect.sync(() => {
      refusedBefore = refusedWrites
      if (untold.length === 0) return
      const again = new Set(keys)
      untold = untold.filter(({ key }) => !again.has(key))
    })

  const tell = Effect.sync(() => {
    const told = untold
    untold = []
    return told
  })

  const putLarge = Effect.fnUntraced(
    function* ({ flags, key, value }: Write) {
      const entry = { key, value, flags }
      const taken = yield* Effect.mapError(consul.kv.put(entry, { acquire: fence.session }), (error) => {
        if (error._tag === "TooLarge") return new KeyTooLarge({ key, reason: error.reason })
        if (error._tag === "Denied") return new KeyRefused({ key, reason: error.reason })
        return isUntouched(error)
          ? error
          : lockLost(`given up, since a large value may have landed or not: ${error.message}`)
      })
      if (!taken) return yield* new KeyLocked({ key })
      // Giving the key back writes it again: without the value, Consul would leave it empty. Where that fails, the end
      // of the session gives it back.
      yield* Effect.mapError(consul.kv.put(entry, { release: fence.session }), (error) =>
        lockLost(`given up, since the key of a large value may still be locked: ${error.message}`)
      )
    },
    Effect.catchTag("KeyLocked", "KeyTooLarge", "KeyRefused", (refusal) => refuse([refusal]))
  )

  /** Lands what is too large for a transaction, and packs the rest, which goes behind the fence and `guard`. */
  const prepare = Effect.fnUntraced(function* (
    changes: Changes,
    guard: Operation
  ): Effect.fn.Return<Prepared, WriterError> {
    const headBytes = bytesOf([fenceOperation(fence), guard])
    const { large, ...packed } = pack(changes, headBytes, yield* Ref.get(limits))
    yield* Effect.forEach(large, putLarge, { discard: true })
    return { ...packed, headBytes }
  })

  const lowerLimits = (refused: Batch, headBytes: number) => (error: TooLarge) =>
    Ref.modify(limits, (before) => {
      const lowered = halve(before, refused, headBytes, error.reason)
      return [lowered, Option.getOrElse(lowered, () => before)] as const
    }).pipe(
      Effect.flatMap((lowered) =>
        Effect.fail(Option.isNone(lowered) ? error : new LimitLowered({ limits: lowered.value }))
      )
    )

  /** What is left of a batch without the operations that were refused, if those are not too many. */
  const withoutRefused = Effect.fnUntraced(function* (batch: Batch, error: Conflict) {
    const reasons = new Map(
      error.failures.map(({ operation, reason }) => [operation - headOperations, reason])
    )
    const refusals = batch.flatMap(({ key }, at) => {
      const reason = reasons.get(at)
      return reason === undefined ? [] : [new KeyRefused({ key, reason })]
    })
    const isTooMany = refusedBefore + untold.length + refusals.length > mostRefused
    if (refusals.length === 0 || isTooMany) return yield* error
    yield* refuse(refusals)
    return batch.filter((_, at) => !reasons.has(at))
  })

  /** Sends a batch, and what is left of it when keys are refused. */
  const within = <A>(
    batch: Batch,
    headBytes: number,
    transaction: (batch: Batch) => Effect.Effect<A, WriterError>
  ): Effect.Effect<A, WriterError> =>
    Effect.catchTags(transaction(batch), {
      TooLarge: lowerLimits(batch, headBytes),
      Conflict: (error) =>
        Effect.flatMap(withoutRefused(batch, error), (rest) => within(rest, headBytes, transaction))
    })

  // Whether those that were under way at a failure have landed is not worth waiting for: the next writer moves the status
  // key before it looks, so that each of them has landed by then or never will.
  const underWay = yield* UnderWay.make<WriterError>(transactionsInFlight)

  /** The guard of a transaction that leaves the status as it is. */
  const unmoved = Effect.map(Ref.get(guard), (index) => Operation.CheckIndex({ key: checkpoint.key, index }))

  const landBehind =
    (guard: Operation, { headBytes }: Prepared) =>
    (batch: Batch) =>
      within(batch, headBytes, (operations) => transact(guard, operations, { results: false }))

  const stage: Writer["stage"] = Effect.fn("Writer.stage")(function* (
    writes: ReadonlyArray<Write>,
    left: Left = nothingLeft
  ) {
    const keys = Arr.map(writes, keyOf)
    // Two writes of one key must not overtake each other.
    if (underWay.hasAny(keys)) yield* underWay.settled
    yield* trying(keys, left)
    const guard = yield* unmoved
    const prepared = yield* prepare({ writes, deletes: [] }, guard)
    const { last, writes: batches } = prepared
    yield* underWay.send(last.length === 0 ? batches : [...batches, last], landBehind(guard, prepared))
    return yield* tell
  }, inTurn)

  const apply: Writer["apply"] = Effect.fn("Writer.apply")(function* (
    changes: Changes,
    replicated: number,
    left: Left = nothingLeft
  ) {
    const { heldDeletes, refusedWrites } = left
    const before = yield* Ref.get(lastReplicated)
    const statusWith = (refused: number) => {
      const all: Left = { heldDeletes, refusedWrites: refusedWrites + refused }
      if (all.refusedWrites > 0) return statusOf("writes-refused", before, all)
      return heldDeletes > 0 ? statusOf("deletes-held", before, all) : statusOf("in-sync", replicated)
    }
    const index = yield* Ref.get(guard)
    const guardOf = (status: Status) => checkpoint.operation(status, index)
    yield* underWay.settled
    yield* trying([...Arr.map(changes.writes, keyOf), ...changes.deletes], left)
    // How much will be refused is not known before; the longest status leaves room for any.
    const longest = yield* statusOf("writes-refused", Math.max(before, replicated), {
      heldDeletes,
      refusedWrites: refusedWrites + untold.length + changes.writes.length + changes.deletes.length
    })
    const prepared = yield* prepare(changes, guardOf(longest))
    const land = landBehind(yield* unmoved, prepared)
    yield* underWay.send(prepared.writes, land)
    yield* underWay.settled
    yield* underWay.send(prepared.deletes, land)
    yield* underWay.settled
    yield* within(prepared.last, prepared.headBytes, (operations) =>
      Effect.gen(function* () {
        const status = yield* statusWith(untold.length)
        yield* Ref.set(guard, yield* commit(shown(status), index, operations))
        yield* Ref.set(lastReplicated, status.LastReplicated)
        latest = status
      })
    )
    return yield* tell
  }, inTurn)

  const markSilence: Writer["markSilence"] = Effect.fn("Writer.markSilence")(function* (now: boolean) {
    if (isSilent === now) return
    // The status must not move under them.
    yield* underWay.settled
    const status = new Status({ ...latest, Time: yield* DateTime.now })
    const marked = now ? new Status({ ...status, State: "source-silent" }) : status
    yield* Ref.set(guard, yield* commit(marked, yield* Ref.get(guard), []))
    isSilent = now
  }, inTurn)

  return { apply, markSilence, stage, wasHolding: heldBefore > 0 } satisfies Writer
})

export const makeLimits: Effect.Effect<Ref.Ref<Limits>> = Ref.make(defaultLimits)
