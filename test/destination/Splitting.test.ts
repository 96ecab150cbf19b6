import { describe, expect, it } from "@effect/vitest"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Ref from "effect/Ref"
import { Conflict, TooLarge } from "../../src/ConsulError.js"
import * as Splitting from "../../src/internal/destination/Splitting.js"
import { nothingRemaining } from "../../src/internal/destination/StatusKey.js"
import {
  type Batch,
  defaultLimits,
  headOperations,
  type Limits
} from "../../src/internal/destination/TransactionBatches.js"
import type { WriterError } from "../../src/internal/destination/WriterError.js"
import { Operation } from "../../src/Operation.js"
import * as Value from "../../src/Value.js"

const request = "PUT /v1/txn"

const set = (key: string, bytes = 1): Operation =>
  Operation.Set({ key, value: Value.fromBytes(new Uint8Array(bytes)), flags: 0n })

const keysOf = (batch: ReadonlyArray<{ readonly key: string }>) => batch.map(({ key }) => key)

/** The conflict of a transaction whose operations on some keys fail; undefined if the batch has none of the keys. */
const conflictOf = (batch: Batch, isRefused: (key: string) => boolean): Conflict | undefined => {
  const failures = batch.flatMap(({ key }, at) =>
    isRefused(key) ? [{ operation: at + headOperations, key, reason: "Permission denied" }] : []
  )
  return failures.length === 0 ? undefined : new Conflict({ request, failures })
}

/** A destination that answers each batch with an error, or accepts it if `answer` returns none. */
const makeDestination = (answer: (batch: Batch) => WriterError | undefined) => {
  const sent: Array<ReadonlyArray<string>> = []
  const send = (batch: Batch) =>
    Effect.suspend((): Effect.Effect<ReadonlyArray<string>, WriterError> => {
      sent.push(keysOf(batch))
      return answer(batch) ?? Effect.succeed(keysOf(batch))
    })
  return { sent, sending: { headBytes: 300, send } }
}

const make = (left = nothingRemaining) =>
  Effect.gen(function* () {
    const limits = yield* Ref.make(defaultLimits)
    return { limits, splitting: yield* Splitting.make(limits, left) }
  })

describe("Splitting", () => {
  it.effect(
    "sends the rest of a batch of which the destination refuses some keys, and returns its answer",
    () =>
      Effect.gen(function* () {
        const { limits, splitting } = yield* make()
        const { sending, sent } = makeDestination((batch) => conflictOf(batch, (key) => key === "b"))
        const landed = yield* splitting.sendOrSplit([set("a"), set("b"), set("c")], sending)
        expect(landed).toEqual(["a", "c"])
        expect(sent).toEqual([
          ["a", "b", "c"],
          ["a", "c"]
        ])
        expect(yield* splitting.refused).toMatchObject([
          { _tag: "KeyRefused", key: "b", reason: "Permission denied" }
        ])
        expect(yield* Ref.get(limits)).toEqual(defaultLimits)
      })
  )

  it.effect("sends the rest of a batch as often as the destination refuses other keys of it", () =>
    Effect.gen(function* () {
      const { splitting } = yield* make()
      // A destination that names one refused key in each answer.
      const { sending, sent } = makeDestination((batch) => {
        const [first] = batch.filter(({ key }) => key !== "c")
        return first && conflictOf(batch, (key) => key === first.key)
      })
      expect(yield* splitting.sendOrSplit([set("a"), set("b"), set("c")], sending)).toEqual(["c"])
      expect(sent).toEqual([["a", "b", "c"], ["b", "c"], ["c"]])
      expect(keysOf(yield* splitting.refused)).toEqual(["a", "b"])
    })
  )

  it.effect("fails with a conflict that names only operations at the head: no key is refused", () =>
    Effect.gen(function* () {
      const { splitting } = yield* make()
      const conflict = new Conflict({ request, failures: [{ operation: 1, key: "status", reason: "index" }] })
      const { sending, sent } = makeDestination(() => conflict)
      expect(yield* Effect.exit(splitting.sendOrSplit([set("a")], sending))).toEqual(Exit.fail(conflict))
      expect(sent).toHaveLength(1)
      expect(yield* splitting.refused).toEqual([])
    })
  )

  it.effect(
    "counts keys that were refused before, but not unreadable ones, towards the most refused keys",
    () =>
      Effect.gen(function* () {
        const batch = Arr.makeBy(3, (n) => set(`key ${n}`))
        const refuseAll = makeDestination((batch) => conflictOf(batch, () => true)).sending
        const afterRefusing = (refused: number) =>
          make({ ...nothingRemaining, refusedWrites: refused + 50, unreadable: 50 })

        const { splitting: allowed } = yield* afterRefusing(997)
        expect(yield* allowed.sendOrSplit(batch, refuseAll)).toEqual([])
        expect(yield* allowed.refused).toHaveLength(3)

        const { splitting: tooMany } = yield* afterRefusing(998)
        expect(yield* Effect.flip(tooMany.sendOrSplit(batch, refuseAll))).toMatchObject({ _tag: "Conflict" })
        expect(yield* tooMany.refused).toEqual([])
      })
  )

  it.effect(
    "refuses values that the destination finds too large, and lowers the limit for the next writer",
    () =>
      Effect.gen(function* () {
        const { limits, splitting } = yield* make()
        const reason = 'Value for key "b" is too large (30 > 20 bytes)'
        const { sending, sent } = makeDestination(({ length }) =>
          length === 3 ? new TooLarge({ request, reason, limit: "value" }) : undefined
        )
        const batch = [set("a", 20), set("b", 30), set("c", 21)]
        expect(yield* splitting.sendOrSplit(batch, sending)).toEqual(["a"])
        expect(sent).toEqual([["a", "b", "c"], ["a"]])
        expect(yield* splitting.refused).toMatchObject([
          { _tag: "KeyTooLarge", key: "b" },
          { _tag: "KeyTooLarge", key: "c" }
        ])
        expect(yield* Ref.get(limits)).toEqual({ ...defaultLimits, value: 20 })
      })
  )

  it.effect(
    "does not send a batch again that has too many operations: the next writer packs smaller ones",
    () =>
      Effect.gen(function* () {
        const { limits, splitting } = yield* make()
        const tooLarge = new TooLarge({ request, reason: "too many operations", limit: "operations" })
        const { sending, sent } = makeDestination(() => tooLarge)
        const lowered: Limits = { ...defaultLimits, operations: headOperations + 2 }
        const error = yield* Effect.flip(
          splitting.sendOrSplit(
            ["a", "b", "c", "d"].map((key) => set(key)),
            sending
          )
        )
        expect(error).toMatchObject({ _tag: "LimitLowered", limits: lowered })
        expect(yield* Ref.get(limits)).toEqual(lowered)
        expect(sent).toHaveLength(1)
      })
  )

  it.effect("fails with the error of the destination if a single operation is one too many", () =>
    Effect.gen(function* () {
      const { limits, splitting } = yield* make()
      const tooLarge = new TooLarge({ request, reason: "too many operations", limit: "operations" })
      const { sending } = makeDestination(() => tooLarge)
      expect(yield* Effect.flip(splitting.sendOrSplit([set("a")], sending))).toBe(tooLarge)
      expect(yield* Ref.get(limits)).toEqual(defaultLimits)
    })
  )
})
