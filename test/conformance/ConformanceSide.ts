/**
 * The two sides of a comparison, a real Consul and SimConsul, with one interface.
 */
import * as Http from "node:http"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { SimConsul } from "../../src/testing/index.js"
import * as ByteString from "../../src/testing/internal/go/ByteString.js"
import * as RealConsul from "../support/consul/RealConsul.js"

type Request = SimConsul.Request
type Response = SimConsul.Response

export interface Side {
  readonly name: string
  readonly send: (request: Request) => Effect.Effect<Response>
  /** Replacements for names that differ between the sides, for example node ids, in the order in which they are applied. */
  readonly aliases: Array<readonly [own: string, alias: string]>
  /** The sessions that this side has created, in order. */
  readonly sessions: Array<string>
}

const side = (name: string, send: Side["send"]): Effect.Effect<Side> =>
  Effect.gen(function* () {
    const response = yield* send({ method: "GET", target: "/v1/agent/self", body: new Uint8Array(0) })
    const id = /"NodeID":\s*"([^"]+)"/.exec(ByteString.fromBytes(response.body))?.[1] ?? ""
    return { name, send, sessions: [], aliases: [[id, "(node id)"]] }
  })

/** A real agent, over its own persistent connections. */
export const real = (address: string): Effect.Effect<Side, never, Scope.Scope> =>
  Effect.gen(function* () {
    const agent = yield* Effect.acquireRelease(
      Effect.sync(() => new Http.Agent({ keepAlive: true })),
      (agent) => Effect.sync(() => agent.destroy())
    )
    return yield* side("real", send(agent, address))
  })

export const simulated = (sim: SimConsul.SimConsul, agent: string): Effect.Effect<Side> =>
  side("simulated", (request) => sim.request(agent, request))

/** The real Consul without sessions of other tests, and a new SimConsul. */
export const pair = Effect.gen(function* () {
  const { nyc1, sfo1 } = yield* RealConsul.TwoDatacenters
  const sim = yield* SimConsul.make({
    datacenters: [
      { name: "nyc1", agents: [{ name: "nyc1-1", address: nyc1.address }] },
      { name: "sfo1", agents: [{ name: "sfo1-1", address: sfo1.address }] }
    ]
  })
  const side = yield* real(nyc1.address)
  const { body } = yield* side.send({ method: "GET", target: "/v1/session/list", body: new Uint8Array(0) })
  for (const [, id] of new TextDecoder().decode(body).matchAll(/"ID":"([^"]+)"/g)) {
    yield* side.send({ method: "PUT", target: `/v1/session/destroy/${id}`, body: new Uint8Array(0) })
  }
  return [side, yield* simulated(sim, "nyc1-1")] as const
})

/** Sends a request with its path unchanged. Clients of a higher level normalise it. */
const send =
  (agent: Http.Agent, address: string) =>
  ({ body, method, target }: Request): Effect.Effect<Response> =>
    Effect.async((resume) => {
      const [host, port] = address.split(":")
      const headers = method === "GET" && body.length === 0 ? {} : { "content-length": body.length }
      const request = Http.request({ agent, host, port, method, path: target, headers }, (answer) => {
        const chunks: Array<Buffer> = []
        answer.on("data", (chunk: Buffer) => chunks.push(chunk))
        answer.on("error", (error) => resume(Effect.die(error)))
        answer.on("end", () =>
          resume(
            Effect.succeed({
              status: answer.statusCode ?? 0,
              headers: pairs(answer.rawHeaders),
              body: new Uint8Array(Buffer.concat(chunks))
            })
          )
        )
      })
      request.on("error", (error) => resume(Effect.die(error)))
      request.end(body)
      return Effect.sync(() => request.destroy())
    })

const pairs = (flat: ReadonlyArray<string>): Response["headers"] =>
  flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1] ?? ""] as const] : []))
