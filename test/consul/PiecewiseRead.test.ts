import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "effect/FastCheck"
import { AnswerTooLarge } from "../../src/ConsulError.js"
import type { Answer } from "../../src/ConsulHttp.js"
import { isNameable } from "../../src/internal/consul/KeyPath.js"
import * as PiecewiseRead from "../../src/internal/consul/PiecewiseRead.js"
import { contains, under } from "../../src/KeyRange.js"
import type { KeyValue } from "../../src/KeyValue.js"
import type { Value } from "../../src/Value.js"
import { text } from "../support/Keys.js"

const entry = (key: string, bytes: number): KeyValue => ({
  key,
  value: "a".repeat(bytes) as Value,
  flags: 0n,
  session: undefined,
  lockIndex: 0,
  createIndex: 1,
  modifyIndex: 1
})

const answer = <A>(value: A): Answer<A> => ({ value, index: 7, knownLeader: true, lastContact: 0 })

/** A source that cuts off what is too large, and what it answered in full. */
const sourceOf = (entries: ReadonlyArray<KeyValue>) => {
  const sizes: Array<number> = []
  const source: PiecewiseRead.Reads = {
    read: (range, { maxBytes = Number.POSITIVE_INFINITY }) => {
      const found = entries.filter(({ key }) => contains(range, key))
      const bytes = found.reduce((sum, { value }) => sum + value.length, 0)
      if (bytes > maxBytes) return new AnswerTooLarge({ request: "", maxBytes })
      sizes.push(bytes)
      return Effect.succeed(answer({ entries: found, invalidUtf8Keys: [], malformed: [] }))
    },
    names: (prefix) =>
      Effect.succeed(answer(entries.map(({ key }) => key).filter((key) => key.startsWith(prefix)))),
    isNameable
  }
  return { source, sizes }
}

const all = fc.uniqueArray(fc.tuple(text, fc.nat(60)), { maxLength: 60, selector: ([name]) => name })

describe("a range that is too large for one answer", () => {
  it.prop("is read once and completely, in answers of the size that is allowed", [all], ([given]) => {
    const entries = given
      .map(([name, bytes]) => entry(`global/${name}`, bytes))
      .sort((a, b) => (a.key < b.key ? -1 : 1))
    const { sizes, source } = sourceOf(entries)
    const read: Array<KeyValue> = []
    const index = Effect.runSync(
      PiecewiseRead.readInPieces(source, under("global/"), 100, (_, { value }) =>
        Effect.sync(() => read.push(...value.entries))
      )
    )
    expect(index).toBe(7)
    expect(read.map(({ key }) => key).sort()).toEqual(entries.map(({ key }) => key).sort())
    expect(Math.max(0, ...sizes)).toBeLessThanOrEqual(100)
  })

  it.effect("is cut off once, since a few of its keys say into how many answers it is divided", () =>
    Effect.gen(function* () {
      const entries = Array.from({ length: 1_000 }, (_, i) =>
        entry(`global/${String(i).padStart(4, "0")}`, 1_000)
      )
      const { source } = sourceOf(entries)
      let cutOff = 0
      let keys = 0
      const reads: PiecewiseRead.Reads = {
        ...source,
        read: (range, options) =>
          Effect.tapError(source.read(range, options), () => Effect.sync(() => (cutOff += 1)))
      }
      yield* PiecewiseRead.readInPieces(reads, under("global/"), 30_000, (_, { value }) =>
        Effect.sync(() => {
          keys += value.entries.length
        })
      )
      expect(keys).toBe(1_000)
      expect(cutOff).toBe(1)
    })
  )
})
