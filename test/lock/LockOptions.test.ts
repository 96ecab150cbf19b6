import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as LeaderLock from "../../src/LeaderLock.js"

describe("options of a LeaderLock", () => {
  it.effect("have the defaults of the first release", () =>
    Effect.gen(function* () {
      expect(yield* LeaderLock.options()).toEqual({
        lock: "service/consul-replicate/leader",
        service: "consul-replicate",
        purpose: undefined,
        ttl: Duration.seconds(3)
      })
    })
  )

  it.effect.each([
    ["lock", { lock: "" }],
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
  ] as const)("refuse and name -%s: %j", ([option, options]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(LeaderLock.options(options))
      expect(error).toMatchObject({ _tag: "InvalidLock", option })
      expect(error.message).toMatch(new RegExp(`^-${option}: .`))
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

  it.effect("refuse a time to live within which no heartbeat fits, by the name that it has here", () =>
    Effect.gen(function* () {
      for (const ttl of ["999 millis", Number.POSITIVE_INFINITY] as const) {
        const { message } = yield* Effect.flip(LeaderLock.options({ ttl }))
        expect(message).toBe("ttl: the time to live is at least 1s")
      }
    })
  )
})
