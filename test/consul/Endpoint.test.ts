import * as HttpClient from "@effect/platform/HttpClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as Address from "../../src/Address.js"
import * as ConsulHttp from "../../src/ConsulHttp.js"
import { isSameTenancy } from "../../src/internal/consul/Endpoint.js"
import { Operation } from "../../src/Operation.js"
import * as Network from "../../src/testing/Network.js"
import * as Value from "../../src/Value.js"
import { failureOf } from "../support/Failure.js"

const address = "http://127.0.0.1:8500"

const answer = Network.answer(200, "true", { "X-Consul-Index": "7" })

/** A client of one endpoint, and what it sends. */
const make = (options: Partial<ConsulHttp.ConsulHttpOptions>, fault: Network.Fault = answer) =>
  Effect.gen(function* () {
    const network = Network.scripted(fault)
    const consul = yield* Effect.provide(
      ConsulHttp.ConsulHttp,
      ConsulHttp.layer({ address, ...options })
    ).pipe(Effect.provideService(HttpClient.HttpClient, network.client))
    return { consul, network }
  })

const write = Operation.Set({ key: "a", value: Value.fromText("x"), flags: 0n })

const ask = ({ kv, session, transaction }: ConsulHttp.Consul) =>
  Effect.all(
    [
      kv.put({ key: "a", value: Value.fromText("x") }),
      kv.list("a"),
      kv.presence(["a"]),
      session.destroy("b6a2a6c1-9a1c-4a52-8f8a-6f1f0f5f4b2e"),
      transaction([write])
    ].map((effect) => Effect.ignore(effect)),
    { discard: true }
  )

describe("an endpoint", () => {
  it.effect("with a path has it in front of each request's path", () =>
    Effect.gen(function* () {
      const { consul, network } = yield* make({ address: "https://proxy.example.com/consul/" })
      yield* consul.kv.put({ key: "a/b", value: Value.fromText("x") })
      expect(network.sent[0]?.request.url).toBe("https://proxy.example.com/consul/v1/kv/a/b")
    })
  )

  it.effect("that is a socket is asked by a URL with the path of the socket in it", () =>
    Effect.gen(function* () {
      const { consul, network } = yield* make({ address: "unix:///run/consul.sock" })
      yield* consul.kv.put({ key: "a/b", value: Value.fromText("x") })
      expect(network.sent[0]?.request.url).toBe("http+unix://%2Frun%2Fconsul.sock/v1/kv/a/b")
    })
  )

  it.effect("with a password gets it as Authorization, and the token beside it", () =>
    Effect.gen(function* () {
      const auth = Redacted.make("user:pass:wörd")
      const { consul, network } = yield* make({ auth, token: Redacted.make("t0ken") })
      yield* ask(consul)
      for (const { headers } of network.sent) {
        const encoded = headers["authorization"]?.replace(/^Basic /, "") ?? ""
        expect(Encoding.decodeBase64String(encoded)).toMatchObject({ right: "user:pass:wörd" })
        expect(headers["x-consul-token"]).toBe("t0ken")
      }
    })
  )

  it.effect("reads a token that can change for each request", () =>
    Effect.gen(function* () {
      const token = yield* Ref.make(Redacted.make("first"))
      const { consul, network } = yield* make({ token: Ref.get(token) })
      const put = consul.kv.put({ key: "a", value: Value.fromText("x") })
      yield* put
      yield* Ref.set(token, Redacted.make("second"))
      yield* put
      expect(network.sent.map(({ headers }) => headers["authorization"])).toEqual([
        "Bearer first",
        "Bearer second"
      ])
    })
  )

  it.effect("names neither its token nor its password in an error", () =>
    Effect.gen(function* () {
      const { consul } = yield* make(
        { auth: Redacted.make("user:pa55word"), token: Effect.succeed(Redacted.make("5ecret")) },
        Network.answer(403, "Permission denied")
      )
      const error = yield* failureOf(consul.kv.get("a"))
      expect(`${error.message} ${JSON.stringify(error)}`).not.toMatch(/pa55word|5ecret/)
    })
  )

  it.effect(
    "in a namespace and a partition names them with each request, and a transaction with each operation",
    () =>
      Effect.gen(function* () {
        const { consul, network } = yield* make({ namespace: "team a", partition: "p" })
        yield* ask(consul)
        for (const { body, target } of network.sent) {
          const query = new URL(target, address).searchParams
          if (target.startsWith("/v1/txn")) {
            expect(JSON.parse(body)).toMatchObject([{ KV: { Namespace: "team a", Partition: "p" } }])
            expect(query.has("ns")).toBe(false)
          } else expect([query.get("ns"), query.get("partition")]).toEqual(["team a", "p"])
        }
      })
  )

  it.effect("without them sends what it sent before there were any", () =>
    Effect.gen(function* () {
      const { consul, network } = yield* make({})
      yield* ask(consul)
      expect(network.sent.map(({ body, target }) => `${target} ${body}`).join("\n")).not.toMatch(
        /ns=|partition|Namespace|Partition/
      )
    })
  )

  it.effect("at another address has no token, password, namespace or partition but those given with it", () =>
    Effect.gen(function* () {
      const { consul } = yield* make({
        auth: Redacted.make("user:password"),
        token: Redacted.make("t0ken"),
        namespace: "team",
        partition: "p",
        datacenter: "nyc1",
        settings: { ca: "-consul-ssl-ca-cert" }
      })
      const other = yield* Address.parse("10.0.0.1")
      expect(consul.at({ address: other }).endpoint).toEqual({ address: other, datacenter: "nyc1" })
      expect(consul.at({ address: other, namespace: "n" }).endpoint).toEqual({
        address: other,
        datacenter: "nyc1",
        namespace: "n"
      })
      // At the same address only what is given differs.
      expect(consul.at({ datacenter: "ams2" }).endpoint).toEqual({ ...consul.endpoint, datacenter: "ams2" })
    })
  )

  it.effect("that answers a plain request with TLS is not reachable, and the message says how it is", () =>
    Effect.gen(function* () {
      const { consul } = yield* make(
        { settings: { address: "-src-addr" } },
        Network.answer(400, "Client sent an HTTP request to an HTTPS server.\n")
      )
      const error = yield* failureOf(consul.kv.get("a"))
      expect(error).toMatchObject({ _tag: "Unreachable", setting: "address" })
      expect(error.message).toContain("speaks TLS; use an https:// address, see -src-addr")
    })
  )

  it.effect("says of a denial which token it was, and how to give one if there was none", () =>
    Effect.gen(function* () {
      const denied = Network.answer(403, "Permission denied")
      const settings = { token: "-src-token-file" }
      const { consul: without } = yield* make({ settings }, denied)
      expect((yield* failureOf(without.kv.get("a"))).message).toContain(
        'no token was given, and without one this needs key "a" { policy = "read" }; give a token by -src-token-file'
      )
      const { consul: given } = yield* make({ settings, token: Redacted.make("t0ken") }, denied)
      expect((yield* failureOf(given.kv.get("a"))).message).toContain(
        'the token of -src-token-file needs key "a" { policy = "read" }'
      )
    })
  )

  it("is in the namespace of another where both name the default one or none", () => {
    expect(isSameTenancy({}, { namespace: "default", partition: "default" })).toBe(true)
    expect(isSameTenancy({ namespace: "a" }, {})).toBe(false)
    expect(isSameTenancy({ namespace: "a" }, { namespace: "a", partition: "p" })).toBe(false)
  })

  it.effect("shows the node of an agent by its name, and none that is not there", () =>
    Effect.gen(function* () {
      const { consul } = yield* make({}, Network.answer(200, '{"Node":{"ID":"i","Node":"a"},"Services":{}}'))
      expect(yield* consul.catalog.nodeId("a")).toEqual(Option.some("i"))
      const { consul: other } = yield* make({}, Network.answer(200, "null"))
      expect(yield* other.catalog.nodeId("a")).toEqual(Option.none())
    })
  )
})
