import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Handoff from "../../src/internal/source/Handoff.js"

const weigh = (item: number) => item

describe("a handoff", () => {
  it.effect("keeps items that were offered together in one batch, whatever they weigh", () =>
    Effect.gen(function* () {
      const { offer, stream } = yield* Handoff.make({ weigh, most: 5 })
      yield* Effect.fork(offer(1, 3))
      yield* Effect.fork(offer(2, 1))
      yield* Effect.fork(offer(4, 4, 4))
      yield* Effect.fork(offer(1))
      yield* Effect.yieldNow()
      const batches = yield* Stream.runCollect(Stream.take(stream, 4))
      expect([...batches]).toEqual([[1, 3], [2, 1], [4, 4, 4], [1]])
    })
  )

  it.effect("releases a producer when the consumer asks for the next batch", () =>
    Effect.gen(function* () {
      const { offer, stream } = yield* Handoff.make({ weigh, most: 5 })
      const producing = yield* Effect.fork(offer(1, 1))
      const isReleased: Array<boolean> = []
      yield* Effect.fork(Effect.zipRight(Fiber.await(producing), offer(2)))
      yield* stream.pipe(
        Stream.take(2),
        Stream.runForEach(() =>
          Effect.map(Fiber.poll(producing), ({ _tag }) => isReleased.push(_tag === "Some"))
        )
      )
      expect(isReleased).toEqual([false, true])
    })
  )
})
