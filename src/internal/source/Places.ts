/**
 * What watches share: those of one source its learned limit of waits and its trouble, those of one agent a budget of queries, and
 * those of one prefix what a former watch left behind.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Consul, Endpoint } from "../../Consul.js"
import * as WaitLimit from "../consul/WaitLimit.js"
import * as Memo from "../effect/Memo.js"
import { emit } from "../report/EventSink.js"
import * as EndpointName from "./EndpointName.js"
import * as QueryBudget from "./QueryBudget.js"
import * as QueryPool from "./QueryPool.js"
import * as SourceReader from "./SourceReader.js"
import type * as WatchPlan from "./WatchPlan.js"
import * as Weights from "./Weights.js"

/** What all watches of one source share. */
export interface Place {
  /** How long its blocking queries may wait. */
  readonly limit: WaitLimit.WaitLimit
  /** How many there may be, of those that each watch may have. */
  readonly budget: QueryBudget.QueryBudget
  /** Makes a reader of it. */
  readonly sources: Effect.Effect<SourceReader.SourceReader, never, Scope.Scope>
}

export interface Places {
  readonly placeOf: (options: { readonly source: Partial<Endpoint> }) => Effect.Effect<Place>
  /** Of each source and prefix. */
  readonly poolsOf: (settings: WatchPlan.WatchSettings) => Effect.Effect<WatchPlan.QueryPools>
}

/** Sources are told apart by their places, namespaces and tokens. */
export const make = (consul: Consul): Effect.Effect<Places, never, Scope.Scope> =>
  Effect.gen(function* () {
    const keyOf = EndpointName.keys()
    /** An agent counts the connections from one address, whatever they are for. */
    const budgetOf = yield* Memo.make(
      ({ address }: Pick<Endpoint, "address">) => address,
      ({ address }) => QueryBudget.make(address)
    )

    const placeOf = yield* Memo.make(
      ({ source }: { readonly source: Partial<Endpoint> }) => keyOf(consul.at(source).endpoint),
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
      ({ prefix, shards, source }: WatchPlan.WatchSettings) =>
        JSON.stringify([keyOf(consul.at(source).endpoint), prefix, shards]),
      (options): Effect.Effect<WatchPlan.QueryPools, never, Scope.Scope> =>
        Effect.gen(function* () {
          const { budget, limit } = yield* placeOf(options)
          return {
            whole: yield* QueryPool.make(2),
            parts: yield* QueryPool.make(options.shards),
            budget,
            limit,
            weights: new Weights.Weights()
          }
        })
    )
    return { placeOf, poolsOf }
  })
