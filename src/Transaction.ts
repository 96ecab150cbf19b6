/**
 * Packs changes into transactions that Consul takes, each of which is void unless the lock is still ours.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import type { Changes, Write } from "./Diff.js"
import { encode, Operation } from "./Operation.js"

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
 * What one transaction may hold. Consul 1.8.7 takes 64 operations and a body of 524,288 bytes unless configured
 * otherwise; later versions allow other numbers.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  readonly operations: number
  readonly bytes: number
}

/**
 * @since 0.1.0
 * @category models
 */
export const defaultLimits: Limits = { operations: 64, bytes: 524_288 }

/**
 * Ordered work. A `Batch` fits one transaction beside its two head operations. A `Large` value fits none and needs
 * a PUT of its own.
 *
 * @since 0.1.0
 * @category models
 */
export type Step =
  | { readonly _tag: "Batch"; readonly operations: ReadonlyArray<Operation> }
  | { readonly _tag: "Large"; readonly write: Write }

/**
 * The operation that voids a transaction of an instance that no longer leads. Consul reports its failure as that of
 * operation 0, since it stands first.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fenceOperation = (fence: Fence): Operation =>
  Operation.CheckSession({ key: fence.lock, session: fence.session })

/** The fence and one operation on the status key stand at the head of every transaction. */
const headOperations = 2

const encoder = new TextEncoder()

/** Bytes of the operation in the body of a transaction, with the comma before it. Base64 is one byte a character. */
export const sizeOf = (operation: Operation): number => {
  const value = "value" in operation ? operation.value : ""
  const rest = value === "" ? operation : { ...operation, value: "" }
  return encoder.encode(encode(rest)).length + value.length + 1
}

/**
 * Large values first, then writes, then deletes, each in the given order, in as few transactions as hold them. Never
 * empty: the last step is a batch, so that the checkpoint has a transaction to go with even where nothing changed.
 *
 * `headBytes` is the size of the head operations.
 *
 * @since 0.1.0
 * @category packing
 */
export const pack = (
  changes: Changes,
  headBytes: number,
  limits: Limits = defaultLimits
): ReadonlyArray<Step> => {
  const maxOperations = Math.max(1, limits.operations - headOperations)
  // Two brackets, less the comma that the first operation goes without.
  const maxBytes = limits.bytes - headBytes - 1
  const large: Array<Step> = []
  const batches: Array<Step> = []
  let operations: Array<Operation> = []
  let bytes = 0
  const flush = () => {
    batches.push({ _tag: "Batch", operations })
    operations = []
    bytes = 0
  }
  const add = (operation: Operation, size: number) => {
    if (operations.length === maxOperations || (operations.length > 0 && bytes + size > maxBytes)) flush()
    operations.push(operation)
    bytes += size
  }
  for (const write of changes.writes) {
    const operation = Operation.Set(write)
    const size = sizeOf(operation)
    if (size > maxBytes) large.push({ _tag: "Large", write })
    else add(operation, size)
  }
  for (const key of changes.deletes) {
    const operation = Operation.Delete({ key })
    add(operation, sizeOf(operation))
  }
  if (operations.length > 0 || batches.length === 0) flush()
  return [...large, ...batches]
}

/**
 * The limits to go on with after Consul refused a batch as too large (413), of operations or of bytes as its
 * `reason` says: half of what was refused. None when that cannot help, since what was refused is a single operation.
 *
 * @since 0.1.0
 * @category packing
 */
export const halve = (
  limits: Limits,
  refused: ReadonlyArray<Operation>,
  headBytes: number,
  reason: string
): Option.Option<Limits> => {
  const bytes = refused.reduce((sum, operation) => sum + sizeOf(operation), headBytes)
  if (reason.includes("operations")) {
    return refused.length > 1
      ? Option.some({ ...limits, operations: headOperations + (refused.length >> 1) })
      : Option.none()
  }
  // A single write may still go by a PUT of its own, which takes more than a transaction does.
  return refused.length > 1 || refused[0]?._tag === "Set"
    ? Option.some({ ...limits, bytes: bytes >> 1 })
    : Option.none()
}
