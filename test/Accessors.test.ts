import * as HttpClient from "@effect/platform/HttpClient"
import { describe, expect, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Checkpoint from "../src/Checkpoint.js"
import * as ConsulHttp from "../src/ConsulHttp.js"
import * as KeyRange from "../src/KeyRange.js"
import * as LeaderLock from "../src/LeaderLock.js"
import { Operation } from "../src/Operation.js"
import * as Replicator from "../src/Replicator.js"
import { SimConsul } from "../src/testing/index.js"
import * as Network from "../src/testing/Network.js"
import * as Value from "../src/Value.js"
import * as Watcher from "../src/Watcher.js"

const consul = ConsulHttp.layer({ address: "127.0.0.1:8500" }).pipe(
  Layer.provideMerge(SimConsul.layerHttpClient({ datacenters: ["sfo1", "nyc1"] }))
)

const services = Layer.mergeAll(
  Replicator.services,
  Layer.unwrapEffect(Effect.map(Effect.orDie(LeaderLock.options()), LeaderLock.layer))
).pipe(Layer.provideMerge(consul))

describe("accessors take the service from the environment", () => {
  it.effect("ConsulHttp: keys, transactions, sessions, the agent, another endpoint", () =>
    Effect.gen(function* () {
      expect(yield* ConsulHttp.kv.put({ key: "a", value: Value.fromText("1") })).toBe(true)
      expect((yield* ConsulHttp.kv.keys("")).value).toEqual(["a"])
      const entry = Option.getOrThrow((yield* ConsulHttp.kv.get("a")).value)
      expect(Value.toText(entry.value)).toEqual(Option.some("1"))
      yield* ConsulHttp.transaction([Operation.Delete({ key: "a" })])
      expect([...(yield* ConsulHttp.kv.presence(["a"])).absent]).toEqual(["a"])
      expect(yield* ConsulHttp.agent.self).toMatchObject({ datacenter: "sfo1" })
      yield* ConsulHttp.agent.registerService({
        id: "web-1",
        name: "web",
        ttl: "10 seconds",
        deregisterAfter: "1 minute"
      })
      yield* ConsulHttp.agent.updateCheck("service:web-1", { status: "passing", output: "" })
      const id = yield* ConsulHttp.session.create({
        name: "web",
        checks: ["service:web-1"],
        behavior: "release",
        lockDelay: 0
      })
      expect(yield* ConsulHttp.session.renew(id)).toMatchObject({ value: { id } })
      yield* ConsulHttp.session.destroy(id)
      yield* ConsulHttp.agent.deregisterService("web-1")
      const there = yield* ConsulHttp.at({ datacenter: "nyc1" })
      yield* there.kv.put({ key: "there", value: Value.empty })
      expect((yield* ConsulHttp.kv.keys("")).value).toEqual([])
    }).pipe(Effect.provide(consul))
  )

  it.scoped("LeaderLock, Watcher and Checkpoint: every member", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* sim.put("sfo1", "app/a", "1")
      const options = { source: {}, prefix: "app/" }
      const range = KeyRange.under("app/")
      expect(yield* Watcher.names(options)).toEqual(["app/a"])
      expect((yield* Watcher.confirm({ ...options, range })).entries).toHaveLength(1)
      expect(yield* Watcher.confirmInPieces({ ...options, range }, () => Effect.void)).toBeGreaterThan(0)
      expect((yield* Watcher.presence({ ...options, keys: ["app/b"] })).absent.size).toBe(1)
      for (const stream of [
        Stream.as(Watcher.events(options), "first"),
        Stream.as(Watcher.snapshots("app/"), "first"),
        Stream.as(Watcher.changes("app/"), "first")
      ]) {
        expect(yield* Stream.runHead(stream)).toEqual(Option.some("first"))
      }
      expect(yield* Checkpoint.read("status")).toEqual({ status: Option.none(), index: 0 })
      expect(yield* LeaderLock.lead(({ fence }) => Effect.succeed(fence.lock))).toBe(LeaderLock.defaults.lock)
      const { fence } = yield* LeaderLock.acquire
      expect(fence.lock).toBe(LeaderLock.defaults.lock)
    }).pipe(Effect.provide(services))
  )
})

describe("ConsulHttp.layerConfig", () => {
  it.effect("asks the address of the configuration, with its token", () =>
    Effect.gen(function* () {
      const network = Network.scripted(Network.answer(404, "", { "x-consul-index": "1" }))
      const layer = ConsulHttp.layerConfig({
        address: Config.string("CONSUL_HTTP_ADDR"),
        token: Config.redacted("CONSUL_HTTP_TOKEN")
      }).pipe(Layer.provide(Layer.succeed(HttpClient.HttpClient, network.client)))
      const ask = (variables: Readonly<Record<string, string>>) =>
        ConsulHttp.kv
          .keys("a")
          .pipe(
            Effect.zipRight(ConsulHttp.ConsulHttp),
            Effect.provide(layer),
            Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))
          )
      const token = { CONSUL_HTTP_TOKEN: "5ecret" }
      const { endpoint } = yield* ask({ ...token, CONSUL_HTTP_ADDR: "consul.test:80" })
      expect(endpoint).toMatchObject({ address: "http://consul.test" })
      expect(endpoint.token).toEqual(Redacted.make("5ecret"))
      expect(network.sent[0]?.headers).toMatchObject({ authorization: "Bearer 5ecret" })
      expect(yield* Effect.flip(ask(token))).toMatchObject({ _op: "MissingData" })
      const other = { ...token, CONSUL_HTTP_ADDR: "ftp://consul.test" }
      expect(yield* Effect.flip(ask(other))).toMatchObject({ _tag: "InvalidAddress", reason: "Scheme" })
    })
  )
})
