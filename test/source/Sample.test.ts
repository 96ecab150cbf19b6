import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as fc from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import * as Sample from "../../src/internal/source/Sample.js"
import type { KeyValue } from "../../src/KeyValue.js"
import type { Value } from "../../src/Value.js"

const entry = (key: string, characters: number): KeyValue => ({
  key,
  value: "a".repeat(characters) as Value,
  flags: 0n,
  session: undefined,
  lockIndex: 0,
  createIndex: 1,
  modifyIndex: 1
})

const names = Array.from({ length: 1_000 }, (_, i) => `k${String(i).padStart(3, "0")}`)

/** A store whose keys have values of as many characters as `sizeOf` says. */
const holding = (sizeOf: (key: string) => number) => {
  const asked: Array<string> = []
  const read: Sample.Read = ({ prefix }) =>
    Effect.sync(() => {
      asked.push(prefix)
      const entries = [entry(prefix, sizeOf(prefix))]
      return {
        value: { entries, invalidUtf8Keys: [], malformed: [] },
        index: 7,
        knownLeader: true,
        lastContact: 0
      }
    })
  return { asked, read }
}

describe("a sample of keys", () => {
  it.effect("shows how heavy most keys are, by reading nine of a thousand", () =>
    Effect.gen(function* () {
      const { asked, read } = holding(() => 400_000)
      const bytes = yield* Sample.entryBytes(read, names)
      expect(bytes).toBeGreaterThan(400_000)
      expect(bytes).toBeLessThan(401_000)
      expect(new Set(asked).size).toBe(9)
    })
  )

  it.effect("is not misled by a few heavy keys among light ones", () =>
    Effect.gen(function* () {
      const { read } = holding((key) => (key.endsWith("5") ? 400_000 : 100))
      expect(yield* Sample.entryBytes(read, names)).toBeLessThan(1_000)
    })
  )

  it.effect("is not read if there are few keys", () =>
    Effect.gen(function* () {
      const { asked, read } = holding(() => 400_000)
      expect(yield* Sample.entryBytes(read, names.slice(0, 63))).toBeUndefined()
      expect(asked).toEqual([])
    })
  )

  it.effect("waits 3 s for keys that are not answered, and uses the others", () =>
    Effect.gen(function* () {
      const { read } = holding(() => 1_000)
      const isMute = (key: string) => key < "k300"
      const fiber = yield* Effect.fork(
        Sample.entryBytes(
          (range, options) => (isMute(range.prefix) ? Effect.never : read(range, options)),
          names
        )
      )
      const mute = yield* Effect.fork(Sample.entryBytes(() => Effect.never, names))
      yield* TestClock.adjust(Duration.seconds(3))
      expect(yield* Fiber.join(fiber)).toBeGreaterThan(1_000)
      expect(yield* Fiber.join(mute)).toBeUndefined()
    })
  )

  it.prop(
    "leads to answers within the limit, unless one key is beyond it",
    [fc.integer({ min: 1, max: 10_000_000 }), fc.nat(1_000_000), fc.integer({ min: 1, max: 5_000 })],
    ([bytes, entryBytes, most]) => {
      const keys = Sample.keysWithin(bytes, entryBytes, most)
      expect(keys).toBeGreaterThanOrEqual(1)
      expect(keys).toBeLessThanOrEqual(most)
      if (keys > 1) expect(keys * entryBytes).toBeLessThanOrEqual(bytes)
      expect(Sample.keysWithin(bytes, undefined, most)).toBe(most)
    }
  )
})
