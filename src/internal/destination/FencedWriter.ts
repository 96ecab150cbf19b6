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
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import { type ConsulError, Denied, isDenial } from "../../ConsulError.js"
import { type Consul, ConsulHttp, type TransactionOptions } from "../../ConsulHttp.js"
import type { KeyValue } from "../../KeyValue.js"
import { type Leadership, LockLost } from "../../LeaderLock.js"
import type { Operation } from "../../Operation.js"
import type { Replication } from "../../Replication.js"
import type { Route } from "../../ReplicationEvent.js"
import * as Rights from "../consul/Rights.js"
import * as Throttle from "../consul/Throttle.js"
import type { Changes, Write } from "../plan/Diff.js"
import * as Exclusion from "../plan/Exclusion.js"
import { isReplicated } from "../plan/Mapping.js"
import { routeOf } from "../report/Route.js"
import * as SentRequests from "../report/SentRequests.js"
import * as LargePut from "./LargePut.js"
import type { Refusal } from "./Refusal.js"
import * as Splitting from "./Splitting.js"
import * as StatusKey from "./StatusKey.js"
import { nothingRemaining, type Remaining } from "./StatusKey.js"
import {
  type Batch,
  bytesOf,
  defaultLimits,
  type Fence,
  fenceOperation,
  headOperations,
  type Limits,
  type Packed,
  pack
} from "./TransactionBatches.js"
import { CheckpointMoved, KeyOutsidePrefix, type WriterError } from "./WriterError.js"

export type { Refusal } from "./Refusal.js"
export type { Remaining } from "./StatusKey.js"
export { CheckpointMoved, type WriterError } from "./WriterError.js"

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
   * Writes a part of a pass, all large values first, and leaves the checkpoint as it was. Returns the keys that Consul refused.
   * After a failure or an interruption some writes may have landed or may still land, and each further call fails so: open a
   * new writer and compare.
   */
  readonly write: (
    writes: ReadonlyArray<Write>,
    left?: Remaining
  ) => Effect.Effect<ReadonlyArray<Refusal>, WriterError>
  /**
   * Writes all large values, then all writes, then all deletes. The checkpoint is in the last transaction. It says that
   * everything up to the source's `index` has landed. If something is `left`, it says how much, with the index of before.
   * Changes that fit one transaction land as one; of more, several are in flight at once. Returns the keys that Consul
   * refused; the checkpoint counts them among what is left. It fails as `write` does.
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
   * written. `LastReplicated` stays. Waits for `write` and `commit`.
   */
  readonly markSilence: (isSilent: boolean) => Effect.Effect<void, WriterError>
}

/**
 * Consul commits transactions that arrive together in fewer writes to its log: 30,000 keys a second one transaction
 * after another, 70,000 with eight in flight, and hardly more with more. Twice as many keep Consul busy while this process
 * encodes the next ones: a first copy of 100,000 keys takes 2.2 s instead of 2.5.
 */
const transactionsInFlight = 16

/** What is ready to be sent, behind a head of so many bytes. */
interface Prepared extends Omit<Packed, "large"> {
  readonly headBytes: number
}

/** Sends operations behind the fence and a guard. */
const transacting =
  (consul: Consul, fence: Fence, throttle: Throttle.Throttle, replication: Route) =>
  (
    guard: Operation,
    operations: ReadonlyArray<Operation>,
    options?: TransactionOptions
  ): Effect.Effect<ReadonlyArray<KeyValue>, WriterError> => {
    const all = [fenceOperation(fence), guard, ...operations]
    const emitting = SentRequests.ofTransaction(replication, all, bytesOf)
    return throttle.send(emitting(consul.transaction(all, options))).pipe(
      Effect.mapError((error) => {
        const [first] = error._tag === "Conflict" ? error.failures : []
        if (first === undefined || first.operation >= headOperations) return error
        const { key = "", operation, reason } = first
        if (isDenial(reason)) {
          return new Denied({
            request: error.request,
            reason: `${reason} for ${JSON.stringify(key)}`,
            right: Rights.ofOperation(operation === 0 ? fenceOperation(fence) : guard),
            isAnonymous: consul.endpoint.token === undefined
          })
        }
        return operation === 0 ? new LockLost({ lock: fence.lock, reason }) : new CheckpointMoved({ key })
      })
    )
  }

/**
 * The last line of defence, whatever was believed before: fails for a key outside of the destination prefix, an excluded one,
 * and our own.
 */
const onlyReplicated = (
  { deletes, writes }: Changes,
  replication: Replication,
  { lock }: Fence
): Effect.Effect<void, KeyOutsidePrefix> => {
  const { destinationPrefix, status } = replication
  const scope = {
    destinationPrefix,
    owned: new Set([lock, status]),
    excluded: Exclusion.ofReplication(replication)
  }
  const key =
    writes.find((write) => !isReplicated(scope, write.key))?.key ??
    deletes.find((deleted) => !isReplicated(scope, deleted))
  return key === undefined ? Effect.void : new KeyOutsidePrefix({ key, prefix: destinationPrefix })
}

/**
 * Opens a writer for a leader: ends the session of the leader before, and takes over its status, unless that one holds
 * another lock. Fails if the session of the leader was given up.
 */
export const open = Effect.fn("FencedWriter.open")(function* (options: {
  readonly leader: Pick<Leadership, "fence" | "instance" | "service">
  readonly memory: Memory
  readonly replication: Replication
}) {
  const { leader, memory, replication } = options
  const { limits, throttle } = memory
  const { fence } = leader
  const route = routeOf(replication)
  const largePut = yield* LargePut.make(fence, memory.largePuts, throttle, route)
  yield* largePut.unlessGivenUp
  const transact = transacting(yield* ConsulHttp, fence, throttle, route)
  const status = yield* StatusKey.open({ leader, replication, throttle, transact })
  /** One at a time writes the status, and no write overtakes another of the same key. */
  const inTurn = (yield* Effect.makeSemaphore(1)).withPermits(1)
  const ended = yield* Ref.make<Effect.Effect<void, WriterError>>(Effect.void)

  /** Writes what is too large for a transaction, and packs the rest, which goes behind the fence and `guard`. */
  const prepare = Effect.fnUntraced(function* (
    changes: Changes,
    guard: Operation,
    splitting: Splitting.Splitting
  ): Effect.fn.Return<Prepared, WriterError> {
    yield* onlyReplicated(changes, replication, fence)
    yield* largePut.unlessGivenUp
    const headBytes = bytesOf([fenceOperation(fence), guard])
    const { large, ...packed } = pack(changes, headBytes, yield* Ref.get(limits))
    for (const write of large) yield* splitting.refuse(Option.toArray(yield* largePut.put(write)))
    return { ...packed, headBytes }
  })

  const sendBatch =
    (guard: Operation, { headBytes }: Prepared, splitting: Splitting.Splitting) =>
    (batch: Batch) =>
      splitting.sendOrSplit(batch, {
        headBytes,
        send: (operations) => transact(guard, operations, { results: false })
      })

  /**
   * Sends batches that may land in any order, and waits until all have landed. What ends it early ends the writer: its
   * transactions in flight could land behind later ones.
   */
  const sendAll = (batches: ReadonlyArray<Batch>, send: ReturnType<typeof sendBatch>) =>
    Effect.zipRight(
      Effect.flatten(Ref.get(ended)),
      Effect.onError(
        Effect.forEach(batches, send, { concurrency: transactionsInFlight, discard: true }),
        (cause) => Ref.set(ended, Effect.failCause(cause))
      )
    )

  const write: FencedWriter["write"] = Effect.fn("FencedWriter.write")(function* (
    writes: ReadonlyArray<Write>,
    left: Remaining = nothingRemaining
  ) {
    const splitting = yield* Splitting.make(limits, left)
    const guard = yield* status.unchanged
    const prepared = yield* prepare({ writes, deletes: [] }, guard, splitting)
    const { last, writes: batches } = prepared
    const all = last.length === 0 ? batches : [...batches, last]
    yield* sendAll(all, sendBatch(guard, prepared, splitting))
    return yield* splitting.refused
  }, inTurn)

  const commit: FencedWriter["commit"] = Effect.fn("FencedWriter.commit")(function* (
    changes: Changes,
    replicated: number,
    left: Remaining = nothingRemaining
  ) {
    const splitting = yield* Splitting.make(limits, left)
    const withRefused = (more: number): Remaining => ({ ...left, refusedWrites: left.refusedWrites + more })
    // How many keys will be refused is not known before.
    const most = changes.writes.length + changes.deletes.length
    const longest = yield* status.longest(replicated, withRefused(most))
    const prepared = yield* prepare(changes, longest, splitting)
    const send = sendBatch(yield* status.unchanged, prepared, splitting)
    yield* sendAll(prepared.writes, send)
    yield* sendAll(prepared.deletes, send)
    yield* splitting.sendOrSplit(prepared.last, {
      headBytes: prepared.headBytes,
      send: (operations) =>
        Effect.flatMap(splitting.refused, ({ length }) =>
          status.commit(replicated, withRefused(length), operations)
        )
    })
    return yield* splitting.refused
  }, inTurn)

  return {
    isFirst: status.isFirst,
    wasHolding: status.wasHolding,
    write,
    commit,
    verifyStatus: status.verify.pipe(inTurn, Effect.withSpan("FencedWriter.verifyStatus")),
    markSilence: (isSilent) =>
      status.markSilence(isSilent).pipe(inTurn, Effect.withSpan("FencedWriter.markSilence"))
  } satisfies FencedWriter
})
