import { describe, expect, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import * as Option from "effect/Option"
import type { Changes } from "../src/Diff.js"
import { encode, Operation } from "../src/Operation.js"
import * as Transaction from "../src/Transaction.js"
import { flags, text } from "./support/Keys.js"

const head = [
  Transaction.fenceOperation({ lock: "lock", session: "5f4ce0cd-9cd9-4a9e-a0d6-3f1a8a3c8f0e" }),
  Operation.Cas({ key: "état", value: "e30=", flags: 0n, index: 12 })
]

const encoder = new TextEncoder()

/** What goes over the wire, as the client builds it. */
const bodyBytes = (operations: ReadonlyArray<Operation>) =>
  encoder.encode(`[${operations.map(encode).join(",")}]`).length

const headBytes = head.reduce((sum, operation) => sum + Transaction.sizeOf(operation), 0)

const base64 = fc.nat(60).map((n) => "AAAA".repeat(n))

const changes: fc.Arbitrary<Changes> = fc.record({
  writes: fc.array(fc.record({ key: text, value: base64, flags }), { maxLength: 20 }),
  deletes: fc.array(text, { maxLength: 20 })
})

/** From next to nothing beside the head to everything at once. The longest delete here takes less than 600 bytes. */
const limits: fc.Arbitrary<Transaction.Limits> = fc.record({
  operations: fc.integer({ min: 3, max: 64 }),
  bytes: fc.integer({ min: headBytes + 601, max: headBytes + 6_000 })
})

const batchesOf = (steps: ReadonlyArray<Transaction.Step>) =>
  steps.flatMap((step) => (step._tag === "Batch" ? [step.operations] : []))

const largeOf = (steps: ReadonlyArray<Transaction.Step>) =>
  steps.flatMap((step) => (step._tag === "Large" ? [step.write] : []))

const fits = (operations: ReadonlyArray<Operation>, limits: Transaction.Limits) =>
  operations.length + head.length <= limits.operations && bodyBytes([...head, ...operations]) <= limits.bytes

const operationsOf = ({ deletes, writes }: Changes) => [
  ...writes.map((write) => Operation.Set(write)),
  ...deletes.map((key) => Operation.Delete({ key }))
]

describe("Transaction", () => {
  it.prop("a size is that of the encoded operation and a comma, to the byte", [changes], ([changes]) => {
    for (const operation of [...operationsOf(changes), ...head]) {
      expect(Transaction.sizeOf(operation)).toBe(encoder.encode(`${encode(operation)},`).length)
    }
  })

  it.prop("holds every change exactly once: large values, writes, deletes", [changes, limits], (given) => {
    const [changes, limits] = given
    const steps = Transaction.pack(changes, headBytes, limits)
    const large = largeOf(steps)
    const rest = changes.writes.filter((write) => !large.includes(write))
    expect(steps.slice(0, large.length).every((step) => step._tag === "Large")).toBe(true)
    expect(large).toEqual(changes.writes.filter((write) => large.includes(write)))
    expect(batchesOf(steps).flat()).toEqual(operationsOf({ ...changes, writes: rest }))
  })

  it.prop(
    "every batch fits with its head, to the byte, and no value is large that would",
    [changes, limits],
    (given) => {
      const [changes, limits] = given
      const steps = Transaction.pack(changes, headBytes, limits)
      for (const batch of batchesOf(steps)) {
        expect(batch.length + head.length).toBeLessThanOrEqual(limits.operations)
        expect(bodyBytes([...head, ...batch])).toBeLessThanOrEqual(limits.bytes)
      }
      for (const write of largeOf(steps)) expect(fits([Operation.Set(write)], limits)).toBe(false)
    }
  )

  it.prop("what fits one transaction is one transaction", [changes, limits], ([changes, limits]) => {
    const steps = Transaction.pack(changes, headBytes, limits)
    expect(steps.length === 1 && steps[0]?._tag === "Batch").toBe(fits(operationsOf(changes), limits))
  })

  it.prop("no batch has room for the first operation of the next", [changes, limits], ([changes, limits]) => {
    const batches = batchesOf(Transaction.pack(changes, headBytes, limits))
    for (const [i, batch] of batches.entries()) {
      const next = batches[i + 1]?.[0]
      if (next !== undefined) expect(fits([...batch, next], limits)).toBe(false)
    }
  })

  it.prop("ends with a batch, which the checkpoint goes with", [changes, limits], ([changes, limits]) => {
    const steps = Transaction.pack(changes, headBytes, limits)
    expect(steps.at(-1)?._tag).toBe("Batch")
    const empty = batchesOf(steps).filter((batch) => batch.length === 0)
    const batched = changes.writes.length - largeOf(steps).length + changes.deletes.length
    expect(empty.length).toBe(batched === 0 ? 1 : 0)
  })

  it("fills the limits of Consul to the last operation and the last byte", () => {
    const small = Array.from({ length: 63 }, (_, i) => ({ key: `k${i}`, value: "", flags: 0n }))
    const packed = Transaction.pack({ writes: small.slice(0, 62), deletes: [] }, headBytes)
    expect(batchesOf(packed).map((batch) => batch.length)).toEqual([62])
    expect(
      batchesOf(Transaction.pack({ writes: small, deletes: [] }, headBytes)).map((batch) => batch.length)
    ).toEqual([62, 1])

    const write = (length: number) => ({ key: "k", value: "A".repeat(length), flags: 0n })
    const room = 524_288 - bodyBytes([...head, Operation.Set(write(0))])
    const exactly = Transaction.pack({ writes: [write(room)], deletes: [] }, headBytes)
    expect(batchesOf(exactly).map((batch) => bodyBytes([...head, ...batch]))).toEqual([524_288])
    const more = Transaction.pack({ writes: [write(room + 1)], deletes: [] }, headBytes)
    expect(more.map((step) => step._tag)).toEqual(["Large", "Batch"])
  })

  it.prop(
    "halving until Consul takes a batch ends, and every step of it is smaller",
    [changes, fc.integer({ min: 3, max: 64 }), fc.integer({ min: 200, max: 4_000 })],
    ([changes, operations, bytes]) => {
      const takes = { operations, bytes: Math.max(bytes, headBytes + 1) }
      let limits = Transaction.defaultLimits
      for (let refusals = 0; ; refusals++) {
        expect(refusals).toBeLessThan(40)
        const refused = batchesOf(Transaction.pack(changes, headBytes, limits)).find(
          (batch) => !fits(batch, takes)
        )
        if (refused === undefined) return
        const reason =
          refused.length + head.length > takes.operations
            ? `Transaction contains too many operations (${refused.length + 2} > ${takes.operations})`
            : `Request body(${bodyBytes([...head, ...refused])} bytes) too large, max size: ${takes.bytes} bytes`
        const halved = Transaction.halve(limits, refused, headBytes, reason)
        if (Option.isNone(halved)) {
          // Nothing smaller is left: one delete, which has no other way.
          expect(refused.map((operation) => operation._tag)).toEqual(["Delete"])
          return
        }
        const { value } = halved
        expect(value.operations).toBeLessThanOrEqual(limits.operations)
        expect(value.bytes).toBeLessThanOrEqual(limits.bytes)
        expect(value.operations + value.bytes).toBeLessThan(limits.operations + limits.bytes)
        limits = value
      }
    }
  )

  it("a single write that is refused for its size goes by a PUT of its own from then on", () => {
    const write = { key: "k", value: "A".repeat(400_000), flags: 0n }
    const refused = [Operation.Set(write)]
    const halved = Option.getOrThrow(
      Transaction.halve(Transaction.defaultLimits, refused, headBytes, "Request body too large")
    )
    expect(Transaction.pack({ writes: [write], deletes: [] }, headBytes, halved)[0]?._tag).toBe("Large")
  })

  it("nothing is halved where a single operation or an empty batch was refused", () => {
    const halve = (refused: ReadonlyArray<Operation>, reason: string) =>
      Transaction.halve(Transaction.defaultLimits, refused, headBytes, reason)
    const tooMany = "Transaction contains too many operations (3 > 2)"
    expect(halve([Operation.Set({ key: "k", value: "", flags: 0n })], tooMany)).toEqual(Option.none())
    expect(halve([Operation.Delete({ key: "k" })], "Request body too large")).toEqual(Option.none())
    expect(halve([], "Request body too large")).toEqual(Option.none())
  })
})
