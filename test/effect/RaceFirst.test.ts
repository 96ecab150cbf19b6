import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { raceFirst } from "../../src/internal/effect/RaceFirst.js"

/** Interrupts a race inside of a scope, and returns in which order its sides and the scope end. */
const interrupted = (
  race: (one: Effect.Effect<never>, other: Effect.Effect<never>) => Effect.Effect<never>
) =>
  Effect.gen(function* () {
    const events: Array<string> = []
    const happens = (what: string) => Effect.sync(() => void events.push(what))
    const side = (name: string) => Effect.onInterrupt(Effect.never, () => happens(`${name} ends`))
    const fiber = yield* Effect.fork(
      Effect.scoped(
        Effect.zipRight(
          Effect.addFinalizer(() => happens("the scope closes")),
          race(side("one"), side("the other"))
        )
      )
    )
    yield* Effect.yieldNow()
    yield* Fiber.interrupt(fiber)
    return events
  })

describe("a race that is interrupted", () => {
  it.effect("ends both of its sides before the scope around it closes", () =>
    Effect.gen(function* () {
      const events = yield* interrupted(raceFirst)
      expect(events.slice(0, 2).sort()).toEqual(["one ends", "the other ends"])
      expect(events.slice(2)).toEqual(["the scope closes"])
    })
  )

  it.effect("of Effect (3.22) ends its sides after the scope around it has closed", () =>
    Effect.gen(function* () {
      const [first] = yield* interrupted((one, other) => Effect.raceFirst(one, other))
      expect(first).toBe("the scope closes")
    })
  )

  it.effect("answers with the side that is done first, and ends the other", () =>
    Effect.gen(function* () {
      let isEnded = false
      const other = Effect.onInterrupt(Effect.never, () =>
        Effect.sync(() => {
          isEnded = true
        })
      )
      expect(yield* raceFirst(Effect.succeed(7), other)).toBe(7)
      expect(yield* Effect.flip(raceFirst(other, Effect.fail("it fails")))).toBe("it fails")
      expect(isEnded).toBe(true)
    })
  )
})
