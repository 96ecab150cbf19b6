import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as EventLoop from "../../src/internal/effect/EventLoop.js"

/** Whether the event loop takes a turn, and so serves sockets and timers, while an effect runs. */
const takesTurn = (effect: Effect.Effect<void>) =>
  Effect.gen(function* () {
    let hasTurned = false
    const turn = setImmediate(() => {
      hasTurned = true
    })
    yield* effect
    clearImmediate(turn)
    return hasTurned
  })

describe("a turn of the event loop", () => {
  it.live("is taken by breathe, and not by Effect.yieldNow (3.22)", () =>
    Effect.gen(function* () {
      expect(yield* takesTurn(EventLoop.breathe)).toBe(true)
      expect(yield* takesTurn(Effect.repeatN(Effect.yieldNow(), 100))).toBe(false)
    })
  )

  it.live("is taken between two steps of long work, and not by work of one step", () =>
    Effect.gen(function* () {
      const work = (steps: number) =>
        EventLoop.inTurns(function* () {
          for (let i = 1; i < steps; i += 1) yield
        })
      expect(yield* takesTurn(work(1))).toBe(false)
      expect(yield* takesTurn(work(2))).toBe(true)
    })
  )
})
