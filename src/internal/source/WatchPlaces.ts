/**
 * The means of all watches. Watches of one source share its limit of waits and its trouble. Watches of one agent share a budget of
 * queries. A watch of a prefix begins with the queries of the watch before it.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Consul, Endpoint } from "../../ConsulHttp.js"
import * as WaitLimit from "../consul/WaitLimit.js"
import * as Memo from "../effect/Memo.js"
import { emit } from "../report/EventSink.js"
import * as EndpointName from "./EndpointName.js"
import * as QueryBudget from "./QueryBudget.js"
import * as QueryPool from "./QueryPool.js"
import * as SourceReader from "./SourceReader.js"
import type { WatchOptions } from "./WatchOptions.js"
import type { QueryPools, WatchSettings } from "./WatchPlan.js"
import * as Weights from "./Weights.js"

/** The means that all watches of one source share. */
export interface Place {
  /** How long blocking queries to the source may wait. */
  readonly limit: WaitLimit.WaitLimit
  /** How many blocking queries there may be. All sources of the same agent share it. */
  readonly budget: QueryBudget.QueryBudget
  /** Makes a reader of the source for one fiber. */
  readonly sources: Effect.Effect<SourceReader.SourceReader, never, Scope.Scope>
}

export interface WatchPlaces {
  readonly placeOf: (options: Pick<WatchOptions, "source">) => Effect.Effect<Place>
  /** The queries and weights of the prefix, with those that a former watch left behind. */
  readonly poolsOf: (options: WatchSettings) => Effect.Effect<QueryPools>
}

/** `queries` is how many blocking queries all watches of one agent may have. */
export const make = (
  consul: Consul,
  queries: number | undefined
): Effect.Effect<WatchPlaces, never, Scope.Scope> =>
  Effect.gen(function* () {
    const keyOf = EndpointName.keys()
    // An agent counts all connections from one address.
    const budgetOf = yield* Memo.make(
      ({ address }: Pick<Endpoint, "address">) => address,
      ({ address }) => QueryBudget.make(address, queries)
    )

    const placeOf = yield* Memo.make(
      ({ source }: Pick<WatchOptions, "source">) => keyOf(consul.at(source).endpoint),
      ({ source }): Effect.Effect<Place, never, Scope.Scope> =>
        Effect.gen(function* () {
          const { endpoint } = consul.at(source)
          const name = EndpointName.nameOf(consul.endpoint, endpoint)
          const limit = WaitLimit.make((limit) =>
            emit({ _tag: "WaitShortened", source: name, limit: Duration.toMillis(limit) })
          )
          const budget = yield* budgetOf(endpoint)
          return { budget, limit, sources: yield* SourceReader.make(consul, source, budget) }
        })
    )

    const poolsOf = yield* Memo.make(
      ({ prefix, shards, source }: WatchSettings) =>
        JSON.stringify([keyOf(consul.at(source).endpoint), prefix, shards]),
      (options): Effect.Effect<QueryPools, never, Scope.Scope> =>
        Effect.gen(function* () {
          const { budget, limit } = yield* placeOf(options)
          return {
            whole: yield* QueryPool.make(2),
            shards: yield* QueryPool.make(options.shards, budget.room),
            limit,
            weights: new Weights.Weights()
          }
        })
    )
    return { placeOf, poolsOf }
  })
