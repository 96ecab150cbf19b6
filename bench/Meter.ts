/**
 * A proxy on this machine between a program and its agent. It passes all bytes unchanged, and counts them. The proxy costs time,
 * so no time is measured through it.
 */
import * as Net from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as RequestCounter from "./RequestCounter.js"
import { BenchError } from "./Store.js"

export interface Counts {
  /** The bytes of the agent's answers, with their headers. */
  readonly bytes: number
  readonly requests: number
}

export interface Meter {
  readonly address: string
  readonly counts: Effect.Effect<Counts>
}

/** Serves until the scope closes. */
export const make = (target: string): Effect.Effect<Meter, BenchError, Scope.Scope> =>
  Effect.gen(function* () {
    const [host, port] = target.split(":")
    let bytes = 0
    let requests = 0
    const sockets = new Set<Net.Socket>()
    const server = yield* Effect.acquireRelease(
      Effect.async<Net.Server, BenchError>((resume) => {
        const server = Net.createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
          const agent = Net.connect({ host, port: Number(port), allowHalfOpen: true, noDelay: true })
          const counter = RequestCounter.make()
          client.on("data", (chunk) => {
            requests += counter.feed(chunk)
          })
          agent.on("data", (chunk) => {
            bytes += chunk.length
          })
          client.pipe(agent)
          agent.pipe(client)
          for (const [one, other] of [
            [client, agent],
            [agent, client]
          ] as const) {
            sockets.add(one)
            // The close follows an error.
            one.on("error", () => one.destroy())
            one.on("close", () => {
              sockets.delete(one)
              other.destroy()
            })
          }
        })
        server.once("error", ({ message }) => resume(new BenchError({ message })))
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          for (const socket of sockets) socket.destroy()
        })
    )
    const address = server.address()
    return {
      address: `127.0.0.1:${address !== null && typeof address === "object" ? address.port : 0}`,
      counts: Effect.sync(() => ({ bytes, requests }))
    }
  })
