/** Shards of a made-up source, with means of their own. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as WaitLimit from "../../src/internal/consul/WaitLimit.js"
import { Listing } from "../../src/internal/source/Listing.js"
import type * as Liveness from "../../src/internal/source/Liveness.js"
import * as QueryBudget from "../../src/internal/source/QueryBudget.js"
import * as QueryPool from "../../src/internal/source/QueryPool.js"
import * as Shards from "../../src/internal/source/Shards.js"
import type { SourceReader } from "../../src/internal/source/SourceReader.js"
import { Weights } from "../../src/internal/source/Weights.js"

type Options = Parameters<typeof Shards.make>[0]

/** Eight shards at most. */
export const makeShards = (options: {
  readonly source: SourceReader
  readonly liveness: Liveness.Liveness
  /** Emits the snapshots of ranges: nothing happens with them unless given. */
  readonly emit?: Options["emit"]
}): Effect.Effect<Shards.Shards, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { emit = () => Effect.void, liveness, source } = options
    return yield* Shards.make({
      source: Effect.succeed(source),
      means: {
        shards: yield* QueryPool.make(8),
        weights: new Weights(),
        limit: WaitLimit.make(() => Effect.void),
        budget: yield* Effect.flatMap(QueryBudget.make("agent"), ({ join }) => join(8))
      },
      listing: new Listing(),
      liveness,
      emit
    })
  })
