/**
 * A proxy that answers for the source, for a while, in the place of what the source says of its keys.
 */
import * as Headers from "@effect/platform/Headers"
import * as Effect from "effect/Effect"
import * as Network from "../../../src/testing/Network.js"
import * as Proxy from "./Proxy.js"

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
}

/** What is said in the place of the truth; `target` is the path and query that were asked for. */
export type Lie = (truth: Answer, target: string) => Answer

export interface Liar {
  /** What a program is told as the agent's address. */
  readonly address: string
  /** From now on, be it to a query that is blocked already. */
  readonly tell: (lie: Lie) => Effect.Effect<void>
  readonly honest: Effect.Effect<void>
  /** How many answers the lie of now has replaced. */
  readonly told: Effect.Effect<number>
}

export const index = "x-consul-index"

export const withoutIndex = (headers: Answer["headers"]): Answer["headers"] =>
  Headers.remove(Headers.fromInput(headers), index)

const truthfully: Lie = (truth) => truth

/** Listens until the scope closes, before an agent, and lies for the datacenter `source`. */
export const make = Effect.fnUntraced(function* (upstream: string, source: string) {
  const { address, network } = yield* Proxy.make(upstream)
  let lie = truthfully
  let told = 0
  const fault: Network.Fault = (sent, pass) =>
    Effect.gen(function* () {
      const answer = yield* pass
      const truth = { status: answer.status, headers: answer.headers, text: yield* answer.text }
      const said = lie(truth, sent.target)
      if (said === truth) return answer
      told += 1
      return yield* Network.answer(said.status, said.text, said.headers)(sent, pass)
    })
  yield* network.disturb(Network.on(new RegExp(`^GET /v1/kv/.*[?&]dc=${source}\\b`), fault))
  const tell = (next: Lie) =>
    Effect.sync(() => {
      lie = next
      told = 0
    })
  return { address, tell, honest: tell(truthfully), told: Effect.sync(() => told) } satisfies Liar
})
