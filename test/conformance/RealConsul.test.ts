import * as Url from "node:url"
import * as Command from "@effect/platform/Command"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { expect, layer } from "@effect/vitest"
import * as Array from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { describeConsul } from "../support/consul/DescribeConsul.js"
import * as RealConsul from "../support/consul/RealConsul.js"

interface Key {
  readonly at: { readonly address: string }
  readonly key: string
  readonly dc?: string
}

const request = (request: HttpClientRequest.HttpClientRequest, { at, dc, key }: Key) =>
  HttpClient.execute(
    request.pipe(
      HttpClientRequest.setUrl(`http://${at.address}/v1/kv/${key}`),
      HttpClientRequest.appendUrlParams({ raw: "", ...(dc !== undefined && { dc }) })
    )
  ).pipe(
    Effect.flatMap((response) => Effect.map(response.text, (text) => `${response.status} ${text}`)),
    Effect.scoped
  )

const get = (key: Key) => request(HttpClientRequest.get(""), key)
const put = (key: Key, value: string) =>
  request(HttpClientRequest.bodyText(HttpClientRequest.put(""), value), key)

const pids = ({ agents }: RealConsul.Datacenter) =>
  Effect.map(
    Effect.forEach(agents, ({ pid }) => pid),
    Array.getSomes
  )

const areGone = (pids: ReadonlyArray<number>) =>
  Effect.filter(pids, (pid) => Effect.isSuccess(Effect.try(() => process.kill(pid, 0)))).pipe(
    Effect.map((alive) => alive.length === 0)
  )

describeConsul("RealConsul", () => {
  layer(Layer.merge(RealConsul.TwoDatacenters.layer, FetchHttpClient.layer))("two datacenters", (it) => {
    it.effect("read and write each other's keys", () =>
      Effect.gen(function* () {
        const { nyc1, sfo1 } = yield* RealConsul.TwoDatacenters
        yield* put({ at: nyc1, key: "there", dc: "sfo1" }, "from nyc1")
        yield* put({ at: sfo1, key: "there", dc: "nyc1" }, "from sfo1")
        expect(yield* get({ at: sfo1, key: "there" })).toBe("200 from nyc1")
        expect(yield* get({ at: nyc1, key: "there" })).toBe("200 from sfo1")
        expect(yield* get({ at: nyc1, key: "there", dc: "sfo1" })).toBe("200 from nyc1")
      })
    )

    it.effect("keep their data when they are killed and started again", () =>
      Effect.gen(function* () {
        const { nyc1, sfo1 } = yield* RealConsul.TwoDatacenters
        yield* put({ at: nyc1, key: "kept" }, "value")
        yield* nyc1.kill
        expect(yield* Effect.exit(get({ at: nyc1, key: "kept" }))).toMatchObject({ _tag: "Failure" })
        yield* nyc1.start
        yield* sfo1.reaches("nyc1")
        expect(yield* get({ at: sfo1, key: "kept", dc: "nyc1" })).toBe("200 value")
      })
    )

    it.effect("are empty after a wipe, and found again by the other", () =>
      Effect.gen(function* () {
        const { nyc1, sfo1 } = yield* RealConsul.TwoDatacenters
        yield* put({ at: nyc1, key: "lost" }, "value")
        yield* nyc1.wipe
        yield* nyc1.start
        yield* sfo1.reaches("nyc1")
        expect(yield* get({ at: sfo1, key: "lost", dc: "nyc1" })).toBe("404 ")
      })
    )

    it.effect("can be stopped and started when they already are", () =>
      Effect.gen(function* () {
        const { sfo1 } = yield* RealConsul.TwoDatacenters
        const before = yield* pids(sfo1)
        yield* sfo1.start
        expect(yield* pids(sfo1)).toEqual(before)
        yield* sfo1.stop
        yield* sfo1.stop
        yield* sfo1.kill
        yield* sfo1.start
        expect(yield* pids(sfo1)).not.toEqual(before)
      })
    )
  })

  layer(Layer.merge(NodeContext.layer, FetchHttpClient.layer), { excludeTestServices: true })((it) => {
    it.effect("everything is gone when the scope closes", () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const { nyc1 } = yield* Scope.extend(RealConsul.datacenters(["nyc1"]), scope)
        const [agent] = nyc1.agents
        const started = yield* pids(nyc1)
        expect(started).toHaveLength(1)
        expect(yield* areGone(started)).toBe(false)
        expect(yield* agent.log).toContain("New leader elected")

        yield* Scope.close(scope, Exit.void)
        expect(yield* areGone(started)).toBe(true)
        expect(yield* agent.log).toBe("")
      })
    )

    it.scoped("everything is gone when the process that started it is killed", () =>
      Effect.gen(function* () {
        const script = Url.fileURLToPath(new URL("../support/consul/Abandoned.ts", import.meta.url))
        const child = yield* Command.start(Command.make("node", "--import", "tsx", script))
        const line = yield* Stream.runHead(Stream.splitLines(Stream.decodeText(child.stdout)))
        const started = [Number(Option.getOrThrow(line))]
        expect(yield* areGone(started)).toBe(false)
        yield* child.kill("SIGKILL")
        yield* Effect.repeat(areGone(started), {
          until: (gone) => gone,
          schedule: Schedule.spaced("50 millis")
        })
      })
    )

    it.scoped("three servers and a client agent survive the end of a server", () =>
      Effect.gen(function* () {
        const { nyc1 } = yield* RealConsul.datacenters(["nyc1"], { servers: 3, clients: 1 })
        const [server, , , client] = nyc1.agents
        expect(client?.node).toBe("nyc1-4")
        yield* server.kill
        yield* Effect.repeat(put({ at: client ?? server, key: "key" }, "value"), {
          until: (answer) => answer === "200 true",
          schedule: Schedule.spaced("50 millis")
        })
        yield* server.start
        expect(yield* get({ at: server, key: "key" })).toBe("200 value")
      })
    )

    it.scoped("every agent gets the configuration that is asked for", () =>
      Effect.gen(function* () {
        const config = { limits: { kv_max_value_size: 10 } }
        const { nyc1 } = yield* RealConsul.datacenters(["nyc1"], { config })
        expect(yield* put({ at: nyc1, key: "key" }, "ten bytes.")).toBe("200 true")
        expect(yield* put({ at: nyc1, key: "key" }, "eleven byte")).toMatch(/^413 /)
      })
    )

    it.scoped("an agent that doesn't start fails with its own words", () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(RealConsul.datacenters(["nyc1"], { config: { nonsense: true } }))
        expect(error.message).toContain("invalid config key nonsense")
      })
    )
  })
})
