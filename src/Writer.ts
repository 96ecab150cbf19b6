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
 * ending the session is what voids it. One that the destination refuses is left out, and all the rest lands.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import { Checkpoint, Status } from "./Checkpoint.js"
import type { ConsulError, TooLarge } from "./ConsulError.js"
import { ConsulHttp, type TransactionOptions } from "./ConsulHttp.js"
import type { Changes, Write } from "./Diff.js"
import * as Condition from "./internal/Condition.js"
import * as WatchedKey from "./internal/WatchedKey.js"
import type { KeyValue } from "./KeyValue.js"
import { type Leadership, LockLost } from "./LeaderLock.js"
import { Operation } from "./Operation.js"
import * as Replication from "./Replication.js"
import {
  type Batch,
  bytesOf,
  defaultLimits,
  fenceOperation,
  halve,
  type Limits,
  type Packed,
  pack
} from "./Transaction.js"

/**
 * Somebody else wrote the status key; what this writer knows of the destination may be out of date.
 *
 * @since 0.1.0
 * @category errors
 */
export class CheckpointMoved extends Data.TaggedError("CheckpointMoved")<{ readonly key: string }> {
  override get message() {
    return `the status key ${this.key} was changed by somebody else`
  }
}

/**
 * The status key is that of an instance which holds another lock: two leaders that share it would each take the other
 * for one that must not write any more. `replication` is what that instance replicates, where it is something else.
 *
 * @since 0.2.0
 * @category errors
 */
export class StatusInUse extends Data.TaggedError("StatusInUse")<{
  readonly key: string
  readonly instance: string
  readonly lock: string
  readonly session: string
  readonly replication: Option.Option<string>
}> {
  override get message() {
    return Option.match(this.replication, {
      onNone: () =>
        `${this.instance}, an instance of this replication, holds another lock, ${this.lock}: all of them need the same -lock; waiting until it stops`,
      onSome: (replication) =>
        `the status key ${this.key} is that of ${this.instance}, which holds the lock ${this.lock} for ${replication}: a status serves one replication, see -status; waiting until it stops`
    })
  }
}

/**
 * A large value cannot be written while another session holds its key as a lock at the destination.
 *
 * @since 0.1.0
 * @category errors
 */
export class KeyLocked extends Data.TaggedError("KeyLocked")<{ readonly key: string }> {
  override get message() {
    return `${JSON.stringify(this.key)} is locked by another session at the destination, and too large for a transaction`
  }
}

/**
 * A value fits no transaction, and its key has a name that only a transaction can write.
 *
 * @since 0.1.0
 * @category errors
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
 *
 * @since 0.1.0
 * @category errors
 */
export class LimitLowered extends Data.TaggedError("LimitLowered")<{ readonly limits: Limits }> {
  override get message() {
    return `the destination takes smaller transactions: at most ${this.limits.operations} operations and ${this.limits.bytes} bytes from now on`
  }
}

/**
 * Why the value of one key did not land. Nothing was changed, and it is no reason not to land all the rest.
 *
 * @since 0.2.0
 * @category models
 */
export type Refusal = KeyLocked | KeyTooLarge

/**
 * @since 0.1.0
 * @category errors
 */
export type WriterError = ConsulError | LockLost | CheckpointMoved | StatusInUse | LimitLowered

/**
 * What a pass leaves as it was: keys whose deletion is held back, and keys whose values were refused before and are not
 * tried again.
 *
 * @since 0.2.0
 * @category models
 */
export interface Left {
  readonly heldDeletes: number
  readonly refusedWrites: number
}

/**
 * @since 0.2.0
 * @category models
 */
export const nothingLeft: Left = { heldDeletes: 0, refusedWrites: 0 }

/**
 * @since 0.1.0
 * @category models
 */
export interface Writer {
  /**
   * Lands writes of a pass that is not at its end, all large values first, and leaves the checkpoint as it was. The last
   * transactions are still under way when it returns: what becomes of them is told by what follows, be it `stage` or
   * `apply`. What is said of refusals and after a failure holds here too.
   */
  readonly stage: (writes: ReadonlyArray<Write>) => Effect.Effect<ReadonlyArray<Refusal>, WriterError>
  /**
   * Lands all large values, then all writes, then all deletes, and with the last of them the checkpoint that
   * everything up to the source's `index` has landed; or, where something is `left`, how much that is, and the index is
   * that of before. What fits one transaction lands as one; of more, several are under way at once. Answers with the
   * large values that were refused, which the checkpoint counts among what is left. After a failure, parts may have
   * landed, or may land until another writer is opened: open one and compare.
   */
  readonly apply: (
    changes: Changes,
    index: number,
    left?: Left
  ) => Effect.Effect<ReadonlyArray<Refusal>, WriterError>
}

/**
 * Consul commits transactions that arrive together in fewer writes to its log: 30,000 keys a second one transaction
 * after another, 70,000 with eight under way, and hardly more with more. Twice as many keep it busy while this process
 * reads and compares what comes next: a first copy of 100,000 keys takes 2.2 s instead of 2.5.
 */
const transactionsInFlight = 16

/** What is ready to land: `last` goes with the status, in what concludes the pass, if there is one. */
interface Prepared extends Omit<Packed, "large"> {
  readonly refusals: ReadonlyArray<Refusal>
  readonly land: (batch: Batch) => Effect.Effect<unknown, WriterError>
  readonly conclude: Effect.Effect<void, WriterError>
}

/** Whether Consul refused before it wrote anything. */
const isUntouched = (error: ConsulError): boolean =>
  ["TooLarge", "Denied", "RateLimited", "NoLeader", "NoPathToDatacenter"].includes(error._tag)

const holds = (entry: Option.Option<KeyValue>, session: string): boolean =>
  Option.exists(entry, (held) => held.session === session)

/**
 * The lock of whoever has the status. It is waited for until it can be read, which a token may never allow: so that is
 * said, by the check of the service too. `readable` is done when it could be read.
 */
const lockOf = Effect.fnUntraced(function* (
  lock: string,
  leader: Pick<Leadership, "report">,
  readable: Effect.Effect<void>
) {
  const consul = yield* ConsulHttp
  const condition = yield* Condition.make(`the lock ${lock} can be read`)
  const trouble = `cannot read the lock ${lock}, whose holder wrote the status`
  return WatchedKey.make(consul, lock, (request) =>
    request.pipe(
      Effect.tapBoth({
        onFailure: ({ message }) => leader.report({ status: "warning", output: `${trouble}: ${message}` }),
        onSuccess: () => readable
      }),
      Condition.watch(condition, trouble)
    )
  )
})

/**
 * Waits until the status key is free again.
 *
 * @since 0.2.0
 * @category waiting
 */
export const whileInUse = Effect.fn("Writer.whileInUse")(function* (
  error: StatusInUse,
  leader: Pick<Leadership, "report">
) {
  const inUse = leader.report({ status: "warning", output: error.message })
  const lock = yield* lockOf(error.lock, leader, inUse)
  yield* lock.when((entry) => !holds(entry, error.session))
})

/** The same source and prefixes: only then does a former checkpoint say something about this replication. */
const isAbout = (replication: Replication.Replication) => (status: Status) =>
  status.Source === replication.source &&
  status.Prefix === replication.prefix &&
  status.DestinationPrefix === replication.destinationPrefix

/**
 * Opens a writer for a leader: ends the session of the leader before, and takes over its status, unless that one holds
 * another lock. `limits` outlives the writer, since it is learned from refusals. Its transactions end with its scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const open = Effect.fn("Writer.open")(function* (options: {
  readonly leader: Pick<Leadership, "fence" | "instance" | "report">
  readonly limits: Ref.Ref<Limits>
  readonly replication: Replication.Replication
}) {
  const scope = yield* Effect.scope
  const consul = yield* ConsulHttp
  const checkpoint = yield* Checkpoint
  const { leader, limits, replication } = options
  const { fence } = leader
  const lockLost = (reason: string) => new LockLost({ lock: fence.lock, reason })

  const statusOf = (State: Status["State"], LastReplicated: number, left = nothingLeft) =>
    Effect.map(
      DateTime.now,
      (Time) =>
        new Status({
          LastReplicated,
          State,
          HeldDeletes: left.heldDeletes,
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
        const first = error._tag === "Conflict" ? error.failures[0] : undefined
        if (first?.operation === 0) return lockLost(first.reason)
        if (first?.operation === 1) return new CheckpointMoved({ key: checkpoint.key })
        return error
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

  /** Whoever has the status and holds another lock writes on: it is left alone. */
  const giveWay = Effect.fnUntraced(function* (status: Status) {
    const { Instance: instance, Lock: lock = fence.lock, Session: session } = status
    if (lock === fence.lock) return
    const held = yield* lockOf(lock, leader, Effect.void)
    if (!holds(yield* held.now, session)) return
    const route = Replication.route({
      source: status.Source,
      prefix: status.Prefix,
      destinationPrefix: status.DestinationPrefix
    })
    yield* new StatusInUse({
      key: checkpoint.key,
      instance,
      lock,
      session,
      replication: isAbout(replication)(status) ? Option.none() : Option.some(route)
    })
  })

  const before = yield* checkpoint.read
  const predecessor = Option.filter(before.status, (status) => status.Session !== fence.session)
  if (Option.isSome(predecessor)) {
    yield* giveWay(predecessor.value)
    // Normally it ended long ago. It lives on where somebody deleted the lock under it, and then its large values could
    // still land. A token that may not end it is no reason not to lead.
    yield* consul.session
      .destroy(predecessor.value.Session)
      .pipe(Effect.catchTag("Denied", (error) => Effect.logDebug(error.message)))
  }
  const landed = Option.match(Option.filter(before.status, isAbout(replication)), {
    onNone: () => 0,
    onSome: (status) => status.LastReplicated
  })
  const lastReplicated = yield* Ref.make(landed)
  const guard = yield* Ref.make(yield* commit(yield* statusOf("comparing", landed), before.index, []))

  const putLarge = Effect.fnUntraced(function* ({ flags, key, value }: Write) {
    const entry = { key, value, flags }
    const taken = yield* Effect.mapError(consul.kv.put(entry, { acquire: fence.session }), (error) => {
      if (error._tag === "TooLarge") return new KeyTooLarge({ key, reason: error.reason })
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

  /** Answers with those that are refused. */
  const putAllLarge = (writes: ReadonlyArray<Write>): Effect.Effect<ReadonlyArray<Refusal>, WriterError> =>
    Effect.map(
      Effect.forEach(writes, (write) =>
        Effect.as(putLarge(write), Option.none<Refusal>()).pipe(
          Effect.catchTag("KeyLocked", "KeyTooLarge", Effect.succeedSome)
        )
      ),
      Arr.getSomes
    )

  /**
   * Lands what is too large for a transaction, and packs the rest, which goes behind the fence and the guard, or the
   * status of a pass that leaves so many values refused, if one is written.
   */
  const prepare = Effect.fnUntraced(function* (
    { deletes, writes }: Changes,
    statusWith: Option.Option<(refused: number) => Effect.Effect<Status>>,
    before: ReadonlyArray<Refusal> = []
  ): Effect.fn.Return<Prepared, WriterError> {
    const index = yield* Ref.get(guard)
    const unmoved = Operation.CheckIndex({ key: checkpoint.key, index })
    const status = yield* Effect.transposeMapOption(statusWith, (statusWith) => statusWith(before.length))
    const head = Option.match(status, {
      onNone: () => unmoved,
      onSome: (status) => checkpoint.operation(status, index)
    })
    const headBytes = bytesOf([fenceOperation(fence), head])
    const { large, ...packed } = pack({ deletes, writes }, headBytes, yield* Ref.get(limits))
    if (large.length > 0) {
      const isLarge = new Set(large)
      const refusals = [...before, ...(yield* putAllLarge(large))]
      // Packed anew, since a status that tells of refused values is longer.
      return yield* prepare(
        { deletes, writes: writes.filter((write) => !isLarge.has(write)) },
        statusWith,
        refusals
      )
    }
    const within = <A>(batch: Batch, transaction: Effect.Effect<A, WriterError>) =>
      Effect.catchTag(transaction, "TooLarge", lowerLimits(batch, headBytes))
    return {
      ...packed,
      refusals: before,
      land: (batch) => within(batch, transact(unmoved, batch, { results: false })),
      conclude: Option.match(status, {
        onNone: () => Effect.void,
        onSome: (status) =>
          within(packed.last, commit(status, index, packed.last)).pipe(
            Effect.flatMap((index) => Ref.set(guard, index)),
            Effect.zipRight(Ref.set(lastReplicated, status.LastReplicated))
          )
      })
    }
  })

  const lanes = yield* Effect.makeSemaphore(transactionsInFlight)
  const failed = yield* Deferred.make<never, WriterError>()
  const underWay = new Set<Batch>()

  const unlessFailed = Effect.flatMap(Deferred.isDone(failed), (isDone) =>
    isDone ? Deferred.await(failed) : Effect.void
  )

  /** Waits until all transactions that were sent have landed; fails as soon as one of them does. */
  const settled = Effect.raceFirst(
    Effect.zipRight(lanes.take(transactionsInFlight), lanes.release(transactionsInFlight)),
    Deferred.await(failed)
  ).pipe(Effect.zipRight(unlessFailed))

  // The first that fails fails this writer, and those under way end with its scope, not with whoever sent them. Whether
  // these landed is not worth waiting for: the next writer moves the status key before it looks, so that each of them has
  // landed by then or never will. One that ends in any other way than landing fails the writer too.
  const send = (
    batches: ReadonlyArray<Batch>,
    land: (batch: Batch) => Effect.Effect<unknown, WriterError>
  ): Effect.Effect<void, WriterError> =>
    Effect.forEach(
      batches,
      (batch) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.gen(function* () {
            yield* restore(lanes.take(1))
            yield* Effect.tapErrorCause(unlessFailed, () => lanes.release(1))
            underWay.add(batch)
            yield* land(batch).pipe(
              restore,
              Effect.catchAllCause((cause) => Deferred.failCause(failed, cause)),
              Effect.ensuring(Effect.sync(() => underWay.delete(batch))),
              Effect.ensuring(lanes.release(1)),
              Effect.forkIn(scope)
            )
          })
        ),
      { discard: true }
    )

  const isUnderWay = (writes: ReadonlyArray<Write>): boolean => {
    const keys = new Set<string>()
    for (const batch of underWay) for (const { key } of batch) keys.add(key)
    return writes.some(({ key }) => keys.has(key))
  }

  const stage: Writer["stage"] = Effect.fn("Writer.stage")(function* (writes) {
    // Two writes of one key must not overtake each other.
    if (isUnderWay(writes)) yield* settled
    const { land, last, refusals, writes: batches } = yield* prepare({ writes, deletes: [] }, Option.none())
    yield* send(last.length === 0 ? batches : [...batches, last], land)
    return refusals
  })

  const apply: Writer["apply"] = Effect.fn("Writer.apply")(function* (
    changes,
    replicated,
    { heldDeletes, refusedWrites } = nothingLeft
  ) {
    const before = yield* Ref.get(lastReplicated)
    const statusWith = (refused: number) => {
      const left: Left = { heldDeletes, refusedWrites: refusedWrites + refused }
      if (left.refusedWrites > 0) return statusOf("writes-refused", before, left)
      return heldDeletes > 0 ? statusOf("deletes-held", before, left) : statusOf("in-sync", replicated)
    }
    yield* settled
    const { conclude, deletes, land, refusals, writes } = yield* prepare(changes, Option.some(statusWith))
    yield* send(writes, land)
    yield* settled
    yield* send(deletes, land)
    yield* settled
    yield* conclude
    return refusals
  })

  return { apply, stage } satisfies Writer
})

/**
 * @since 0.1.0
 * @category constructors
 */
export const makeLimits: Effect.Effect<Ref.Ref<Limits>> = Ref.make(defaultLimits)
