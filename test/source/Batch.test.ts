import { describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as fc from "effect/FastCheck"
import * as Stream from "effect/Stream"
import * as Batch from "../../src/internal/source/Batch.js"
import type { WatchEvent } from "../../src/internal/source/WatchEvent.js"
import { caughtUp, named, snapshot } from "../support/WatchEvents.js"

const range = fc.constantFrom("a", "b", "c")
const event = fc.oneof(
  fc
    .record({ range, index: fc.nat({ max: 9 }), restarted: fc.boolean() })
    .map((one) => snapshot(one.range, one.index, one.restarted)),
  fc
    .record({ index: fc.nat({ max: 9 }), layoutChanged: fc.boolean() })
    .map((one) => caughtUp(one.index, one.layoutChanged))
)
const events = fc
  .tuple(event, fc.array(event, { maxLength: 5 }))
  .map(([first, others]): readonly [WatchEvent, ...ReadonlyArray<WatchEvent>] => [first, ...others])

describe("a batch", () => {
  it.scoped("has all events that were emitted since the last one was pulled", () =>
    Effect.gen(function* () {
      const chunks = Stream.fromChunks<Batch.Batch>(
        Chunk.make([snapshot("a", 1), snapshot("b", 1)] as const, [snapshot("a", 2)] as const),
        Chunk.empty(),
        Chunk.make([caughtUp(2)] as const)
      )
      const next = yield* Batch.pull(chunks)
      expect((yield* next).map(named)).toEqual(["b 1", "a 2"])
      expect((yield* next).map(named)).toEqual(["caught up 2"])
    })
  )

  it.scoped("fails as the watch does, and an end of the watch is a defect", () =>
    Effect.gen(function* () {
      const failing = yield* Batch.pull(Stream.fail("gone"))
      expect(yield* Effect.flip(failing)).toBe("gone")
      const ending = yield* Batch.pull(Stream.empty)
      expect(yield* Effect.exit(ending)).toMatchObject({ cause: { _tag: "Die" } })
    })
  )

  it.prop(
    "that is merged of two keeps the latest snapshot of each range, with the marks of those that it replaces",
    [events, events],
    ([a, b]) => {
      const all = [...a, ...b]
      const merged = [...a.slice(1), ...b].reduce<typeof a>(
        (merged, one) => {
          const [first = one, ...others] = Batch.merge(merged, [one])
          return [first, ...others]
        },
        [a[0]]
      )
      for (const prefix of ["a", "b", "c"]) {
        const of = (events: ReadonlyArray<WatchEvent>) =>
          events.flatMap((one) => (one._tag === "Snapshot" && one.range.prefix === prefix ? [one] : []))
        expect(of(merged).map(({ index }) => index)).toEqual(
          of(all)
            .slice(-1)
            .map(({ index }) => index)
        )
        expect(of(merged).some(({ restarted }) => restarted)).toBe(of(all).some(({ restarted }) => restarted))
      }
      const complete = (events: ReadonlyArray<WatchEvent>) =>
        events.flatMap((one) => (one._tag === "CaughtUp" ? [one] : []))
      expect(complete(merged).map(({ index }) => index)).toEqual(
        complete(all)
          .slice(-1)
          .map(({ index }) => index)
      )
      expect(complete(merged).some(({ layoutChanged }) => layoutChanged)).toBe(
        complete(all).some(({ layoutChanged }) => layoutChanged)
      )
      // The latest event is the last that is applied.
      expect(named(merged.at(-1) ?? b[0])).toBe(named(all.at(-1) ?? b[0]))
    }
  )
})
