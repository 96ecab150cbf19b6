/**
 * A writer at a source that continues after failed writes, for servers that stop and start.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import type { Pair } from "./Pair.js"

export interface Options {
  readonly keys: number
  readonly pause: Duration.DurationInput
  readonly seed: number
  /** The size of each value, in bytes. Default 20. */
  readonly bytes?: number | undefined
}

export interface Churn {
  /** Ends the writer. Returns the number of transactions that succeeded. */
  readonly stop: Effect.Effect<number>
}

/** Sets and deletes some keys at a time, until the scope closes. */
export const start = Effect.fnUntraced(function* (pair: Pair, { bytes = 20, keys, pause, seed }: Options) {
  const random = Random.make(`${seed} ${pair.prefix}`)
  let round = 0
  let answered = 0

  const key = Effect.map(random.nextIntBetween(0, keys), (i) => `${pair.prefix}${String(i).padStart(5, "0")}`)
  const step = Effect.gen(function* () {
    round += 1
    const names = yield* Effect.replicateEffect(key, 8)
    const [deleted = "", ...set] = names
    yield* pair.source.put(...set.map((key) => ({ key, value: `${round} `.padEnd(bytes, ".") })))
    yield* pair.source.delete(deleted)
    answered += 2
  }).pipe(Effect.timeout("5 seconds"), Effect.exit)

  const fiber = yield* Effect.forkScoped(Effect.forever(Effect.zipRight(step, Effect.sleep(pause))))
  return { stop: Effect.map(Fiber.interrupt(fiber), () => answered) } satisfies Churn
})
