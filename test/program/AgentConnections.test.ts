import * as Http from "node:http"
import type * as Net from "node:net"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Address from "../../src/Address.js"
import * as ConsulHttp from "../../src/ConsulHttp.js"
import * as AgentConnections from "../../src/cli/node/AgentConnections.js"
import { failureOf } from "../support/Failure.js"

interface Asked {
  readonly url: string | undefined
  readonly host: string | undefined
  readonly authorization: string | undefined
}

/** Answers every read of a key with none, and remembers what was asked. */
const listening = (where: string | number) =>
  Effect.gen(function* () {
    const asked: Array<Asked> = []
    const server = yield* Effect.acquireRelease(
      Effect.async<Http.Server>((resume) => {
        const made = Http.createServer(({ headers, url }, response) => {
          asked.push({ url, host: headers.host, authorization: headers.authorization })
          response.writeHead(404, { "X-Consul-Index": "7" }).end()
        })
        const ready = () => resume(Effect.succeed(made))
        if (typeof where === "string") made.listen(where, ready)
        else made.listen(where, "127.0.0.1", ready)
      }),
      (server) =>
        Effect.sync(() => {
          server.close()
          server.closeAllConnections()
        })
    )
    return { server, asked, port: () => (server.address() as Net.AddressInfo).port }
  })

const read = (
  endpoint: Partial<ConsulHttp.ConsulHttpOptions> & { readonly address: string },
  agents: ReadonlyArray<AgentConnections.AgentConnection>
) =>
  Effect.flatMap(ConsulHttp.ConsulHttp, ({ kv }) => kv.get("a")).pipe(
    Effect.provide(Layer.provide(ConsulHttp.layer(endpoint), AgentConnections.layer(4, agents)))
  )

describe("the connections to an agent", () => {
  it.scopedLive("go to a socket by its path", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const path = `${yield* files.makeTempDirectoryScoped()}/consul agent.sock`
      const { asked } = yield* listening(path)
      const address = yield* Address.parse(`unix://${path}`)
      yield* read({ address }, [{ address }])
      expect(asked.map(({ url }) => url)).toEqual(["/v1/kv/a"])
      const none = yield* Address.parse(`unix://${path}.gone`)
      expect((yield* failureOf(read({ address: none }, [{ address: none }]))).message).toContain(
        "there is no such socket"
      )
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scopedLive("go to each of two agents with what was given for it", () =>
    Effect.gen(function* () {
      const [one, other] = yield* Effect.all([listening(0), listening(0)])
      const first = yield* Address.parse(`127.0.0.1:${one.port()}`)
      const second = yield* Address.parse(`127.0.0.1:${other.port()}/path`)
      const agents = [{ address: first }, { address: second }]
      const token = Redacted.make("t1")
      yield* Effect.gen(function* () {
        const consul = yield* ConsulHttp.ConsulHttp
        yield* consul.kv.get("a")
        yield* consul.at({ address: second, auth: Redacted.make("u:p") }).kv.get("a")
      }).pipe(
        Effect.provide(
          Layer.provide(ConsulHttp.layer({ address: first, token }), AgentConnections.layer(4, agents))
        )
      )
      expect(one.asked.map(({ authorization }) => authorization)).toEqual(["Bearer t1"])
      expect(other.asked.map(({ authorization, url }) => [authorization, url])).toEqual([
        [`Basic ${btoa("u:p")}`, "/path/v1/kv/a"]
      ])
    })
  )

  it.scopedLive("by an HTTP proxy are plain requests to it, with the address of the agent in them", () =>
    Effect.gen(function* () {
      const proxy = yield* listening(0)
      const address = yield* Address.parse("http://consul.example:8500")
      yield* read({ address }, [{ address, proxy: `http://127.0.0.1:${proxy.port()}` }])
      expect(proxy.asked.map(({ host, url }) => [host, url])).toEqual([
        ["consul.example:8500", "http://consul.example:8500/v1/kv/a"]
      ])
    })
  )

  it.scopedLive("by an HTTP proxy are a tunnel for TLS, and one that refuses it is named", () =>
    Effect.gen(function* () {
      const { server, port } = yield* listening(0)
      const wanted: Array<string | undefined> = []
      server.on("connect", (request, socket) => {
        wanted.push(request.url)
        socket.end("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
      })
      const address = yield* Address.parse("https://consul.example:8501")
      const error = yield* failureOf(
        read({ address, token: Redacted.make("5ecret") }, [
          { address, proxy: `http://user:pa55word@127.0.0.1:${port()}` }
        ])
      )
      expect(wanted).toEqual(["consul.example:8501"])
      expect(error.message).toContain("the HTTP proxy that the environment names answered 503 and no tunnel")
      expect(error.message).not.toMatch(/5ecret|pa55word/)
    })
  )
})
