/**
 * Sends a batch of operations. If the destination refuses some of them, because a key must not be changed or a value is too
 * large, sends the rest. If it refuses the batch for its number of operations or bytes, lowers the limits. One `Splitting` for
 * each write of a pass.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import type { Conflict, TooLarge } from "../../ConsulError.js"
import type { Operation } from "../../Operation.js"
import { KeyRefused, KeyTooLarge, type Refusal } from "./Refusal.js"
import type { Remaining } from "./StatusKey.js"
import {
  type Batch,
  halve,
  headOperations,
  type Limits,
  valueBytes,
  valueLimit
} from "./TransactionBatches.js"
import { LimitLowered, type WriterError } from "./WriterError.js"

/** How a batch is sent. */
export interface Sending<A> {
  /** Bytes of the {@link headOperations} operations in front of the batch. */
  readonly headBytes: number
  readonly send: (batch: Batch) => Effect.Effect<A, WriterError>
}

export interface Splitting {
  /** Sends a batch. If keys are refused, sends the rest. Fails if too many keys are refused. */
  readonly sendOrSplit: <A>(batch: Batch, sending: Sending<A>) => Effect.Effect<A, WriterError>
  /** Adds refusals of operations that were not sent. */
  readonly refuse: (refusals: ReadonlyArray<Refusal>) => Effect.Effect<void>
  /** All refusals so far. */
  readonly refused: Effect.Effect<ReadonlyArray<Refusal>>
}

/** The most refused keys: each is read and tried again. If more are refused, the cause is the token, and the writer fails. */
const mostRefused = 1_000

/** The operations of a batch whose values have at most `most` bytes, and refusals of the others. */
export const withoutLargerThan = (
  batch: Batch,
  most: number
): readonly [rest: Batch, refusals: ReadonlyArray<Refusal>] => {
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
  return [rest, refusals]
}

/** The operations of a batch that a conflict does not name, and refusals of the others. */
export const withoutFailures = (
  batch: Batch,
  { failures }: Conflict
): readonly [rest: Batch, refusals: ReadonlyArray<Refusal>] => {
  const reasons = new Map(failures.map(({ operation, reason }) => [operation - headOperations, reason]))
  const refusals = batch.flatMap(({ key }, at) => {
    const reason = reasons.get(at)
    return reason === undefined ? [] : [new KeyRefused({ key, reason })]
  })
  return [batch.filter((_, at) => !reasons.has(at)), refusals]
}

/** The state of one `Splitting`. */
interface State {
  /** The limits of the destination. A refusal lowers them for this writer and the next. */
  readonly limits: Ref.Ref<Limits>
  /** All refusals so far. */
  readonly refusals: Ref.Ref<ReadonlyArray<Refusal>>
  /** Number of keys that the destination refused before, and that this writer does not try again. */
  readonly refusedBefore: number
}

const refuse = ({ refusals }: State, more: ReadonlyArray<Refusal>): Effect.Effect<void> =>
  Ref.update(refusals, (all) => [...all, ...more])

/** Fails, and leaves smaller limits to the next writer. */
const lowerLimits = (
  { limits }: State,
  batch: Batch,
  headBytes: number,
  limit: Exclude<keyof Limits, "value">,
  error: TooLarge
): Effect.Effect<never, LimitLowered | TooLarge> =>
  Ref.modify(limits, (before) => {
    const lowered = halve(before, batch, headBytes, limit)
    return [lowered, Option.getOrElse(lowered, () => before)] as const
  }).pipe(
    Effect.flatMap((lowered) =>
      Effect.fail(Option.isNone(lowered) ? error : new LimitLowered({ limits: lowered.value }))
    )
  )

/** Refuses the values of a batch that are too large, lowers the limit of a value, and returns the rest of the batch. */
const refuseTooLarge = Effect.fnUntraced(function* (
  state: State,
  batch: Batch,
  error: TooLarge
): Effect.fn.Return<Batch, TooLarge> {
  const limit = valueLimit(batch, error.reason)
  if (Option.isNone(limit)) return yield* error
  const most = limit.value
  yield* Ref.update(state.limits, (before) => ({ ...before, value: Math.min(before.value, most) }))
  const [rest, refusals] = withoutLargerThan(batch, most)
  yield* refuse(state, refusals)
  return rest
})

/** Refuses the operations that a conflict names, and returns the rest of the batch. Fails if too many keys are refused. */
const refuseFailed = Effect.fnUntraced(function* (
  state: State,
  batch: Batch,
  error: Conflict
): Effect.fn.Return<Batch, Conflict> {
  const [rest, refusals] = withoutFailures(batch, error)
  const refused = state.refusedBefore + (yield* Ref.get(state.refusals)).length
  if (refusals.length === 0 || refused + refusals.length > mostRefused) return yield* error
  yield* refuse(state, refusals)
  return rest
})

const sendOrSplit = <A>(state: State, batch: Batch, sending: Sending<A>): Effect.Effect<A, WriterError> =>
  Effect.catchTags(sending.send(batch), {
    TooLarge: (error) => {
      const { limit } = error
      return limit === "value"
        ? Effect.flatMap(refuseTooLarge(state, batch, error), (rest) => sendOrSplit(state, rest, sending))
        : lowerLimits(state, batch, sending.headBytes, limit, error)
    },
    Conflict: (error) =>
      Effect.flatMap(refuseFailed(state, batch, error), (rest) => sendOrSplit(state, rest, sending))
  })

/**
 * `limits` are the limits of the destination. A refusal lowers them for this writer and the next. `left` counts the keys that
 * were refused before.
 */
export const make = (limits: Ref.Ref<Limits>, left: Remaining): Effect.Effect<Splitting> =>
  Effect.map(Ref.make<ReadonlyArray<Refusal>>([]), (refusals) => {
    const state: State = { limits, refusals, refusedBefore: left.refusedWrites - left.unreadable }
    return {
      sendOrSplit: (batch, sending) => sendOrSplit(state, batch, sending),
      refuse: (more) => refuse(state, more),
      refused: Ref.get(refusals)
    }
  })
