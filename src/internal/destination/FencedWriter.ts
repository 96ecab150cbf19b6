/**
 * Lands changes at the destination, and no change lands late: no transaction lands after the lock was lost, or after this
 * instance has given up the transaction and read the destination again.
 *
 * Every transaction starts with two checks. The fence: our session holds the lock. The guard: the status key is where this
 * writer left it. To open a writer moves the status key. That voids the transactions of earlier writers that are still in the
 * network, so that no earlier write changes what is read later. The last transaction of a pass writes the checkpoint in place
 * of the guard.
 *
 * A value that fits no transaction is sent by a PUT of its own, which the end of the session voids: see `LargePut`. A key that
 * the destination refuses is left out, and all other keys land. A transaction that was refused for the rate of requests has
 * changed nothing, and is sent again as it is. After any other failure both sides must be compared again. That is so also if
 * the servers had no leader: when they have one again, another instance may hold the lock.
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
import * as Rights from "../consul/Rights.js"
import * as Throttle from "../consul/Throttle.js"
import type { Route } from "../event/ReplicationEvent.js"
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
 * The state that the writers of a process share: each learns from the failures of the former ones.
 */
export interface Memory {
  /** The limits of the destination's transactions. */
  readonly limits: Ref.Ref<Limits>
  readonly largePuts: LargePut.Memory
  /** For all requests of the writers. */
  readonly throttle: Throttle.Throttle
}

export const makeMemory: Effect.Effect<Memory, never, Scope.Scope> = Effect.all({
  limits: Ref.make(defaultLimits),
  largePuts: LargePut.makeMemory,
  throttle: Throttle.make("writes")
})

export interface FencedWriter {
  /** Whether the status shows no completed comparison of this replication, by any instance. */
  readonly isFirst: boolean
  /** Whether the leader before held deletes with the same limit when this writer was opened. It may have been this instance. */
  readonly wasHolding: boolean
  /**
   * Writes a part of a pass, all large values first, and leaves the checkpoint as it was. Returns the keys that Consul refused.
   * After a failure or an interruption some writes may have landed or may still land, and each further call fails with the same
   * cause: open a new writer and compare.
   */
  readonly write: (
    writes: ReadonlyArray<Write>,
    left?: Remaining
  ) => Effect.Effect<ReadonlyArray<Refusal>, WriterError>
  /**
   * Writes all large values, then all writes, then all deletes. The checkpoint is in the last transaction. It says that
   * everything up to the source's `index` has landed. If keys are `left`, it has their number, and the index of the last
   * checkpoint without any.
   * Changes that fit one transaction land as one; of more, several are in flight at once. Returns the keys that Consul
   * refused; the checkpoint counts them among what is left. It fails as `write` does.
   */
  readonly commit: (
    changes: Changes,
    index: number,
    left?: Remaining
  ) => Effect.Effect<ReadonlyArray<Refusal>, WriterError>
  /**
   * Fails with `CheckpointMoved` unless the status key is where this writer left it. The key moves when another writer or a
   * person writes it, and when the destination is restored from a snapshot. Then the contents of the destination are unknown,
   * and equal indexes prove nothing.
   */
  readonly verifyStatus: Effect.Effect<void, ConsulError | CheckpointMoved>
  /**
   * Writes that the source is silent, or that it answers again: until the next call every status has that state. `LastReplicated`
   * stays. Waits for `write` and `commit`.
   */
  readonly markSilence: (isSilent: boolean) => Effect.Effect<void, WriterError>
}

/**
 * Consul commits transactions that arrive together in fewer writes to its log: 30,000 keys a second one transaction
 * after another, 70,000 with eight in flight, and hardly more with more. Twice as many keep Consul busy while this process
 * encodes the next ones: a first copy of 100,000 keys takes 2.2 s instead of 2.5.
 */
const transactionsInFlight = 16

/** Batches that are ready to be sent. */
interface Prepared extends Omit<Packed, "large"> {
  /** Bytes of the two operations in front of each batch. */
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
 * The last line of defence: fails for a key outside of the destination prefix, for an excluded key, and for our lock and status.
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

/** What a writer is opened for. */
export interface Options {
  readonly leader: Pick<Leadership, "fence" | "giveUp" | "instance" | "service">
  readonly memory: Memory
  readonly replication: Replication
}

/** The services and the state of one writer. */
interface Writer extends Options {
  readonly status: StatusKey.StatusKey
  readonly largePut: LargePut.LargePut
  readonly transact: ReturnType<typeof transacting>
  /** One call at a time: only one may write the status, and no write may overtake another write of the same key. */
  readonly inTurn: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Fails with the cause of the first failure; succeeds before that. */
  readonly ended: Ref.Ref<Effect.Effect<void, WriterError>>
}

const inTurn = <A, E, R>(effect: Effect.Effect<A, E, R>, writer: Writer): Effect.Effect<A, E, R> =>
  writer.inTurn(effect)

type SendBatch = (batch: Batch) => Effect.Effect<ReadonlyArray<KeyValue>, WriterError>

/** Writes the values that are too large for a transaction, and packs the rest behind the fence and `guard`. */
const prepare = Effect.fnUntraced(function* (
  { largePut, leader, memory, replication }: Writer,
  changes: Changes,
  guard: Operation,
  splitting: Splitting.Splitting
): Effect.fn.Return<Prepared, WriterError> {
  const { fence } = leader
  yield* onlyReplicated(changes, replication, fence)
  yield* largePut.unlessGivenUp
  const headBytes = bytesOf([fenceOperation(fence), guard])
  const { large, ...packed } = pack(changes, headBytes, yield* Ref.get(memory.limits))
  for (const write of large) yield* splitting.refuse(Option.toArray(yield* largePut.put(write)))
  return { ...packed, headBytes }
})

const sendBatch =
  (
    { transact }: Writer,
    guard: Operation,
    { headBytes }: Prepared,
    splitting: Splitting.Splitting
  ): SendBatch =>
  (batch) =>
    splitting.sendOrSplit(batch, {
      headBytes,
      send: (operations) => transact(guard, operations, { results: false })
    })

/**
 * Sends batches that may land in any order, and waits until all have landed. A failure or an interruption ends the writer: the
 * transactions in flight could land behind later ones.
 */
const sendAll = (
  { ended }: Writer,
  batches: ReadonlyArray<Batch>,
  send: SendBatch
): Effect.Effect<void, WriterError> =>
  Effect.zipRight(
    Effect.flatten(Ref.get(ended)),
    Effect.onError(
      Effect.forEach(batches, send, { concurrency: transactionsInFlight, discard: true }),
      (cause) => Ref.set(ended, Effect.failCause(cause))
    )
  )

const write = Effect.fn("FencedWriter.write")(function* (
  writer: Writer,
  writes: ReadonlyArray<Write>,
  left: Remaining
): Effect.fn.Return<ReadonlyArray<Refusal>, WriterError> {
  const splitting = yield* Splitting.make(writer.memory.limits, left)
  const guard = yield* writer.status.unchanged
  const prepared = yield* prepare(writer, { writes, deletes: [] }, guard, splitting)
  const { last, writes: batches } = prepared
  const all = last.length === 0 ? batches : [...batches, last]
  yield* sendAll(writer, all, sendBatch(writer, guard, prepared, splitting))
  return yield* splitting.refused
}, inTurn)

const commit = Effect.fn("FencedWriter.commit")(function* (
  writer: Writer,
  changes: Changes,
  replicated: number,
  left: Remaining
): Effect.fn.Return<ReadonlyArray<Refusal>, WriterError> {
  const { memory, status } = writer
  const splitting = yield* Splitting.make(memory.limits, left)
  const withRefused = (more: number): Remaining => ({ ...left, refusedWrites: left.refusedWrites + more })
  // Any of the keys may be refused.
  const most = changes.writes.length + changes.deletes.length
  const longest = yield* status.longest(replicated, withRefused(most))
  const prepared = yield* prepare(writer, changes, longest, splitting)
  const send = sendBatch(writer, yield* status.unchanged, prepared, splitting)
  yield* sendAll(writer, prepared.writes, send)
  yield* sendAll(writer, prepared.deletes, send)
  yield* splitting.sendOrSplit(prepared.last, {
    headBytes: prepared.headBytes,
    send: (operations) =>
      Effect.flatMap(splitting.refused, ({ length }) =>
        status.commit(replicated, withRefused(length), operations)
      )
  })
  return yield* splitting.refused
}, inTurn)

/**
 * Opens a writer for a leader: takes over the status of the leader before, and ends its session. Fails if that leader holds
 * another lock, or if the session of this leader was given up.
 */
export const open = Effect.fn("FencedWriter.open")(function* (options: Options) {
  const { leader, memory, replication } = options
  const { throttle } = memory
  const { fence } = leader
  const route = routeOf(replication)
  const largePut = yield* LargePut.make(leader, memory.largePuts, throttle, route)
  yield* largePut.unlessGivenUp
  const transact = transacting(yield* ConsulHttp, fence, throttle, route)
  const status = yield* StatusKey.open({ leader, replication, throttle, transact })
  const ended = yield* Ref.make<Effect.Effect<void, WriterError>>(Effect.void)
  const inTurn = (yield* Effect.makeSemaphore(1)).withPermits(1)
  const writer: Writer = { ...options, status, largePut, transact, inTurn, ended }
  return {
    isFirst: status.isFirst,
    wasHolding: status.wasHolding,
    write: (writes, left = nothingRemaining) => write(writer, writes, left),
    commit: (changes, index, left = nothingRemaining) => commit(writer, changes, index, left),
    verifyStatus: status.verify.pipe(inTurn, Effect.withSpan("FencedWriter.verifyStatus")),
    markSilence: (isSilent) =>
      status.markSilence(isSilent).pipe(inTurn, Effect.withSpan("FencedWriter.markSilence"))
  } satisfies FencedWriter
})
