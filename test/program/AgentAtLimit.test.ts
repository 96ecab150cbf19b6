import * as Net from "node:net"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as ConsulHttp from "../../src/ConsulHttp.js"
import * as AgentConnections from "../../src/cli/node/AgentConnections.js"
import { NewConnection } from "../../src/internal/consul/NewConnection.js"

/** As Consul 1.8.7 does: it closes a connection past the limit as soon as it has accepted it. `hold` does not answer. */
const serve = (limit: number) =>
  Effect.gen(function* () {
    const open = new Set<Net.Socket>()
    let accepted = 0
    let waiting = 0
    const server = yield* Effect.acquireRelease(
      Effect.async<Net.Server>((resume) => {
        const server = Net.createServer((socket) => {
          if (open.size >= limit) return void socket.end()
          accepted += 1
          open.add(socket)
          socket.on("close", () => open.delete(socket))
          socket.on("error", () => {})
          socket.on("data", (data) => {
            if (data.toString().includes("hold")) waiting += 1
            else socket.write("HTTP/1.1 404 Not Found\r\nX-Consul-Index: 7\r\nContent-Length: 0\r\n\r\n")
          })
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.sync(() => {
          server.close()
          for (const socket of open) socket.destroy()
        })
    )
    const address = server.address()
    const port = address !== null && typeof address === "object" ? address.port : 0
    return { server, open, accepted: () => accepted, waiting: () => waiting, address: `127.0.0.1:${port}` }
  })

const using = (address: string) =>
  Layer.build(Layer.provideMerge(ConsulHttp.layer({ address }), AgentConnections.layer(4)))

describe("An agent at its limit of connections", () => {
  it.scopedLive("is distinguished from an agent that cannot be reached", () =>
    Effect.gen(function* () {
      const { address, waiting, open, server } = yield* serve(2)
      const services = yield* using(address)
      yield* Effect.gen(function* () {
        const { kv } = yield* ConsulHttp.ConsulHttp
        const ask = Effect.flip(kv.keys("some/"))
        yield* kv.keys("some/")
        const holding = yield* Effect.fork(
          Effect.all(
            [Effect.retry(kv.keys("hold/1"), { times: 9 }), Effect.retry(kv.keys("hold/2"), { times: 9 })],
            {
              concurrency: 2
            }
          )
        )
        while (waiting() < 2) yield* Effect.sleep("5 millis")
        for (let i = 0; i < 20; i++) expect(yield* ask).toMatchObject({ _tag: "TooManyConnections" })
        expect((yield* ask).message).toMatch(/takes no more connections from this address.*fewer watchShards/)
        // It stops: nothing is open, and no server listens.
        server.close()
        for (const socket of open) socket.destroy()
        yield* Fiber.await(holding)
        for (let i = 0; i < 3; i++) expect(yield* ask).toMatchObject({ _tag: "Unreachable" })
      }).pipe(Effect.provide(services))
    })
  )

  it.scopedLive("is not assumed of an agent that never answered: it may want TLS", () =>
    Effect.gen(function* () {
      const { address } = yield* serve(0)
      const services = yield* using(address)
      const { kv } = yield* Effect.provide(ConsulHttp.ConsulHttp, services)
      expect(yield* Effect.flip(kv.keys("some/"))).toMatchObject({
        _tag: "Unreachable",
        reason: expect.stringMatching(/no more connections from this address, or that wants TLS/)
      })
    })
  )

  it.scopedLive("is asked over a new connection, which is closed afterwards", () =>
    Effect.gen(function* () {
      const { accepted, address, open } = yield* serve(9)
      const services = yield* using(address)
      yield* Effect.gen(function* () {
        const { kv } = yield* ConsulHttp.ConsulHttp
        const { over } = yield* NewConnection
        yield* kv.keys("some/")
        const before = accepted()
        for (let i = 0; i < 3; i++) yield* over?.(kv.keys("some/")) ?? Effect.die("no new connection")
        expect(accepted()).toBe(before + 3)
        while (open.size > before) yield* Effect.sleep("5 millis")
      }).pipe(Effect.provide(services))
    })
  )
})
