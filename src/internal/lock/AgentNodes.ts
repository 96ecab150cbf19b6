/**
 * Notices that several agents answer at one address. The service of an instance and its check belong to one agent, and another
 * agent refuses updates of the check: the instance would lose the lock again and again.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ConsulError } from "../../ConsulError.js"
import { ConsulHttp } from "../../ConsulHttp.js"
import { emit } from "../report/EventSink.js"

export interface AgentNodes {
  /**
   * Asks the agent for its node's name, by two requests at the same time: they go over two connections, and a balancer may
   * choose an agent for each connection. Returns the answer to one of them.
   */
  readonly ask: Effect.Effect<string, ConsulError, Scope.Scope>
  /** Asks again, after an error of an update of the check, if the agent refused the update. */
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

  // Only the node's name differs between the agents. No header of an answer (1.8.7) has it.
  const askOnce = Effect.gen(function* () {
    const { node } = yield* agent.self
    yield* record(node)
    return node
  })

  return {
    ask: Effect.zipRight(Effect.forkScoped(Effect.ignore(askOnce)), askOnce),
    refused: (error) => (isReported || error._tag !== "Rejected" ? Effect.void : Effect.ignore(askOnce))
  }
})
