/**
 * Makes uses of one process that have the same key lead one after another.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { emit, type Happening } from "../report/EventSink.js"
import { whenDone } from "./Farewell.js"

export interface Exclusive {
  /**
   * Waits until no other use in this process has the key. Then the caller has the key until the scope closes. Emits
   * `standingBy` before it waits.
   */
  readonly acquire: (key: string, standingBy: Happening) => Effect.Effect<void, never, Scope.Scope>
}

/** The uses of one key. */
interface Line {
  /** The use that has the permit has the key. */
  readonly semaphore: Effect.Semaphore
  /** How many uses have the key or wait for it. */
  length: number
}

export const make: Effect.Effect<Exclusive> = Effect.gen(function* () {
  const lines = new Map<string, Line>()

  const join = (key: string) =>
    Effect.sync(() => {
      const line = lines.get(key) ?? { semaphore: Effect.unsafeMakeSemaphore(1), length: 0 }
      lines.set(key, line)
      line.length += 1
      return line
    })

  const leave = (key: string, line: Line) =>
    Effect.sync(() => {
      line.length -= 1
      if (line.length === 0) lines.delete(key)
    })

  return {
    acquire: (key, standingBy) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const line = yield* join(key)
          yield* whenDone(leave(key, line))
          if (line.length > 1) yield* emit(standingBy)
          yield* restore(line.semaphore.take(1))
          yield* whenDone(Effect.asVoid(line.semaphore.release(1)))
        })
      )
  }
})
