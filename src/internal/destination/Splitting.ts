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

/**
 * `limits` are the limits of the destination. A refusal lowers them for this writer and the next. `left` counts the keys that
 * were refused before.
 */
export const make = (limits: Ref.Ref<Limits>, left: Remaining): Effect.Effect<Splitting> =>
  Effect.gen(function* () {
    const refusedNow = yield* Ref.make<ReadonlyArray<Refusal>>([])
    const refusedBefore = left.refusedWrites - left.unreadable

    const refuse = (refusals: ReadonlyArray<Refusal>) =>
      Ref.update(refusedNow, (all) => [...all, ...refusals])

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

    const withoutTooLarge = Effect.fnUntraced(function* (batch: Batch, error: TooLarge) {
      const limit = valueLimit(batch, error.reason)
      if (Option.isNone(limit)) return yield* error
      const most = limit.value
      yield* Ref.update(limits, (before) => ({ ...before, value: Math.min(before.value, most) }))
      const [rest, refusals] = withoutLargerThan(batch, most)
      yield* refuse(refusals)
      return rest
    })

    const withoutRefused = Effect.fnUntraced(function* (batch: Batch, error: Conflict) {
      const [rest, refusals] = withoutFailures(batch, error)
      const refused = refusedBefore + (yield* Ref.get(refusedNow)).length
      if (refusals.length === 0 || refused + refusals.length > mostRefused) return yield* error
      yield* refuse(refusals)
      return rest
    })

    const sendOrSplit = <A>(batch: Batch, sending: Sending<A>): Effect.Effect<A, WriterError> =>
      Effect.catchTags(sending.send(batch), {
        TooLarge: (error) => {
          const { limit } = error
          return limit === "value"
            ? Effect.flatMap(withoutTooLarge(batch, error), (rest) => sendOrSplit(rest, sending))
            : lowerLimits(batch, sending.headBytes, limit, error)
        },
        Conflict: (error) =>
          Effect.flatMap(withoutRefused(batch, error), (rest) => sendOrSplit(rest, sending))
      })

    return { sendOrSplit, refuse, refused: Ref.get(refusedNow) }
  })
