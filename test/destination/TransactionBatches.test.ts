import { describe, expect, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import * as Option from "effect/Option"
import * as TransactionBatches from "../../src/internal/destination/TransactionBatches.js"
import type { Changes } from "../../src/internal/plan/Diff.js"
import { destinationKey } from "../../src/internal/plan/Mapping.js"
import { encode, Operation } from "../../src/Operation.js"
import * as Value from "../../src/Value.js"
import { flags, text } from "../support/Keys.js"

const head = [
  TransactionBatches.fenceOperation({ lock: "lock", session: "5f4ce0cd-9cd9-4a9e-a0d6-3f1a8a3c8f0e" }),
  Operation.Cas({ key: "état", value: Value.fromText("{}"), flags: 0n, index: 12 })
]

const encoder = new TextEncoder()

/** What goes over the wire, as the client builds it. */
const bodyBytes = (operations: ReadonlyArray<Operation>) =>
  encoder.encode(`[${operations.map((operation) => encode(operation)).join(",")}]`).length

const headBytes = TransactionBatches.bytesOf(head)

const base64 = fc.nat(60).map((n) => Value.fromBytes(new Uint8Array(3 * n)))

const changes: fc.Arbitrary<Changes> = fc.record({
  writes: fc.array(fc.record({ key: text.map(destinationKey), value: base64, flags }), { maxLength: 20 }),
  deletes: fc.array(text.map(destinationKey), { maxLength: 20 })
})

/** From next to nothing beside the head to everything at once. The longest delete here takes less than 600 bytes. */
const limits: fc.Arbitrary<TransactionBatches.Limits> = fc.record({
  operations: fc.integer({ min: 3, max: 64 }),
  bytes: fc.integer({ min: headBytes + 601, max: headBytes + 6_000 }),
  value: fc.integer({ min: 0, max: 300 })
})

/** All batches, in the order in which they land. */
const batchesOf = ({ deletes, last, writes }: TransactionBatches.Packed) => [...writes, ...deletes, last]

const isTooLong = (operation: Operation, limits: TransactionBatches.Limits) =>
  operation._tag === "Set" && Value.toBytes(operation.value).length > limits.value

const fits = (operations: ReadonlyArray<Operation>, limits: TransactionBatches.Limits) =>
  operations.length + head.length <= limits.operations &&
  bodyBytes([...head, ...operations]) <= limits.bytes &&
  !operations.some((operation) => isTooLong(operation, limits))

const operationsOf = ({ deletes, writes }: Changes) => [
  ...writes.map((write) => Operation.Set(write)),
  ...deletes.map((key) => Operation.Delete({ key }))
]

describe("Transaction", () => {
  it.prop("holds every change exactly once: large values, writes, deletes", [changes, limits], (given) => {
    const [changes, limits] = given
    const packed = TransactionBatches.pack(changes, headBytes, limits)
    const rest = changes.writes.filter((write) => !packed.large.includes(write))
    expect(packed.large).toEqual(changes.writes.filter((write) => packed.large.includes(write)))
    expect(batchesOf(packed).flat()).toEqual(operationsOf({ ...changes, writes: rest }))
    expect(packed.writes.flat().every(({ _tag }) => _tag === "Set")).toBe(true)
    expect(packed.deletes.flat().every(({ _tag }) => _tag === "Delete")).toBe(true)
  })

  it.prop(
    "every batch fits with its head, to the byte, and no value is large that would",
    [changes, limits],
    (given) => {
      const [changes, limits] = given
      const packed = TransactionBatches.pack(changes, headBytes, limits)
      for (const batch of batchesOf(packed)) {
        expect(batch.length + head.length).toBeLessThanOrEqual(limits.operations)
        expect(bodyBytes([...head, ...batch])).toBeLessThanOrEqual(limits.bytes)
        expect(batch.some((operation) => isTooLong(operation, limits))).toBe(false)
      }
      for (const write of packed.large) expect(fits([Operation.Set(write)], limits)).toBe(false)
    }
  )

  it.prop("changes that fit one transaction are one transaction", [changes, limits], ([changes, limits]) => {
    const packed = TransactionBatches.pack(changes, headBytes, limits)
    const isOne = batchesOf(packed).length === 1 && packed.large.length === 0
    expect(isOne).toBe(fits(operationsOf(changes), limits))
  })

  it.prop(
    "no batch has room for the first operation of the next of its kind",
    [changes, limits],
    ([changes, limits]) => {
      const { deletes, writes } = TransactionBatches.pack(changes, headBytes, limits)
      for (const batches of [writes, deletes]) {
        for (const [i, batch] of batches.entries()) {
          const next = batches[i + 1]?.[0]
          if (next !== undefined) expect(fits([...batch, next], limits)).toBe(false)
        }
      }
    }
  )

  it.prop(
    "no batch but the last is empty, and that only where nothing is left for it",
    [changes, limits],
    (given) => {
      const [changes, limits] = given
      const { deletes, last, writes } = TransactionBatches.pack(changes, headBytes, limits)
      expect([...writes, ...deletes].every((batch) => batch.length > 0)).toBe(true)
      // Writes that fill several transactions, and deletes that fit none of them, leave the last to the deletes.
      if (changes.deletes.length > 0) expect(last.length).toBeGreaterThan(0)
    }
  )

  it("fills the limits of Consul to the last operation and the last byte", () => {
    const small = Array.from({ length: 63 }, (_, i) => ({
      key: destinationKey(`k${i}`),
      value: Value.empty,
      flags: 0n
    }))
    const packed = TransactionBatches.pack({ writes: small.slice(0, 62), deletes: [] }, headBytes)
    expect(batchesOf(packed).map((batch) => batch.length)).toEqual([62])
    expect(
      batchesOf(TransactionBatches.pack({ writes: small, deletes: [] }, headBytes)).map(
        (batch) => batch.length
      )
    ).toEqual([62, 1])

    const write = (length: number) => ({
      key: destinationKey("k"),
      value: "A".repeat(length) as Value.Value,
      flags: 0n
    })
    const room = 524_288 - bodyBytes([...head, Operation.Set(write(0))])
    const exactly = TransactionBatches.pack({ writes: [write(room)], deletes: [] }, headBytes)
    expect(batchesOf(exactly).map((batch) => bodyBytes([...head, ...batch]))).toEqual([524_288])
    const more = TransactionBatches.pack({ writes: [write(room + 1)], deletes: [] }, headBytes)
    expect(more).toEqual({ large: [write(room + 1)], writes: [], deletes: [], last: [] })
  })

  it.prop(
    "halving until Consul takes a batch ends, and every step of it is smaller",
    [changes, fc.integer({ min: 3, max: 64 }), fc.integer({ min: 200, max: 4_000 })],
    ([changes, operations, bytes]) => {
      const takes = { operations, bytes: Math.max(bytes, headBytes + 1), value: 524_288 }
      let limits = TransactionBatches.defaultLimits
      for (let refusals = 0; ; refusals++) {
        expect(refusals).toBeLessThan(40)
        const refused = batchesOf(TransactionBatches.pack(changes, headBytes, limits)).find(
          (batch) => !fits(batch, takes)
        )
        if (refused === undefined) return
        const limit = refused.length + head.length > takes.operations ? "operations" : "bytes"
        const halved = TransactionBatches.halve(limits, refused, headBytes, limit)
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
    const write = { key: destinationKey("k"), value: Value.fromBytes(new Uint8Array(300_000)), flags: 0n }
    const refused = [Operation.Set(write)]
    const halved = Option.getOrThrow(
      TransactionBatches.halve(TransactionBatches.defaultLimits, refused, headBytes, "bytes")
    )
    expect(TransactionBatches.pack({ writes: [write], deletes: [] }, headBytes, halved).large).toEqual([
      write
    ])
  })

  it("nothing is halved where a single operation or an empty batch was refused", () => {
    const halve = (refused: ReadonlyArray<Operation>, limit: "operations" | "bytes") =>
      TransactionBatches.halve(TransactionBatches.defaultLimits, refused, headBytes, limit)
    expect(
      halve([Operation.Set({ key: destinationKey("k"), value: Value.empty, flags: 0n })], "operations")
    ).toEqual(Option.none())
    expect(halve([Operation.Delete({ key: "k" })], "bytes")).toEqual(Option.none())
    expect(halve([], "bytes")).toEqual(Option.none())
  })

  it.prop("the size of a value is that of its bytes", [fc.uint8Array({ maxLength: 100 })], ([bytes]) => {
    expect(TransactionBatches.valueBytes(Value.fromBytes(bytes))).toBe(bytes.length)
  })

  it("a value may have as many bytes as Consul says, or less than the largest where its text is cut off", () => {
    const refused = [3, 30_000, 25_000, 100].map((bytes) =>
      Operation.Set({ key: destinationKey("k"), value: Value.fromBytes(new Uint8Array(bytes)), flags: 0n })
    )
    const told = 'Value for key "global/a" is too large (25000 > 20000 bytes)'
    expect(TransactionBatches.valueLimit(refused, told)).toEqual(Option.some(20_000))
    expect(TransactionBatches.valueLimit(refused, 'Value for key "global/aaaa')).toEqual(Option.some(29_999))
    // The key says something of its own.
    const quoted = 'Value for key "is too large (25000 > 1 bytes)" is too large (30000 > 20000 bytes)'
    expect(TransactionBatches.valueLimit(refused, quoted)).toEqual(Option.some(20_000))
    // It is the status that is too large.
    const status = 'Value for key "status" is too large (400 > 300 bytes)'
    expect(TransactionBatches.valueLimit([Operation.Delete({ key: "k" })], status)).toEqual(Option.none())
    expect(TransactionBatches.valueLimit(refused.slice(3), status)).toEqual(Option.none())
  })
})
