/**
 * Notices an address behind which several agents answer. The service of an instance and its check belong to one of them, and
 * an update of the check that reaches another one is refused: the instance would lose the lock again and again.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ConsulError } from "../../ConsulError.js"
import { ConsulHttp } from "../../ConsulHttp.js"
import { emit } from "../report/EventSink.js"

export interface AgentNodes {
  /**
   * Asks the agent for its node's name, twice at once: two requests at the same time go over two connections, and a balancer
   * may choose an agent for each connection. Returns the first answer.
   */
  readonly ask: Effect.Effect<string, ConsulError, Scope.Scope>
  /** Asks again if the agent has refused an update of the check. */
  readonly refused: (error: ConsulError) => Effect.Effect<void>
}

export const make: Effect.Effect<AgentNodes, never, ConsulHttp> = Effect.gen(function* () {
  const { agent, endpoint } = yield* ConsulHttp
  let first: string | undefined
  let isReported = false

  const record = (node: string) =>
    Effect.suspend(() => {
      first ??= node
      if (node === first || isReported) return Effect.void
      isReported = true
      return emit({ _tag: "AgentsDiffer", address: endpoint.address, nodes: [first, node] })
    })

  // Nothing but the node's name tells the agents apart: no header of an answer (1.8.7) has it.
  const look = Effect.gen(function* () {
    const { node } = yield* agent.self
    yield* record(node)
    return node
  })

  return {
    ask: Effect.zipRight(Effect.forkScoped(Effect.ignore(look)), look),
    refused: (error) => (isReported || error._tag !== "Rejected" ? Effect.void : Effect.ignore(look))
  }
})
