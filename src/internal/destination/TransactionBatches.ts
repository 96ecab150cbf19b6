/**
 * Packs changes into transactions that Consul takes, each of which is void unless the lock is still ours.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import { Operation, sizeOf } from "../../Operation.js"
import type { Changes, Write } from "../plan/Diff.js"

/**
 * Proof of leadership: `session` holds the key `lock`. Goes into every transaction.
 *
 * @since 0.1.0
 * @category models
 */
export interface Fence {
  readonly lock: string
  readonly session: string
}

/**
 * What one transaction may hold. Consul 1.8.7 takes 64 operations, a body of 524,288 bytes (`limits.txn_max_req_len`) and
 * values of 524,288 bytes each (`limits.kv_max_value_size`) unless configured otherwise; later versions allow other
 * numbers.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  /** Operations, the two at its head included. */
  readonly operations: number
  /** Bytes of the body. */
  readonly bytes: number
  /** Bytes of one value, decoded. */
  readonly value: number
}

/**
 * @since 0.1.0
 * @category models
 */
export const defaultLimits: Limits = { operations: 64, bytes: 524_288, value: 524_288 }

/**
 * What goes into one transaction, after the two operations at its head.
 *
 * @since 0.1.0
 * @category models
 */
export type Batch = ReadonlyArray<Operation>

/**
 * Work in the order in which it must land: each field after all of the one before, and within a field in any order,
 * since no two of its operations are on one key. `large` are the values that no transaction takes and that need a PUT of
 * their own.
 *
 * @since 0.1.0
 * @category models
 */
export interface Packed {
  readonly large: ReadonlyArray<Write>
  readonly writes: ReadonlyArray<Batch>
  readonly deletes: ReadonlyArray<Batch>
  /** What the checkpoint goes with; empty where nothing else is left for it. */
  readonly last: Batch
}

/**
 * The operation that voids a transaction of an instance that no longer leads. Consul reports its failure as that of
 * operation 0, since it stands first.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fenceOperation = (fence: Fence): Operation =>
  Operation.CheckSession({ key: fence.lock, session: fence.session })

/**
 * The fence and one operation on the status key stand at the head of every transaction.
 *
 * @since 0.5.0
 * @category packing
 */
export const headOperations = 2

/**
 * Bytes of the operations in the body of a transaction, each with the comma before it.
 *
 * @since 0.1.0
 * @category packing
 */
export const bytesOf = (operations: ReadonlyArray<Operation>): number =>
  operations.reduce((sum, operation) => sum + sizeOf(operation) + 1, 0)

/**
 * Bytes of a value that is given in base64.
 *
 * @since 0.5.0
 * @category packing
 */
export const valueBytes = (base64: string): number =>
  (base64.length >> 2) * 3 - (base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0)

/** Batches of operations in the order in which they are added; one that has no room anywhere is alone. */
class Batches {
  readonly all: Array<Array<Operation>> = []
  private last: Array<Operation> = []
  private bytes = 0

  constructor(private readonly room: Pick<Limits, "operations" | "bytes">) {}

  private isRoomFor(operations: number, bytes: number): boolean {
    return this.last.length + operations <= this.room.operations && this.bytes + bytes <= this.room.bytes
  }

  /** `bytes` with the comma. */
  add(operation: Operation, bytes: number): void {
    if (this.last.length === 0 || !this.isRoomFor(1, bytes)) {
      this.last = []
      this.bytes = 0
      this.all.push(this.last)
    }
    this.last.push(operation)
    this.bytes += bytes
  }

  /** Whether the last batch has room for all of the other. */
  takes(other: Batches): boolean {
    return other.all.length <= 1 && this.isRoomFor(other.last.length, other.bytes)
  }
}

/**
 * Packs changes, in the given order, into as few transactions as hold them. What fits one transaction is the `last`
 * alone; deletes go with writes only there, since anywhere else they could land before other writes.
 *
 * `headBytes` is the size of the head operations.
 *
 * @since 0.1.0
 * @category packing
 */
export const pack = (changes: Changes, headBytes: number, limits: Limits = defaultLimits): Packed => {
  const room = {
    operations: Math.max(1, limits.operations - headOperations),
    // Two brackets, less the comma that the first operation goes without.
    bytes: limits.bytes - headBytes - 1
  }
  const large: Array<Write> = []
  const writes = new Batches(room)
  for (const write of changes.writes) {
    const { flags, key, value } = write
    const operation: Operation = { _tag: "Set", key, value, flags }
    const bytes = sizeOf(operation) + 1
    // In base64 it has more characters than bytes.
    const isTooLong = value.length > limits.value && valueBytes(value) > limits.value
    if (bytes > room.bytes || isTooLong) large.push(write)
    else writes.add(operation, bytes)
  }
  const deletes = new Batches(room)
  for (const key of changes.deletes) {
    const operation: Operation = { _tag: "Delete", key }
    deletes.add(operation, sizeOf(operation) + 1)
  }
  if (writes.takes(deletes)) {
    const last = [...(writes.all.at(-1) ?? []), ...(deletes.all[0] ?? [])]
    return { large, writes: writes.all.slice(0, -1), deletes: [], last }
  }
  return { large, writes: writes.all, deletes: deletes.all.slice(0, -1), last: deletes.all.at(-1) ?? [] }
}

/** How Consul's text about a value ends. */
const mostBytes = /" is too large \(\d+ > (\d+) bytes\)$/

/**
 * How many bytes a value may have, after Consul refused a batch for one that has more: as many as its `reason` says, or
 * less than the largest of the batch. None when no value of the batch has more.
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
 * The limits to go on with after Consul refused a batch as too large (413), for its operations or for its bytes: half of
 * what was refused, and never more than before, since several may be refused at once. None when that cannot help, since
 * what was refused is a single operation.
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
  // A single write may still go by a PUT of its own, which takes more than a transaction does.
  return refused.length > 1 || refused[0]?._tag === "Set"
    ? Option.some({ ...limits, bytes: Math.min(limits.bytes, bytes) })
    : Option.none()
}
