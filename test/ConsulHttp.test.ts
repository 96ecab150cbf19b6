import * as Inspect from "node:util"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Exit from "effect/Exit"
import * as fc from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Address from "../src/Address.js"
import * as ConsulError from "../src/ConsulError.js"
import * as ConsulHttp from "../src/ConsulHttp.js"
import { ClientResponse, type ReadPiece } from "../src/internal/effect/ClientResponse.js"
import { Operation } from "../src/Operation.js"
import { SimConsul } from "../src/testing/index.js"
import * as Network from "../src/testing/Network.js"
import * as Value from "../src/Value.js"
import { version } from "../src/Version.js"
import * as Events from "./support/Events.js"
import { failureOf } from "./support/Failure.js"
import { flags, text, value } from "./support/Keys.js"

const address = "http://127.0.0.1:8500"

const client = (network: Network.Network, options: Partial<ConsulHttp.ConsulHttpOptions> = {}) =>
  Effect.provide(ConsulHttp.ConsulHttp, ConsulHttp.layer({ address, ...options })).pipe(
    Effect.provideService(HttpClient.HttpClient, network.client)
  )

/** A client whose every request is answered so. */
const answering = (status: number, body: string, headers: Readonly<Record<string, string>> = {}) =>
  client(Network.scripted(Network.answer(status, body, headers)), { datacenter: "nyc1" })

const indexed = { "X-Consul-Index": "7" }

const entryJson = '{"LockIndex":0,"Key":"a","Flags":0,"Value":null,"CreateIndex":5,"ModifyIndex":6}'

const txn = [Operation.Delete({ key: "a" })]

/** Each member once, as it is used. */
const everyMember = (
  consul: ConsulHttp.Consul
): ReadonlyArray<Effect.Effect<unknown, ConsulError.ConsulError>> => [
  consul.kv.get("a"),
  consul.kv.list("a"),
  consul.kv.keys("a"),
  consul.kv.put({ key: "a", value: Value.fromText("secret") }),
  consul.kv.put({ key: "a//b", value: Value.fromText("secret") }),
  consul.kv.delete("a"),
  consul.transaction([Operation.Set({ key: "a", value: Value.fromText("secret"), flags: 0n })]),
  consul.session.create({ name: "s", checks: ["serfHealth"], behavior: "release", lockDelay: 0 }),
  consul.session.renew("id"),
  consul.session.info("id"),
  consul.session.destroy("id"),
  consul.agent.self,
  consul.agent.registerService({ id: "s", name: "s", ttl: "3 seconds", deregisterAfter: "1 minute" }),
  consul.agent.deregisterService("s"),
  consul.agent.updateCheck("c", { status: "passing", output: "" })
]

describe("ConsulHttp", () => {
  describe("every request", () => {
    it.effect("names the program and its version, unless the client of the embedder names another", () =>
      Effect.gen(function* () {
        const network = Network.scripted(Network.answer(404, "", indexed))
        yield* (yield* client(network)).kv.get("a")
        expect(network.sent.at(-1)?.headers["user-agent"]).toBe(`consul-replicate/${version}`)
        const own = HttpClient.mapRequest(network.client, HttpClientRequest.setHeader("User-Agent", "app/1"))
        yield* (yield* client({ ...network, client: own })).kv.get("a")
        expect(network.sent.at(-1)?.headers["user-agent"]).toBe("app/1")
      })
    )
  })

  describe("errors", () => {
    it.effect.each([
      [500, "No cluster leader", "NoLeader"],
      [500, "rpc error making call: No cluster leader", "NoLeader"],
      [500, "No path to datacenter", "NoPathToDatacenter"],
      [403, "Permission denied", "Denied"],
      [403, "", "Denied"],
      [500, "rpc error making call: Permission denied", "Denied"],
      [
        429,
        "Your IP is issuing too many concurrent connections, please rate limit your calls",
        "TooManyConnections"
      ],
      [429, "", "RateLimited"],
      [413, "Request body too large", "TooLarge"],
      [500, "invalid session", "Rejected"],
      [502, "<html>Bad Gateway</html>", "Rejected"],
      [400, "Missing key name", "Rejected"],
      [301, "", "Rejected"],
      [409, "a proxy's idea of a conflict", "UnexpectedAnswer"],
      [200, "<html>welcome</html>", "UnexpectedAnswer"]
    ] as const)("%i %j is %s, for every member", ([status, body, tag]) =>
      Effect.gen(function* () {
        for (const member of everyMember(yield* answering(status, body, indexed))) {
          // Writes that answer with nothing do not read what they are answered.
          const failure = yield* Effect.either(member)
          if (status === 200 && failure._tag === "Right") expect(failure.right).toBeUndefined()
          else expect(failure).toMatchObject({ _tag: "Left", left: { _tag: tag } })
        }
      })
    )

    it.effect("name the request: method, path, the names of its query, and the datacenter", () =>
      Effect.gen(function* () {
        const { agent, kv } = yield* answering(429, "")
        const named = (request: Effect.Effect<unknown, ConsulError.ConsulError>) =>
          Effect.map(Effect.flip(request), (error) => error.request)
        expect(yield* named(kv.get("global/a"))).toBe("GET /v1/kv/global/a in nyc1")
        expect(yield* named(kv.list("global/"))).toBe("GET /v1/kv/global/?recurse in nyc1")
        expect(yield* named(kv.put({ key: "a", value: Value.empty }, { cas: 0 }))).toBe(
          "PUT /v1/kv/a?flags&cas in nyc1"
        )
        expect(yield* named(agent.self)).toBe("GET /v1/agent/self")
      })
    )

    it.effect("an unknown datacenter comes with those that the agent knows, if it names any", () =>
      Effect.gen(function* () {
        const noPath = Network.answer(500, "No path to datacenter")
        const catalog = "GET /v1/catalog/datacenters"
        const message = (answer: Network.Fault) =>
          Effect.gen(function* () {
            const network = Network.scripted((sent, pass) =>
              `${sent.method} ${sent.target}` === catalog ? answer(sent, pass) : noPath(sent, pass)
            )
            const { kv } = yield* client(network, { datacenter: "nyc9" })
            const error = yield* Effect.flip(kv.get("a"))
            expect(error._tag).toBe("NoPathToDatacenter")
            return error.message.replace(/ \(GET .*/, "")
          })
        expect(yield* message(Network.answer(200, '["nyc1","sfo1"]'))).toBe(
          'no path to datacenter "nyc9": the agent knows nyc1, sfo1; check the name and that the clusters are WAN-joined'
        )
        expect(yield* message(Network.answer(200, '["nyc1","nyc9"]'))).toBe(
          'no path to datacenter "nyc9": the agent knows it, and reaches none of its servers'
        )
        for (const answer of [Network.refused, Network.answer(500, ""), Network.answer(200, "<html>")]) {
          expect(yield* message(answer)).toBe(
            'no path to datacenter "nyc9": check its name and that the clusters are WAN-joined'
          )
        }
        const asking = yield* Effect.fork(message(Network.silent))
        yield* TestClock.adjust("10 seconds")
        expect(yield* Fiber.join(asking)).toContain("check its name")
      })
    )

    it.effect("over a client that was closed is a defect that says so, and not waited for", () =>
      Effect.gen(function* () {
        const closed: Network.Fault = ({ request }) =>
          Effect.fail(
            new HttpClientError.RequestError({
              request,
              reason: "Transport",
              cause: Object.assign(new Error("The client is destroyed"), { code: "UND_ERR_DESTROYED" })
            })
          )
        for (const member of everyMember(yield* client(Network.scripted(closed)))) {
          const exit = yield* Effect.exit(member)
          expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain(
            "ConsulHttp was used after the scope of its HTTP client was closed"
          )
        }
      })
    )

    it.effect("no answer is Unreachable, and says what the connection said", () =>
      Effect.gen(function* () {
        for (const member of everyMember(yield* client(Network.scripted(Network.refused)))) {
          const error = yield* Effect.flip(member)
          expect(error).toMatchObject({ _tag: "Unreachable", address })
          expect(error.message).toContain("connect ECONNREFUSED 127.0.0.1:8500")
        }
      })
    )

    it.effect("a conflict names the keys of its operations", () =>
      Effect.gen(function* () {
        const consul = yield* answering(
          409,
          '{"Results":null,"Errors":[{"OpIndex":0,"What":"failed session check"},{"OpIndex":2,"What":"stale"}]}'
        )
        const error = yield* Effect.flip(consul.transaction(txn))
        expect(error).toMatchObject({
          _tag: "Conflict",
          failures: [
            { operation: 0, key: "a", reason: "failed session check" },
            { operation: 2, reason: "stale" }
          ]
        })
        expect(error.message).toContain('"a": failed session check; operation 2: stale')
      })
    )

    it.effect("a page for an answer is cut to one short line", () =>
      Effect.gen(function* () {
        const consul = yield* answering(502, `<html>\n\n${"bad gateway\n".repeat(1000)}`)
        const { message } = yield* Effect.flip(consul.kv.get("a"))
        expect(message).not.toContain("\n")
        expect(message.length).toBeLessThan(300)
      })
    )

    it.effect("an answer of another shape is said where and how, never with what stands there", () =>
      Effect.gen(function* () {
        const said = <A>(body: string, ask: (consul: ConsulHttp.Consul) => Effect.Effect<A, unknown>) =>
          Effect.gen(function* () {
            const error = yield* Effect.flip(ask(yield* answering(200, body, indexed)))
            expect(error).toBeInstanceOf(ConsulError.UnexpectedAnswer)
            const { message } = error as ConsulError.UnexpectedAnswer
            for (const shown of [message, JSON.stringify(error), Inspect.inspect(error, { depth: 20 })]) {
              expect(shown).not.toMatch(/c2VjcmV0|secret|4711/)
            }
            return message.replace("the answer is not one of Consul's: ", "").replace(/ \([^()]*\)$/, "")
          })
        const self = (config: unknown) => said(JSON.stringify({ Config: config }), ({ agent }) => agent.self)
        expect(yield* self({ Datacenter: "secret", NodeName: { secret: "secret" }, Version: "1" })).toBe(
          "another shape than expected: Config.NodeName should be string"
        )
        expect(yield* self({ Datacenter: "secret" })).toBe(
          "another shape than expected: Config.NodeName is missing"
        )
        const info = (session: unknown) => said(JSON.stringify([session]), ({ session }) => session.info("s"))
        const session = { ID: "secret", Name: "secret", Node: "n" }
        expect(yield* info({ ...session, Checks: ["secret", 4711] })).toBe(
          "another shape than expected: 0.Checks.1 should be string"
        )
        expect(yield* info({ ...session, Checks: "secret" })).toBe(
          "another shape than expected: 0.Checks should be ReadonlyArray<string> | null"
        )
        expect(yield* info("secret")).toBe("another shape than expected: 0 should be Session")
        expect(yield* said('"secret"', ({ session }) => session.info("s"))).toBe(
          "another shape than expected: it should be ReadonlyArray<Session>"
        )
        expect(yield* said('{"secret', ({ session }) => session.info("s"))).toBe(
          "8 characters that are not a JSON document"
        )
        for (const body of [
          '[{"Key":4711,"Value":"c2VjcmV0"}]',
          '{"Value":"c2VjcmV0"}',
          '[{"Value":"c2VjcmV0',
          "4711"
        ]) {
          yield* said(body, ({ kv }) => kv.get("a"))
          yield* said(body, ({ kv }) => kv.list("a"))
          yield* said(body, ({ kv }) => kv.keys("a"))
          yield* said(body, ({ kv }) => kv.put({ key: "a", value: Value.empty }))
        }
      })
    )

    it("worth another try is all but a conflict, a size and a malformed request", () => {
      const request = "GET /v1/kv/a"
      const rejected = (status: number) => new ConsulError.Rejected({ request, status, reason: "" })
      const retryable = (error: ConsulError.ConsulError) => ConsulError.isRetryable(error)
      expect(
        [
          new ConsulError.Unreachable({ request, address, reason: "" }),
          new ConsulError.NoLeader({ request }),
          new ConsulError.NoPathToDatacenter({ request, datacenter: "nyc1" }),
          new ConsulError.Denied({ request, reason: "" }),
          new ConsulError.RateLimited({ request }),
          new ConsulError.UnexpectedAnswer({ request, reason: "" }),
          rejected(500),
          rejected(502)
        ].every(retryable)
      ).toBe(true)
      expect(
        [
          new ConsulError.TooLarge({ request, reason: "", limit: "bytes" }),
          new ConsulError.Conflict({ request, failures: [] }),
          rejected(400)
        ].some(retryable)
      ).toBe(false)
    })
  })

  describe("what is not Consul's answer is never taken for an empty prefix", () => {
    it.effect.each([
      ["a 404 without an index", 404, "", {}],
      ["a 404 with a text", 404, "404 page not found", indexed],
      ["an empty list", 200, "[]", indexed],
      ["null", 200, "null", indexed],
      ["nothing at all", 200, "", indexed],
      ["half a document", 200, `[${entryJson.slice(0, 40)}`, indexed],
      ["HTML", 200, "<html></html>", indexed],
      ["an object", 200, "{}", indexed],
      ["an index of 0", 200, `[${entryJson}]`, { "X-Consul-Index": "0" }],
      ["no index", 200, `[${entryJson}]`, {}],
      ["an index that is no number", 200, `[${entryJson}]`, { "X-Consul-Index": "seven" }],
      ["a negative index", 404, "", { "X-Consul-Index": "-1" }],
      ["an index of 0 with a 404", 404, "", { "X-Consul-Index": "0" }]
    ] as const)("%s", ([, status, body, headers]) =>
      Effect.gen(function* () {
        const { kv } = yield* answering(status, body, headers)
        const reads: ReadonlyArray<Effect.Effect<unknown, ConsulError.ConsulError>> = [
          kv.list("a"),
          kv.get("a"),
          kv.keys("a"),
          kv.list("a//b"),
          kv.get("a//b")
        ]
        for (const read of reads) {
          expect(yield* Effect.flip(read)).toMatchObject({ _tag: "UnexpectedAnswer" })
        }
      })
    )

    it.effect("Consul's own 404 is an empty prefix, with an index", () =>
      Effect.gen(function* () {
        const { kv } = yield* answering(404, "", {
          ...indexed,
          "X-Consul-Knownleader": "false",
          "X-Consul-Lastcontact": "12"
        })
        const about = { index: 7, knownLeader: false, lastContact: 12 }
        expect(yield* kv.list("a")).toEqual({
          value: { entries: [], invalidUtf8Keys: [], malformed: [] },
          ...about
        })
        expect(yield* kv.get("a")).toEqual({ value: Option.none(), ...about })
        expect(yield* kv.keys("a")).toEqual({ value: [], ...about })
      })
    )

    it.effect("a listing that is the same as before is answered with the one of before", () =>
      Effect.gen(function* () {
        const sim = yield* SimConsul.SimConsul
        const { kv } = yield* client(Network.make(sim.httpClient))
        yield* kv.put({ key: "a/1", value: Value.empty })
        const before = (yield* kv.keys("a/")).value
        yield* kv.put({ key: "a/1", value: Value.fromText("other") })
        expect((yield* kv.keys("a/", { before })).value).toBe(before)
        yield* kv.put({ key: "a/2", value: Value.empty })
        expect((yield* kv.keys("a/", { before })).value).toEqual(["a/1", "a/2"])
      }).pipe(Effect.provide(SimConsul.layer()))
    )

    it.effect("of an empty store, all keys are none: Consul answers that with an empty list", () =>
      Effect.gen(function* () {
        const sim = yield* SimConsul.SimConsul
        const { kv } = yield* client(Network.make(sim.httpClient))
        expect((yield* kv.keys("")).value).toEqual([])
        expect((yield* kv.keys("/a")).value).toEqual([])
        expect((yield* kv.list("")).value.entries).toEqual([])
      }).pipe(Effect.provide(SimConsul.layer()))
    )
  })

  describe("time-outs", () => {
    /** Seconds of the clock until an effect is done; to the millisecond, with the given estimate. */
    const isDoneAt = (effect: Effect.Effect<unknown, ConsulError.ConsulError>, milliseconds: number) =>
      Effect.gen(function* () {
        const fiber = yield* Effect.fork(Effect.flip(effect))
        yield* TestClock.adjust(milliseconds - 1)
        expect(yield* Fiber.poll(fiber)).toEqual(Option.none())
        yield* TestClock.adjust(1)
        expect(yield* Fiber.join(fiber)).toMatchObject({ _tag: "Unreachable" })
      })

    const mute = client(Network.scripted(Network.silent))

    it.effect("a request is given up after 10 s", () =>
      Effect.flatMap(mute, ({ kv }) => isDoneAt(kv.list("a"), 10_000))
    )

    it.effect("a blocking query is given its wait, the sixteenth that Consul adds, and 10 s", () =>
      Effect.flatMap(mute, ({ kv }) =>
        isDoneAt(kv.list("a", { index: 5, wait: "1 minute" }), 60_000 + 3_750 + 10_000)
      )
    )

    it.effect("a blocking query that names no wait is given Consul's 5 minutes", () =>
      Effect.flatMap(mute, ({ kv }) => isDoneAt(kv.get("a", { index: 5 }), 300_000 + 18_750 + 10_000))
    )

    /**
     * Answers with a list of entries, each after a pause, and then with the end of the list, or never. As the client of
     * the command gives it, or as any other does.
     */
    const trickling = (pauses: ReadonlyArray<Duration.DurationInput>, ends: boolean, isOurs: boolean) => {
      const pieces = pauses.map((_, i) => `${i === 0 ? "[" : ","}${entryJson.replace('"a"', `"a${i}"`)}`)
      const texts = Stream.fromIterable([...pieces.entries()]).pipe(
        Stream.mapEffect(([i, piece]) => Effect.delay(Effect.succeed(piece), pauses[i] ?? 0)),
        Stream.concat(ends ? Stream.succeed("]") : Stream.never)
      )
      const read = (take: ReadPiece) =>
        Stream.runForEachWhile(texts, (text) => Effect.sync(() => take(text, text.length)))
      const answered = (request: HttpClientRequest.HttpClientRequest) =>
        isOurs
          ? new ClientResponse(request, {
              status: 200,
              headers: indexed,
              body: { read, text: Effect.never, bytes: Effect.never }
            })
          : Object.create(HttpClientResponse.fromWeb(request, new Response("", { headers: indexed })), {
              stream: { value: Stream.encodeText(texts) }
            })
      const http = HttpClient.makeWith<never, never, HttpClientError.HttpClientError, never>(
        Effect.map(answered),
        Effect.succeed
      )
      return Effect.provide(ConsulHttp.ConsulHttp, ConsulHttp.layer({ address })).pipe(
        Effect.provideService(HttpClient.HttpClient, http)
      )
    }

    describe.each([true, false])("of a body, which comes from our own client: %s", (isOurs) => {
      it.effect("an answer that stops is given up after 10 s of silence, whatever has arrived", () =>
        Effect.gen(function* () {
          const { kv } = yield* trickling(["9 seconds", "9 seconds"], false, isOurs)
          yield* isDoneAt(kv.list("a"), 28_000)
        })
      )

      it.effect("an answer may take as long as it likes while it arrives", () =>
        Effect.gen(function* () {
          const { kv } = yield* trickling(
            Array.from({ length: 400 }, () => "9 seconds" as const),
            true,
            isOurs
          )
          const fiber = yield* Effect.fork(kv.list("a"))
          yield* TestClock.adjust("1 hour")
          expect((yield* Fiber.join(fiber)).value.entries).toHaveLength(400)
        })
      )

      it.effect("an answer is not waited for when it has more bytes than the caller wants", () =>
        Effect.gen(function* () {
          const { kv } = yield* trickling(["1 second", "1 second", "1 second"], false, isOurs)
          const fiber = yield* Effect.fork(Effect.flip(kv.list("a", { maxBytes: 100 })))
          yield* TestClock.adjust("2 seconds")
          expect(yield* Fiber.join(fiber)).toMatchObject({ _tag: "AnswerTooLarge" })
        })
      )
    })
  })

  it.effect("an answer of more bytes than may be is cut off, and one of as many is read", () =>
    Effect.gen(function* () {
      const body = `[${entryJson}]`
      const { kv } = yield* answering(200, body, indexed)
      expect((yield* kv.list("a", { maxBytes: body.length })).value.entries).toHaveLength(1)
      const maxBytes = body.length - 1
      const reads: ReadonlyArray<Effect.Effect<unknown, ConsulError.ConsulError>> = [
        kv.list("a", { maxBytes }),
        kv.get("a", { maxBytes }),
        kv.keys("a", { maxBytes }),
        kv.moved("a", { maxBytes }),
        kv.newer("a", { maxBytes, index: 1 })
      ]
      for (const read of reads) {
        const error = yield* Effect.flip(read)
        expect(error).toMatchObject({ _tag: "AnswerTooLarge", maxBytes })
        expect(ConsulError.isRetryable(error)).toBe(false)
      }
    })
  )

  describe("an answer about something else is none", () => {
    const entryOf = (key: string) => entryJson.replace('"a"', JSON.stringify(key))
    const listOf = (...keys: ReadonlyArray<string>) => `[${keys.map(entryOf).join(",")}]`
    const resultsOf = (...keys: ReadonlyArray<string>) =>
      `{"Results":[${keys.map((key) => `{"KV":${entryOf(key)}}`).join(",")}],"Errors":null}`
    it.effect.each<[string, string, (consul: ConsulHttp.Consul) => Effect.Effect<unknown, unknown>]>([
      ["a list", listOf("app/password", "global/a"), ({ kv }) => kv.list("global/")],
      ["a list with a key twice", listOf("global/a", "global/a"), ({ kv }) => kv.list("global/")],
      ["what is newer", listOf("global/a", "zapp"), ({ kv }) => kv.newer("global/", { index: 1 })],
      ["a key", listOf("global/ab"), ({ kv }) => kv.get("global/a")],
      ["a key and another", listOf("global/a", "global/ab"), ({ kv }) => kv.entry("global/a")],
      ["names", '["app/password","global/a"]', ({ kv }) => kv.keys("global/")],
      ["names of which one comes twice", '["global/a","global/a"]', ({ kv }) => kv.keys("global/")],
      ["folded names", '["app/"]', ({ kv }) => kv.keys("global/", { separator: "/" })],
      ["presence", resultsOf("global/b"), ({ kv }) => kv.presence(["global/a"])],
      [
        "the results of a transaction",
        resultsOf("global/b"),
        ({ transaction }) => transaction([Operation.CheckIndex({ key: "global/a", index: 1 })])
      ]
    ])("%s", ([, body, ask]) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(ask(yield* answering(200, body, indexed)))
        expect(error).toMatchObject({ _tag: "UnexpectedAnswer" })
        expect((error as Error).message).toMatch(/was(?: not)? asked for|comes twice/)
      })
    )

    it.effect("also where a conflict names operations that were not sent", () =>
      Effect.gen(function* () {
        const { kv } = yield* answering(409, `{"Errors":[{"OpIndex":7,"What":"key \\"a\\" doesn't exist"}]}`)
        expect(yield* Effect.flip(kv.presence(["a"]))).toMatchObject({ _tag: "Conflict" })
      })
    )
  })

  describe("names", () => {
    /** Refuses paths as a Consul does that takes no other names. */
    const refusing =
      (isTaken: (name: string) => boolean, status: number, body: string): Network.Fault =>
      (sent, pass) => {
        const { pathname } = new URL(sent.target, "http://agent")
        return pathname.startsWith("/v1/kv/") &&
          !isTaken(decodeURIComponent(pathname.slice("/v1/kv/".length)))
          ? Network.answer(status, body)(sent, pass)
          : pass
      }

    const rules = [
      ["1.8.7", 400, "", (name: string) => !/\p{Extended_Pictographic}/u.test(name)],
      ["1.21.5", 400, "invalid key name", (name: string) => /^[a-zA-Z0-9,_./\-?&=]*$/.test(name)],
      [
        "1.21.5, forwarded",
        500,
        "rpc error making call: invalid key name, …",
        (name: string) => /^[a-zA-Z0-9,_./\-?&=]*$/.test(name)
      ]
    ] as const

    it.effect.each(rules)(
      "that the paths of Consul %s do not carry go by transaction, and cost one refused request",
      ([, status, body, isTaken]) =>
        Effect.gen(function* () {
          const sim = yield* SimConsul.SimConsul
          const network = Network.make(sim.httpClient)
          yield* network.disturb(refusing(isTaken, status, body))
          const events = Events.make()
          const { kv } = yield* client(network)
          const refusals = () => network.sent.filter(({ target }) => target.includes("%F0")).length
          yield* Effect.gen(function* () {
            expect(kv.isNameable("global/😀")).toBe(true)
            for (const key of ["global/😀", "global/😀/b", "global/a", "😀"]) {
              expect(yield* kv.put({ key, value: Value.fromText(key.length.toString()) })).toBe(true)
            }
            expect(kv.isNameable("global/😀")).toBe(false)
            const before = refusals()
            const { index, value } = yield* kv.list("global/😀")
            expect(value.entries.map(({ key }) => key)).toEqual(["global/😀", "global/😀/b"])
            expect(index).toBe((yield* kv.moved("global/")).index)
            expect((yield* kv.get("global/😀")).value).toMatchObject({ value: { key: "global/😀" } })
            expect((yield* kv.entry("global/😀/c")).value.entries).toEqual([])
            expect((yield* kv.keys("😀")).value).toEqual(["😀"])
            expect((yield* kv.newer("global/😀", { index: index - 1 })).value).toMatchObject({ _tag: "Some" })
            expect((yield* kv.list("global/")).value.entries).toHaveLength(3)
            expect(yield* kv.delete("global/😀/b")).toBe(true)
            expect((yield* kv.keys("global/😀")).value).toEqual(["global/😀"])
            expect(refusals() - before).toBe(0)
            expect(before).toBe(1)
            yield* TestClock.adjust("5 minutes")
            yield* kv.list("global/😀")
            expect(refusals()).toBe(2)
          }).pipe(events.collect)
          expect(events.events).toMatchObject([{ _tag: "NameNotCarried", key: "global/😀" }])
        }).pipe(Effect.provide(SimConsul.layer()))
    )

    it.effect(
      "a name that one client has learned is shared by all clients of the endpoint, and by no other's",
      () =>
        Effect.gen(function* () {
          const network = Network.scripted(Network.answer(400, ""))
          const consul = yield* client(network, { datacenter: "nyc1" })
          yield* Effect.exit(consul.kv.list("ä"))
          expect(consul.at({}).kv.isNameable("ä")).toBe(false)
          expect(consul.at({ datacenter: "sfo1" }).kv.isNameable("ä")).toBe(true)
          expect(consul.at({ datacenter: "sfo1" }).at({ datacenter: "nyc1" }).kv.isNameable("ä")).toBe(false)
        })
    )

    it.effect("another refusal is not taken for one of the name", () =>
      Effect.gen(function* () {
        for (const [status, body] of [
          [400, "Bad request"],
          [500, 'failed for "invalid key name"'],
          [301, ""]
        ] as const) {
          const { kv } = yield* answering(status, body)
          expect(yield* Effect.flip(kv.list("ä"))).toMatchObject({ _tag: "Rejected", status })
          expect(kv.isNameable("ä")).toBe(true)
        }
        const { kv } = yield* answering(400, "")
        expect(yield* Effect.flip(kv.list("global/"))).toMatchObject({ _tag: "Rejected", status: 400 })
      })
    )

    it.effect.each(["app%2Fcfg/a", "app/100%", "app/%25"])(
      "with a percent sign, as in %j, are in no path, since Consul 1.12.0 decodes it twice or fails",
      (key) =>
        Effect.gen(function* () {
          const sim = yield* SimConsul.SimConsul
          const network = Network.make(sim.httpClient)
          const { kv } = yield* client(network)
          yield* kv.put({ key, value: Value.empty })
          expect((yield* kv.list(key)).value.entries.map((entry) => entry.key)).toEqual([key])
          expect(network.sent.some(({ target }) => target.includes("%25"))).toBe(false)
        }).pipe(Effect.provide(SimConsul.layer()))
    )
  })

  it.effect("limits of the rate say how long to wait", () =>
    Effect.gen(function* () {
      const limited = (status: number, body: string, headers: Readonly<Record<string, string>>) =>
        Effect.flatMap(answering(status, body, headers), ({ transaction }) => Effect.flip(transaction(txn)))
      expect(yield* limited(429, "", { "Retry-After": "3" })).toMatchObject({
        _tag: "RateLimited",
        message: expect.stringContaining("for 3s")
      })
      expect(yield* limited(503, "rate limit exceeded, try again later", {})).toMatchObject({
        _tag: "RateLimited",
        retryAfter: undefined
      })
      expect(yield* limited(503, "<html>rate limit exceeded</html>", {})).toMatchObject({ _tag: "Rejected" })
    })
  )

  describe("a read that nobody has begun to answer", () => {
    const alive =
      (after: Duration.DurationInput): Network.Fault =>
      (sent, pass) =>
        sent.target.startsWith("/v1/status/leader")
          ? Network.answer(200, '"127.0.0.1:8300"')(sent, pass)
          : Effect.delay(Network.answer(200, `[${entryJson}]`, indexed)(sent, pass), after)

    it.effect("is waited for while its servers answer something small: 32 MB over 8 Mbit/s take 35 s", () =>
      Effect.gen(function* () {
        const { kv } = yield* client(Network.scripted(alive("35 seconds")), { datacenter: "nyc1" })
        const fiber = yield* Effect.fork(kv.list("a"))
        yield* TestClock.adjust("35 seconds")
        expect((yield* Fiber.join(fiber)).value.entries).toHaveLength(1)
      })
    )

    it.effect("is lost after a minute, and a write after 10 s", () =>
      Effect.gen(function* () {
        const { kv } = yield* client(Network.scripted(alive("10 minutes")))
        const read = yield* Effect.fork(Effect.flip(kv.list("a")))
        const write = yield* Effect.fork(Effect.flip(kv.put({ key: "a", value: Value.empty })))
        yield* TestClock.adjust("10 seconds")
        expect(yield* Fiber.join(write)).toMatchObject({ _tag: "Unreachable" })
        yield* TestClock.adjust("45 seconds")
        expect(yield* Fiber.poll(read)).toEqual(Option.none())
        yield* TestClock.adjust("10 seconds")
        expect(yield* Fiber.join(read)).toMatchObject({ _tag: "Unreachable" })
      })
    )
  })

  describe("the address", () => {
    it.effect.each([
      ["127.0.0.1:8500", "http://127.0.0.1:8500"],
      ["localhost", "http://localhost:8500"],
      ["https://consul.example.com/", "https://consul.example.com"]
    ] as const)("is taken as the command line takes it: %s", ([written, url]) =>
      Effect.gen(function* () {
        const network = Network.scripted(Network.answer(404, "", indexed))
        const consul = yield* client(network, { address: written })
        expect(consul.endpoint.address).toBe(url)
        yield* consul.kv.get("a")
        expect(network.sent.map(({ request }) => request.url)).toEqual([`${url}/v1/kv/a`])
      })
    )

    it.effect("fails the layer where it is none, instead of being waited for", () =>
      Effect.gen(function* () {
        const network = Network.scripted(Network.answer(404, "", indexed))
        const error = yield* failureOf(client(network, { address: "ftp://127.0.0.1" }))
        expect(error).toMatchObject({ _tag: "InvalidAddress", reason: "Scheme" })
        expect(error.message).toContain(
          "the address of the Consul agent cannot be used: ftp:// is not supported"
        )
      })
    )
  })

  describe("requests", () => {
    it.effect("the token goes as a bearer header, and shows nowhere else", () =>
      Effect.gen(function* () {
        const token = "5ecret-t0ken"
        const endpoint = { token: Redacted.make(token), datacenter: "nyc1" }
        const faults = [
          Network.refused,
          Network.answer(403, "Permission denied"),
          Network.answer(500, "boom"),
          Network.answer(409, "{}"),
          Network.answer(413, ""),
          Network.answer(429, ""),
          Network.answer(200, "<html>")
        ]
        for (const fault of faults) {
          const network = Network.scripted(fault)
          const consul = yield* client(network, endpoint)
          for (const member of everyMember(consul)) {
            const exit = yield* Effect.exit(member)
            const cause = exit._tag === "Failure" ? exit.cause : Cause.empty
            const errors = [...Cause.failures(cause)]
            const shown = [
              Cause.pretty(cause, { renderErrorCause: true }),
              ...errors.flatMap((error) => [
                error.message,
                String(error),
                JSON.stringify(error),
                Inspect.inspect(error, { depth: 20, showHidden: true })
              ]),
              JSON.stringify(consul.endpoint),
              Inspect.inspect(consul, { depth: 20 })
            ]
            expect(shown.join("\n")).not.toContain(token)
            // Values of keys neither, in base64 or plain.
            expect(shown.join("\n")).not.toMatch(/c2VjcmV0|secret/)
          }
          expect(network.sent.length).toBeGreaterThan(0)
          for (const { headers, target } of network.sent) {
            expect(headers["authorization"]).toBe(`Bearer ${token}`)
            expect(target).not.toContain(token)
          }
        }
      })
    )

    it.effect("a token that no header can hold shows in no message, whatever the client says of it", () =>
      Effect.gen(function* () {
        for (const token of ["5ecret\nt0ken", " 5ecret\nt0ken\n"]) {
          const layer = ConsulHttp.layer({ address, token: Redacted.make(token) })
          const { kv } = yield* Effect.provide(ConsulHttp.ConsulHttp, layer).pipe(
            Effect.provide(FetchHttpClient.layer)
          )
          const error = yield* Effect.flip(kv.get("a"))
          expect(error).toMatchObject({ _tag: "Unreachable" })
          expect(error.message).toContain("is an invalid header value")
          for (const shown of [error.message, Inspect.inspect(error, { depth: 20 })]) {
            expect(shown).not.toMatch(/5ecret|t0ken/)
          }
        }
        const { kv } = yield* client(Network.scripted(Network.refused), { token: Redacted.make("") })
        expect((yield* Effect.flip(kv.get("a"))).message).toContain("connect ECONNREFUSED 127.0.0.1:8500")
      })
    )

    it.effect("name the datacenter on keys, transactions and sessions, and not when asking the agent", () =>
      Effect.gen(function* () {
        const network = Network.scripted(Network.answer(404, "", indexed))
        const consul = yield* client(network, { datacenter: "nyc1" })
        yield* Effect.forEach(everyMember(consul), Effect.either)
        expect(network.sent).toHaveLength(15)
        for (const { target } of network.sent) {
          expect(target.includes("dc=nyc1")).toBe(!target.startsWith("/v1/agent/"))
        }
      })
    )

    it.effect("another endpoint takes over what it does not name, and is asked over the same client", () =>
      Effect.gen(function* () {
        const network = Network.scripted(Network.answer(404, "", indexed))
        const consul = yield* client(network)
        yield* consul.at({ datacenter: "ams2" }).kv.get("a")
        yield* consul.at({ address: yield* Address.parse("127.0.0.2:8500") }).kv.get("a")
        yield* consul.kv.get("a")
        expect(network.sent.map(({ request, target }) => [request.url, target])).toEqual([
          [`${address}/v1/kv/a`, "/v1/kv/a?dc=ams2"],
          ["http://127.0.0.2:8500/v1/kv/a", "/v1/kv/a"],
          [`${address}/v1/kv/a`, "/v1/kv/a"]
        ])
      })
    )

    it.effect("carry the token to no other address: it is told one of its own, or gets none", () =>
      Effect.gen(function* () {
        const network = Network.scripted(Network.answer(404, "", indexed))
        const here = yield* client(network, { token: Redacted.make("t") })
        const there = { address: yield* Address.parse("127.0.0.2:8500") }
        const sent = (consul: ConsulHttp.Consul) =>
          Effect.map(consul.kv.get("a"), () => network.sent.at(-1)?.headers["authorization"])
        expect(yield* sent(here.at({ datacenter: "ams2" }))).toBe("Bearer t")
        expect(yield* sent(here.at({ address: here.endpoint.address }))).toBe("Bearer t")
        expect(yield* sent(here.at(there))).toBeUndefined()
        expect(yield* sent(here.at({ ...there, token: Redacted.make("u") }))).toBe("Bearer u")
        expect(yield* sent(here.at(there).at({ address: here.endpoint.address }))).toBeUndefined()
        expect(yield* sent(here.at({ token: undefined }))).toBeUndefined()
        expect(yield* sent(here)).toBe("Bearer t")
      })
    )

    it.effect("say what is read how", () =>
      Effect.gen(function* () {
        const network = Network.scripted(Network.answer(404, "", indexed))
        const { kv } = yield* client(network)
        const asked = (read: Effect.Effect<unknown, ConsulError.ConsulError>) =>
          Effect.map(read, () => network.sent.at(-1)?.target)
        expect(yield* asked(kv.list("a b/ü?#&"))).toBe("/v1/kv/a%20b/%C3%BC%3F%23%26?recurse=")
        expect(yield* asked(kv.keys("a/"))).toBe("/v1/kv/a/?keys=")
        expect(yield* asked(kv.keys("a/", { separator: "/" }))).toBe("/v1/kv/a/?keys=&separator=%2F")
        expect(yield* asked(kv.get("a", { consistency: "consistent" }))).toBe("/v1/kv/a?consistent=")
        expect(yield* asked(kv.get("a", { consistency: "stale" }))).toBe("/v1/kv/a?stale=")
        expect(yield* asked(kv.get("a", { consistency: "default" }))).toBe("/v1/kv/a")
        expect(yield* asked(kv.get("a", { index: 9, wait: "90 seconds" }))).toBe(
          "/v1/kv/a?index=9&wait=90000ms"
        )
        expect(yield* asked(kv.list("a", { index: 0 }))).toBe("/v1/kv/a?recurse=&index=0&wait=300000ms")
      })
    )

    it.effect(
      "an answer that is not newer is not decoded; an answer that is newer, or of another history, is",
      () =>
        Effect.gen(function* () {
          const newer = (body: string, index: number) =>
            Effect.flatMap(answering(200, body, indexed), ({ kv }) => kv.newer("a", { index }))
          expect((yield* newer("neither read nor needed", 7)).value).toEqual(Option.none())
          for (const index of [6, 8]) {
            const { value } = yield* newer(`[${entryJson}]`, index)
            expect(Option.map(value, ({ entries }) => entries.length)).toEqual(Option.some(1))
            expect(yield* Effect.flip(newer("half", index))).toMatchObject({ _tag: "UnexpectedAnswer" })
          }
        })
    )

    it.effect("write a key that a path can name by its path, another by a transaction", () =>
      Effect.gen(function* () {
        const network = Network.scripted((sent, pass) =>
          Network.answer(200, sent.target.startsWith("/v1/txn") ? '{"Results":null,"Errors":null}' : "true")(
            sent,
            pass
          )
        )
        const { kv } = yield* client(network)
        const entry = (key: string) => ({
          key,
          value: Value.fromBytes(new Uint8Array([0, 255])),
          flags: 2n ** 64n - 1n
        })
        const lines = (writes: ReadonlyArray<Effect.Effect<unknown, ConsulError.ConsulError>>) =>
          Effect.map(Effect.all(writes), () =>
            network.sent.slice(-writes.length).map(({ method, target }) => `${method} ${target}`)
          )
        expect(
          yield* lines([
            kv.put(entry("a/b")),
            kv.put(entry("a/b"), { cas: 0 }),
            kv.put(entry("a/b"), { acquire: "s" }),
            kv.put(entry("a/b"), { release: "s" }),
            kv.delete("a/b"),
            kv.delete("a/b", { cas: 7 })
          ])
        ).toEqual([
          "PUT /v1/kv/a/b?flags=18446744073709551615",
          "PUT /v1/kv/a/b?flags=18446744073709551615&cas=0",
          "PUT /v1/kv/a/b?flags=18446744073709551615&acquire=s",
          "PUT /v1/kv/a/b?flags=18446744073709551615&release=s",
          "DELETE /v1/kv/a/b",
          "DELETE /v1/kv/a/b?cas=7"
        ])
        yield* Effect.all([
          kv.put(entry("a//b")),
          kv.put(entry("a//b"), { cas: 0 }),
          kv.put(entry("a//b"), { acquire: "s" }),
          kv.put(entry("a//b"), { release: "s" }),
          kv.delete("a//b"),
          kv.delete("a//b", { cas: 7 })
        ])
        const written = '"Key":"a//b","Value":"AP8=","Flags":18446744073709551615'
        expect(network.sent.slice(-6).map(({ body }) => body)).toEqual([
          `[{"KV":{"Verb":"set",${written}}}]`,
          `[{"KV":{"Verb":"cas",${written},"Index":0}}]`,
          `[{"KV":{"Verb":"lock",${written},"Session":"s"}}]`,
          `[{"KV":{"Verb":"unlock",${written},"Session":"s"}}]`,
          '[{"KV":{"Verb":"delete","Key":"a//b"}}]',
          '[{"KV":{"Verb":"delete-cas","Key":"a//b","Index":7}}]'
        ])
      })
    )

    it.effect("a value that is not base64 dies before it is sent, and is not shown", () =>
      Effect.gen(function* () {
        const network = Network.scripted(Network.answer(200, "true"))
        const { kv } = yield* client(network)
        for (const key of ["a/b", "a//b"]) {
          const cause = yield* Effect.flip(Effect.sandbox(kv.put({ key, value: "5ecret!" as Value.Value })))
          expect(Cause.isDie(cause)).toBe(true)
          for (const shown of [
            Cause.pretty(cause),
            JSON.stringify(cause),
            Inspect.inspect(cause, { depth: 20 })
          ]) {
            expect(shown).toContain("is not base64")
            expect(shown).not.toContain("5ecret")
          }
        }
        expect(network.sent).toEqual([])
      })
    )

    it.effect(
      "read a prefix that a path cannot name by a transaction, with the index of the part that one can",
      () =>
        Effect.gen(function* () {
          const sim = yield* SimConsul.SimConsul
          for (const key of ["a/", "a/b", "a//", "a//b", "a//c/d", "a/.hidden", "b", "/root", "a\nb"]) {
            yield* sim.put("nyc1", key, "v")
          }
          const network = Network.make(sim.httpClient)
          const { kv } = yield* client(network)
          const listed = (prefix: string) =>
            Effect.map(kv.list(prefix), ({ value }) => value.entries.map(({ key }) => key))
          expect(yield* listed("a//")).toEqual(["a//", "a//b", "a//c/d"])
          expect(network.sent.map(({ body, target }) => target + body)).toEqual([
            "/v1/kv/a/?keys=",
            '/v1/txn?consistent=[{"KV":{"Verb":"get-tree","Key":"a//"}}]'
          ])
          expect((yield* kv.list("a//")).index).toBe((yield* kv.moved("a/")).index)
          expect(yield* listed("a/.")).toEqual(["a/.hidden"])
          expect(yield* listed("/")).toEqual(["/root"])
          expect(yield* listed("a\n")).toEqual(["a\nb"])
          expect(yield* listed("a/x//")).toEqual([])
          expect((yield* kv.keys("a//")).value).toEqual(["a//", "a//b", "a//c/d"])
          expect((yield* kv.keys("a//", { separator: "/" })).value).toEqual(["a//", "a//b", "a//c/"])
          expect((yield* kv.get("a//b")).value).toMatchObject({ _tag: "Some", value: { key: "a//b" } })
          expect((yield* kv.get("a//")).value).toMatchObject({ _tag: "Some", value: { key: "a//" } })
          expect((yield* kv.get("a//x")).value).toEqual(Option.none())
          const { index } = yield* kv.moved("a//")
          const waiting = { index, wait: "1 second" } as const
          const [later, all] = yield* Effect.all([kv.newer("a//", waiting), kv.list("a//", waiting)], {
            concurrency: "unbounded"
          }).pipe(Effect.zipLeft(TestClock.adjust("2 seconds"), { concurrent: true }))
          // Nothing new is no reason to leave anything out.
          expect([later.value, all.value.entries.length]).toEqual([Option.none(), 3])
          expect((yield* kv.newer("a//", { ...waiting, index: index - 1 })).value).toMatchObject({
            _tag: "Some"
          })
        }).pipe(Effect.provide(SimConsul.layer()))
    )

    it.effect(
      "a condition that a PUT answers with false, a transaction does too; an ended session is an error for both",
      () =>
        Effect.gen(function* () {
          const sim = yield* SimConsul.SimConsul
          const { kv, session } = yield* client(Network.make(sim.httpClient))
          const create = session.create({
            name: "s",
            checks: ["serfHealth"],
            behavior: "release",
            lockDelay: 0
          })
          const mine = yield* create
          for (const key of ["named", "un//named"]) {
            const other = yield* create
            const entry = { key, value: Value.empty }
            expect(yield* kv.put(entry, { cas: 5 })).toBe(false)
            expect(yield* kv.put(entry, { cas: 0 })).toBe(true)
            expect(yield* kv.put(entry, { cas: 0 })).toBe(false)
            expect(yield* kv.put(entry, { acquire: mine })).toBe(true)
            expect(yield* kv.put(entry, { acquire: other })).toBe(false)
            expect(yield* kv.put(entry, { release: other })).toBe(false)
            expect(yield* kv.put(entry, { release: mine })).toBe(true)
            expect(yield* kv.delete(key, { cas: 1 })).toBe(false)
            expect(yield* kv.delete(key)).toBe(true)
            expect(yield* kv.delete(key)).toBe(true)
            yield* session.destroy(other)
            expect(yield* Effect.flip(kv.put(entry, { acquire: other }))).toMatchObject({
              _tag: expect.stringMatching(/Rejected|Conflict/)
            })
          }
        }).pipe(Effect.provide(SimConsul.layer()))
    )

    it.effect.prop(
      "whatever the key, value and flags: written, read, listed and deleted as they are",
      [
        fc.uniqueArray(
          text.filter((key) => key !== ""),
          { minLength: 1, maxLength: 4 }
        ),
        value,
        flags
      ],
      ([keys, value, flags]) =>
        Effect.gen(function* () {
          const sim = yield* SimConsul.SimConsul
          const { kv } = yield* client(Network.make(sim.httpClient))
          for (const key of keys) expect(yield* kv.put({ key, value, flags })).toBe(true)
          for (const key of keys) {
            const { value: found } = yield* kv.get(key)
            expect(Option.getOrNull(found)).toMatchObject({ key, value, flags })
            const under = yield* kv.list(key)
            expect(under.value.entries.map((entry) => entry.key).sort()).toEqual(
              keys.filter((other) => other.startsWith(key)).sort()
            )
            expect([...(yield* kv.keys(key)).value].sort()).toEqual(
              keys.filter((other) => other.startsWith(key)).sort()
            )
          }
          const stored = yield* sim.entries("nyc1", "")
          expect(stored.map((entry) => entry.key).sort()).toEqual(keys.map(SimConsul.key).sort())
          expect(stored.every((entry) => Encoding.encodeBase64(entry.value) === value)).toBe(true)
          for (const key of keys) expect(yield* kv.delete(key)).toBe(true)
          expect(yield* sim.entries("nyc1", "")).toEqual([])
        }).pipe(Effect.provide(SimConsul.layer())),
      { fastCheck: { numRuns: 30 } }
    )
  })

  describe("sessions and services", () => {
    it.effect("a session is created with its checks, found, renewed, and gone after it is destroyed", () =>
      Effect.gen(function* () {
        const sim = yield* SimConsul.SimConsul
        const network = Network.make(sim.httpClient)
        const { session } = yield* client(network)
        const id = yield* session.create({
          name: "mine",
          checks: ["serfHealth"],
          behavior: "delete",
          lockDelay: "1500 millis",
          ttl: "10 seconds"
        })
        expect(JSON.parse(network.sent.at(-1)?.body ?? "")).toEqual({
          Name: "mine",
          Checks: ["serfHealth"],
          Behavior: "delete",
          LockDelay: "1500ms",
          TTL: "10000ms"
        })
        const info = { id, name: "mine", node: "nyc1-a", checks: ["serfHealth"] }
        expect((yield* session.info(id)).value).toEqual(Option.some(info))
        expect(yield* session.renew(id)).toEqual(Option.some(info))
        yield* session.destroy(id)
        yield* session.destroy(id)
        expect((yield* session.info(id)).value).toEqual(Option.none())
        expect(yield* session.renew(id)).toEqual(Option.none())
      }).pipe(Effect.provide(SimConsul.layer()))
    )

    it.effect(
      "a service stands in the catalog with its check until it is deregistered, which may be twice",
      () =>
        Effect.gen(function* () {
          const sim = yield* SimConsul.SimConsul
          const { agent } = yield* client(Network.make(sim.httpClient))
          expect(yield* agent.self).toMatchObject({ datacenter: "nyc1", node: "nyc1-a", version: "1.8.7" })
          yield* agent.registerService({
            id: "r-1",
            name: "r",
            ttl: "3 seconds",
            deregisterAfter: "1 minute"
          })
          const status = Effect.map(
            HttpClient.get(`${address}/v1/health/checks/r`).pipe(Effect.flatMap((response) => response.json)),
            (checks) => (checks as ReadonlyArray<{ readonly Status: string }>).map(({ Status }) => Status)
          ).pipe(Effect.provideService(HttpClient.HttpClient, sim.httpClient))
          expect(yield* status).toEqual(["passing"])
          yield* agent.updateCheck("service:r-1", { status: "warning", output: "so so" })
          expect(yield* status).toEqual(["warning"])
          yield* agent.deregisterService("r-1")
          yield* agent.deregisterService("r-1")
          expect(yield* status).toEqual([])
        }).pipe(Effect.provide(SimConsul.layer()))
    )
  })
})
