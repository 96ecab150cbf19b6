import * as HttpClient from "@effect/platform/HttpClient"
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as ConsulHttp from "../../src/ConsulHttp.js"
import * as LeaderLock from "../../src/LeaderLock.js"
import * as Network from "../../src/testing/Network.js"

const consul = ConsulHttp.layer({ address: "127.0.0.1:8500" }).pipe(
  Layer.provide(Layer.succeed(HttpClient.HttpClient, Network.scripted(Network.refused).client))
)

describe("options of a LeaderLock", () => {
  it.effect("have the defaults of the first release", () =>
    Effect.gen(function* () {
      expect(yield* LeaderLock.options()).toEqual({
        lock: "service/consul-replicate/leader",
        service: "consul-replicate",
        agentless: false,
        purpose: undefined,
        ttl: Duration.seconds(3)
      })
    })
  )

  it.effect.each([
    ["lock", { lock: "" }],
    ["sessionTtl", { sessionTtl: "9 seconds" }],
    ["sessionTtl", { sessionTtl: "25 hours" }],
    ["sessionTtl", { sessionTtl: Duration.infinity }],
    ["service", { service: "" }],
    ["service", { service: "team//web" }],
    ["service", { service: "web//" }],
    ["service", { service: "/web" }],
    ["service", { service: "./web" }],
    ["service", { service: "../web" }],
    ["service", { service: "team/./web" }],
    ["service", { service: "team/../web" }],
    ["service", { service: "team\nweb" }],
    ["service", { service: "web\x7f" }],
    ["service", { service: "team\u00a0web" }],
    ["service", { service: "\ud83d" }],
    ["lock", { lock: "lock\ud83d" }]
  ] as const)("refuse and name %s, with what was given and no flag: %j", ([field, options]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(LeaderLock.options(options))
      expect(error).toMatchObject({ _tag: "InvalidOptions", of: "LeaderLock", field })
      expect(options).toHaveProperty(field, error.given)
      expect(error.message).toMatch(new RegExp(`^${field}: .`))
      expect(error.message).not.toContain("\n")
    })
  )

  it.effect.each([
    "team/web",
    "web/",
    "team/..",
    "team/.",
    ".",
    "..",
    "a?b#c d%e%2Ff&g=h+i",
    'a\\b"c;d,e:f*<g>|$@!~^',
    "é",
    "😀"
  ])("take a service name that Consul finds again: %s", (service) =>
    Effect.gen(function* () {
      expect(yield* LeaderLock.options({ service })).toMatchObject({ service })
    })
  )

  it.effect("take any key for the lock: what no path can name goes by transaction", () =>
    Effect.gen(function* () {
      for (const lock of ["a//b", "../a", "a\nb", "/", "\0", "a?b#c", "🫠"]) {
        expect(yield* LeaderLock.options({ lock })).toMatchObject({ lock })
      }
    })
  )

  it("are made by `options` only: a literal that nobody has checked does not compile", () => {
    const fields = { ...LeaderLock.defaults, lock: "", purpose: undefined }
    // @ts-expect-error
    expect(Layer.isLayer(LeaderLock.layer(fields))).toBe(true)
  })

  it.effect("refuse a time to live within which no heartbeat fits", () =>
    Effect.gen(function* () {
      for (const ttl of ["999 millis", Number.POSITIVE_INFINITY] as const) {
        const { message } = yield* Effect.flip(LeaderLock.options({ ttl }))
        expect(message).toBe("ttl: the time to live is at least 1s")
      }
    })
  )

  it.scoped("that are a spread which breaks a rule keep their type, and the layer dies of them", () =>
    Effect.gen(function* () {
      const options: LeaderLock.LeaderLockOptions = { ...(yield* LeaderLock.options()), lock: "" }
      for (const layer of [LeaderLock.layer(options), LeaderLock.shared(options)]) {
        const exit = yield* Layer.build(layer).pipe(Effect.provide(consul), Effect.exit)
        expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain("lock: the lock needs a key")
      }
    })
  )

  it.scoped("are read by Config, each or all together, and give a layer", () =>
    Effect.gen(function* () {
      const variables = ConfigProvider.fromMap(new Map([["lock", "mine"]]))
      for (const layer of [
        LeaderLock.layerConfig(LeaderLock.config),
        LeaderLock.sharedConfig({ lock: Config.string("lock") })
      ]) {
        const { lock } = yield* LeaderLock.LeaderLock.pipe(
          Effect.provide(layer),
          Effect.provide(consul),
          Effect.withConfigProvider(variables)
        )
        expect(lock).toBe("mine")
      }
      const ttl = Config.succeed("1 millis" as const)
      expect(
        yield* Layer.build(LeaderLock.layerConfig({ ttl })).pipe(Effect.provide(consul), Effect.flip)
      ).toMatchObject({ _tag: "InvalidOptions", field: "ttl" })
    })
  )
})
