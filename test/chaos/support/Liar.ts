/**
 * A proxy before an agent that replaces the source's answers about keys by false ones, for a while.
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

/** A false answer. `target` is the path and the query of the request. */
export type Lie = (truth: Answer, target: string) => Answer

export interface Liar {
  /** The address of the proxy, which a program uses as its agent's. */
  readonly address: string
  /** Begins to lie. Also a query that blocks already gets the false answer. */
  readonly tell: (lie: Lie) => Effect.Effect<void>
  readonly honest: Effect.Effect<void>
  /** The number of answers that the present lie has replaced. */
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
      const falsified = lie(truth, sent.target)
      if (falsified === truth) return answer
      told += 1
      return yield* Network.answer(falsified.status, falsified.text, falsified.headers)(sent, pass)
    })
  yield* network.disturb(Network.on(new RegExp(`^GET /v1/kv/.*[?&]dc=${source}\\b`), fault))
  const tell = (next: Lie) =>
    Effect.sync(() => {
      lie = next
      told = 0
    })
  return { address, tell, honest: tell(truthfully), told: Effect.sync(() => told) } satisfies Liar
})
