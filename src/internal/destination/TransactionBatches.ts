/**
 * Packs changes into transactions that Consul accepts. Each transaction is void unless our session holds the lock.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import { Operation, sizeOf } from "../../Operation.js"
import type { Changes, Write } from "../plan/Diff.js"

/**
 * The proof of leadership in every transaction: `session` holds the key `lock`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Fence {
  /** The key of the lock. */
  readonly lock: string
  /** The id of our session. */
  readonly session: string
}

/**
 * The limits of one transaction. Consul 1.8.7 accepts 64 operations, a body of 524,288 bytes (`limits.txn_max_req_len`) and
 * values of 524,288 bytes each (`limits.kv_max_value_size`) unless it is configured otherwise. Later versions have other
 * limits.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  /** Number of operations, with the two at the head. */
  readonly operations: number
  /** Bytes of the body. */
  readonly bytes: number
  /** Bytes of one value, decoded. */
  readonly value: number
}

/**
 * The limits of Consul 1.8.7.
 *
 * @since 0.1.0
 * @category models
 */
export const defaultLimits: Limits = { operations: 64, bytes: 524_288, value: 524_288 }

/**
 * The operations of one transaction behind the two at its head.
 *
 * @since 0.1.0
 * @category models
 */
export type Batch = ReadonlyArray<Operation>

/**
 * Changes in the order in which they must land: each field after the whole field before it. Within a field the order is free,
 * since no two of its operations are on one key.
 *
 * @since 0.1.0
 * @category models
 */
export interface Packed {
  /** Writes that fit no transaction: each needs a PUT of its own. */
  readonly large: ReadonlyArray<Write>
  /** All other writes, except the writes in `last`. */
  readonly writes: ReadonlyArray<Batch>
  /** The deletes, except the deletes in `last`. */
  readonly deletes: ReadonlyArray<Batch>
  /** The batch in the transaction of the checkpoint. It may be empty. */
  readonly last: Batch
}

/**
 * The operation that voids a transaction of an instance that does not lead any more. It is the first of a transaction: Consul
 * reports its failure as the failure of operation 0.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fenceOperation = (fence: Fence): Operation =>
  Operation.CheckSession({ key: fence.lock, session: fence.session })

/**
 * Number of operations at the head of every transaction: the fence, and one operation on the status key.
 *
 * @since 0.5.0
 * @category packing
 */
export const headOperations = 2

/**
 * Bytes of operations in the body of a transaction, each with the comma in front of it.
 *
 * @since 0.1.0
 * @category packing
 */
export const bytesOf = (operations: ReadonlyArray<Operation>): number =>
  operations.reduce((sum, operation) => sum + sizeOf(operation) + 1, 0)

/**
 * Bytes of a value in base64 after decoding.
 *
 * @since 0.5.0
 * @category packing
 */
export const valueBytes = (base64: string): number =>
  (base64.length >> 2) * 3 - (base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0)

/**
 * Batches of operations in the order in which the operations are added. An operation that is larger than `room` has a batch
 * alone.
 */
class Batches {
  readonly all: Array<Array<Operation>> = []
  private last: Array<Operation> = []
  private bytes = 0

  constructor(private readonly room: Pick<Limits, "operations" | "bytes">) {}

  private isRoomFor(operations: number, bytes: number): boolean {
    return this.last.length + operations <= this.room.operations && this.bytes + bytes <= this.room.bytes
  }

  /** Adds an operation of so many bytes, with the comma. */
  add(operation: Operation, bytes: number): void {
    if (this.last.length === 0 || !this.isRoomFor(1, bytes)) {
      this.last = []
      this.bytes = 0
      this.all.push(this.last)
    }
    this.last.push(operation)
    this.bytes += bytes
  }

  /** Whether the last batch has room for all operations of `other`. */
  hasRoomFor(other: Batches): boolean {
    return other.all.length <= 1 && this.isRoomFor(other.last.length, other.bytes)
  }
}

/**
 * Packs changes, in the given order, into few transactions. Changes that fit one transaction are all in `last`. Only `last` may
 * have writes and deletes: in other batches a delete could land before a write of another batch.
 *
 * `headBytes` is the size of the head operations.
 *
 * @since 0.1.0
 * @category packing
 */
export const pack = (changes: Changes, headBytes: number, limits: Limits = defaultLimits): Packed => {
  const room = {
    operations: Math.max(1, limits.operations - headOperations),
    // The body has two brackets, and no comma in front of its first operation.
    bytes: limits.bytes - headBytes - 1
  }
  const large: Array<Write> = []
  const writes = new Batches(room)
  for (const write of changes.writes) {
    const { flags, key, value } = write
    const operation: Operation = { _tag: "Set", key, value, flags }
    const bytes = sizeOf(operation) + 1
    // A value has more characters in base64 than bytes.
    const isTooLong = value.length > limits.value && valueBytes(value) > limits.value
    if (bytes > room.bytes || isTooLong) large.push(write)
    else writes.add(operation, bytes)
  }
  const deletes = new Batches(room)
  for (const key of changes.deletes) {
    const operation: Operation = { _tag: "Delete", key }
    deletes.add(operation, sizeOf(operation) + 1)
  }
  if (writes.hasRoomFor(deletes)) {
    const last = [...(writes.all.at(-1) ?? []), ...(deletes.all[0] ?? [])]
    return { large, writes: writes.all.slice(0, -1), deletes: [], last }
  }
  return { large, writes: writes.all, deletes: deletes.all.slice(0, -1), last: deletes.all.at(-1) ?? [] }
}

/** The end of Consul's text about a value that is too large. */
const mostBytes = /" is too large \(\d+ > (\d+) bytes\)$/

/**
 * The most bytes of a value, after Consul refused a batch because a value has more: the number in its `reason`, or one less
 * than the largest value of the batch. None if no value of the batch has more.
 *
 * @since 0.5.0
 * @category packing
 */
export const valueLimit = (refused: Batch, reason: string): Option.Option<number> => {
  const sizes = refused.map((operation) => (operation._tag === "Set" ? valueBytes(operation.value) : 0))
  const largest = Math.max(0, ...sizes)
  const [, most] = mostBytes.exec(reason) ?? []
  const limit = most === undefined ? largest - 1 : Number(most)
  return largest > limit && limit >= 0 ? Option.some(limit) : Option.none()
}

/**
 * The new limits after Consul refused a batch as too large (413), for its operations or for its bytes: half of the refused
 * batch, and never more than `limits`, since several batches may be refused at the same time. None if the batch is a single
 * operation, which no lower limit can split.
 *
 * @since 0.1.0
 * @category packing
 */
export const halve = (
  limits: Limits,
  refused: Batch,
  headBytes: number,
  limit: Exclude<keyof Limits, "value">
): Option.Option<Limits> => {
  if (limit === "operations") {
    const operations = headOperations + (refused.length >> 1)
    return refused.length > 1
      ? Option.some({ ...limits, operations: Math.min(limits.operations, operations) })
      : Option.none()
  }
  const bytes = (headBytes + bytesOf(refused)) >> 1
  // A single write can be sent by a PUT of its own, which may be larger than a transaction.
  return refused.length > 1 || refused[0]?._tag === "Set"
    ? Option.some({ ...limits, bytes: Math.min(limits.bytes, bytes) })
    : Option.none()
}
