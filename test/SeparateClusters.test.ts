import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as vitest from "@effect/vitest"
import { describe, expect } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Address from "../src/Address.js"
import * as ConsulHttp from "../src/ConsulHttp.js"
import * as LeaderLock from "../src/LeaderLock.js"
import * as Replication from "../src/Replication.js"
import * as Replicator from "../src/Replicator.js"
import type { SimConsul } from "../src/testing/index.js"
import * as Logs from "../src/testing/Logs.js"
import * as Network from "../src/testing/Network.js"
import * as VirtualTime from "../src/testing/VirtualTime.js"
import * as Clusters from "./support/Clusters.js"
import { failureOf } from "./support/Failure.js"

const it = <E>(claim: string, test: () => Effect.Effect<void, E, Scope.Scope>) =>
  vitest.it(claim, () => {
    const exit = VirtualTime.runSyncExit(Effect.scoped(test()), claim)
    if (Exit.isFailure(exit)) throw Cause.squash(exit.cause)
  })

const destinationToken = "token-of-the-destination"
const sourceToken = "token-of-the-source"

type Services = Effect.Effect.Context<ReturnType<typeof Replicator.run>>

/** Runs something with the services of a replicator at 127.0.0.1:8500. */
const running = <A, E>(
  client: HttpClient.HttpClient,
  effect: Effect.Effect<A, E, Services>,
  options: Partial<ConsulHttp.ConsulHttpOptions> = {}
) =>
  Effect.gen(function* () {
    const lock = yield* Effect.orDie(LeaderLock.options())
    return yield* Effect.provide(
      effect,
      Layer.merge(Replicator.services, LeaderLock.layer(lock)).pipe(
        Layer.provideMerge(
          Layer.orDie(
            ConsulHttp.layer({
              address: "127.0.0.1:8500",
              token: Redacted.make(destinationToken),
              ...options
            })
          )
        ),
        Layer.provide(Layer.succeed(HttpClient.HttpClient, client))
      )
    )
  })

const there = Effect.map(Address.parse("10.0.0.1:8500"), (address) => ({
  address,
  token: Redacted.make(sourceToken)
}))

const textOf = (sim: SimConsul.SimConsul, key: string) =>
  Effect.map(sim.entries("dc1", key), (entries) =>
    entries
      .filter((entry) => entry.key === key)
      .map(({ value }) => new TextDecoder().decode(value))
      .join()
  )

describe("two clusters that are not joined and have the same name", () => {
  it("are replicated, and the log and the status name the source by its address", () =>
    Effect.gen(function* () {
      const { client, destination, source } = yield* Clusters.make("dc1")
      const logs = Logs.make()
      const network = Network.make(client)
      yield* source.put("dc1", "global/a", "of the source")
      const replication = yield* Replication.make({ source: "dc1", sourceAgent: yield* there })
      yield* Effect.forkScoped(running(network.client, Replicator.run(replication)).pipe(logs.capture))
      yield* VirtualTime.until(
        Effect.map(textOf(destination, "global/a"), (text) => text === "of the source")
      )
      yield* source.put("dc1", "global/a", "changed")
      yield* VirtualTime.until(Effect.map(textOf(destination, "global/a"), (text) => text === "changed"))
      const status = JSON.parse(yield* textOf(destination, Replication.defaults.status))
      expect(status).toMatchObject({ Source: "dc1 at http://10.0.0.1:8500", State: "in-sync" })
      expect(logs.lines.join("\n")).toContain('dc1 at http://10.0.0.1:8500 "global/" to "global/"')
      // The source is only read, and each side is asked with its own token.
      for (const { headers, method, request, target } of network.sent) {
        const isSource = request.url.startsWith("http://10.0.0.1:8500/")
        const [token = ""] = /token-of-.*/.exec(headers["authorization"] ?? "") ?? []
        if (token !== "") expect(token).toBe(isSource ? sourceToken : destinationToken)
        if (isSource && !target.startsWith("/v1/txn")) expect(method).toBe("GET")
      }
      expect(yield* source.sessions("dc1")).toEqual([])
    }))

  it("need no name of a datacenter", () =>
    Effect.gen(function* () {
      const { client, destination, source } = yield* Clusters.make("dc1")
      yield* source.put("dc1", "global/a", "x")
      const replication = yield* Replication.make({ sourceAgent: yield* there })
      expect(Replication.route(replication)).toBe('http://10.0.0.1:8500 "global/" to "global/"')
      yield* running(client, Replicator.runOnce(replication))
      expect(yield* textOf(destination, "global/a")).toBe("x")
    }))
})

describe("a source with an address of its own that is the cluster that is replicated into", () => {
  const itself = (options: Parameters<typeof Replication.make>[0]) =>
    Effect.gen(function* () {
      const { destination } = yield* Clusters.make("dc1")
      yield* destination.put("dc1", "global/a", "x")
      // Two names of one agent.
      const client = HttpClient.make((request) =>
        destination.httpClient.execute(
          HttpClientRequest.setUrl(request, request.url.replace("10.0.0.1", "127.0.0.1"))
        )
      )
      const replication = yield* Replication.make({ ...options, sourceAgent: yield* there })
      return { client, destination, replication }
    })

  it("is refused when the prefixes overlap, and no key is written", () =>
    Effect.gen(function* () {
      for (const prefixes of [{}, { prefix: "", destinationPrefix: "copy/" }]) {
        const { client, destination, replication } = yield* itself(prefixes)
        const error = yield* failureOf(running(client, Replicator.runOnce(replication)))
        expect(error).toMatchObject({ _tag: "InvalidOptions", field: "sourceAgent" })
        expect(error.message).toContain(
          "http://10.0.0.1:8500 is an agent of the cluster that is replicated into"
        )
        expect(yield* textOf(destination, "global/a")).toBe("x")
        expect(yield* destination.entries("dc1", "copy/")).toEqual([])
      }
    }))

  it("is replicated between prefixes that have no key in common", () =>
    Effect.gen(function* () {
      const { client, destination, replication } = yield* itself({ destinationPrefix: "copy/" })
      yield* running(client, Replicator.runOnce(replication))
      expect(yield* textOf(destination, "copy/a")).toBe("x")
    }))
})

describe("namespaces", () => {
  const withoutNamespace = ({ body, headers, method, url, urlParams }: HttpClientRequest.HttpClientRequest) =>
    HttpClientRequest.make(method)(url, {
      headers,
      body,
      urlParams: urlParams.filter(([name]) => name !== "ns")
    })

  /** Consul Enterprise, as far as its interface shows: one store for each namespace, behind one address. */
  const enterprise = (stores: Readonly<Record<string, SimConsul.SimConsul>>) =>
    HttpClient.make((request, url) => {
      const { body } = request
      const text = body._tag === "Uint8Array" ? new TextDecoder().decode(body.body) : ""
      const named = new Set(
        url.pathname === "/v1/txn"
          ? [...text.matchAll(/"Namespace":"([^"]*)"/g)].map(([, name = ""]) => name)
          : [url.searchParams.get("ns") ?? "default"]
      )
      const [name = ""] = named
      if (named.size !== 1) return Effect.dieMessage(`a request for ${named.size} namespaces`)
      const store = stores[name]
      if (store === undefined) return Effect.dieMessage(`a request for the namespace ${name}`)
      // The stores themselves are not Enterprise.
      return store.httpClient.execute(withoutNamespace(request))
    })

  it("of both sides are named in each request, and one is replicated into another of the same cluster", () =>
    Effect.gen(function* () {
      const { destination: into } = yield* Clusters.make("dc1")
      const { destination: from } = yield* Clusters.make("dc1")
      yield* from.put("dc1", "global/a", "of the source's namespace")
      const stores = { into, from, default: into }
      const client = enterprise(stores)
      const replication = yield* Replication.make({ source: "dc1", sourceAgent: { namespace: "from" } })
      expect(Replication.sourceName(replication)).toBe("dc1, namespace from")
      yield* running(client, Replicator.runOnce(replication), { namespace: "into" })
      expect(yield* textOf(into, "global/a")).toBe("of the source's namespace")
    }))
})
