/**
 * The extent and the seed of the chaos. `CHAOS=full` runs each test for minutes, `short` (the default) for seconds. `CHAOS_SEED`
 * repeats the choices of an earlier run. No other file reads these variables.
 */
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type { TestContext } from "vitest"

const extent = Config.literal("short", "full")("CHAOS").pipe(Config.withDefault("short"), Effect.orDie)

/** Chooses a value by the extent. */
export const sized = <A>(sizes: { readonly short: A; readonly full: A }): Effect.Effect<A> =>
  Effect.map(extent, (name) => sizes[name])

const chosenSeed = Config.integer("CHAOS_SEED").pipe(Effect.orElse(() => Random.nextIntBetween(0, 1_000_000)))

/** Runs a test with a seed. If it fails, prints how to run it again. */
export const seeded = <A, E, R>(
  { task }: TestContext,
  test: (seed: number) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const seed = yield* chosenSeed
    const size = yield* extent
    return yield* Effect.tapErrorCause(test(seed), () =>
      Console.error(
        `again: CHAOS=${size} CHAOS_SEED=${seed} npm run test:chaos -- -t ${JSON.stringify(task.name)}`
      )
    )
  })
