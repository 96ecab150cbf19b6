/**
 * The `consul` command line works against SimConsul, served over a socket.
 */
import * as NodeHttp from "node:http"
import * as Command from "@effect/platform/Command"
import * as HttpServer from "@effect/platform/HttpServer"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { expect, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { SimConsul } from "../../src/testing/index.js"
import { describeConsul } from "../support/consul/DescribeConsul.js"
import * as RealConsul from "../support/consul/RealConsul.js"

/** The address of the simulated agent of nyc1. */
class Address extends Context.Tag("test/consul/Address")<Address, string>() {
  static readonly layer = Layer.effect(
    this,
    HttpServer.addressWith((address) =>
      Effect.succeed(address._tag === "TcpAddress" ? `127.0.0.1:${address.port}` : address.path)
    )
  )
}

const served = Layer.scopedDiscard(
  Effect.flatMap(SimConsul.SimConsul, (sim) => HttpServer.serveEffect(sim.httpApp("nyc1-a")))
)

const Served = Layer.merge(Address.layer, served).pipe(
  Layer.provide(NodeHttpServer.layerServer(NodeHttp.createServer, { host: "127.0.0.1", port: 0 })),
  Layer.provideMerge(SimConsul.layer({ datacenters: ["nyc1", "sfo1"] })),
  Layer.provideMerge(NodeContext.layer)
)

/** Runs `consul` with arguments. Returns its output, its error output, and its exit code. */
const consul = (command: string, args: ReadonlyArray<string> = [], stdin = "") =>
  Effect.gen(function* () {
    const binary = yield* RealConsul.binary
    const address = yield* Address
    const full = [...command.split(" "), `-http-addr=${address}`, ...args]
    const process = yield* Command.start(Command.feed(Command.make(binary, ...full), stdin))
    const text = (stream: typeof process.stdout) => Stream.mkString(Stream.decodeText(stream))
    const [out, error, code] = yield* Effect.all(
      [text(process.stdout), text(process.stderr), process.exitCode],
      { concurrency: "unbounded" }
    )
    return { text: `${out}${error}`, code }
  }).pipe(Effect.scoped, Effect.withConcurrency("unbounded"))

describeConsul("consul", () => {
  layer(Served, { excludeTestServices: true })((it) => {
    it.effect("kv put, get and delete", () =>
      Effect.gen(function* () {
        expect(yield* consul("kv put", ["app/name", "a value"])).toEqual({
          text: "Success! Data written to: app/name\n",
          code: 0
        })
        expect(yield* consul("kv get", ["app/name"])).toEqual({ text: "a value\n", code: 0 })
        expect(yield* consul("kv put", ["-flags=18446744073709551615", "app/flags", "x"])).toMatchObject({
          code: 0
        })
        expect((yield* consul("kv get", ["-detailed", "app/flags"])).text).toMatch(
          /^Flags +18446744073709551615$/m
        )
        expect((yield* consul("kv get", ["-keys", "app/"])).text).toBe("app/flags\napp/name\n")
        expect((yield* consul("kv get", ["-recurse", "app/"])).text).toBe("app/flags:x\napp/name:a value\n")
        expect(yield* consul("kv put", ["-cas", "-modify-index=1", "app/name", "no"])).toMatchObject({
          code: 1
        })
        expect(yield* consul("kv delete", ["-recurse", "app/"])).toEqual({
          text: "Success! Deleted keys with prefix: app/\n",
          code: 0
        })
        expect(yield* consul("kv get", ["app/name"])).toMatchObject({ code: 1 })
      })
    )

    it.effect("kv export and import", () =>
      Effect.gen(function* () {
        const sim = yield* SimConsul.SimConsul
        yield* sim.put("nyc1", "copy/a", "1", 42n)
        yield* sim.put("nyc1", "copy/ä/b", new Uint8Array([0, 255]))
        const exported = yield* consul("kv export", ["copy/"])
        yield* consul("kv delete", ["-recurse", "copy/"])
        expect((yield* consul("kv import", ["-"], exported.text)).text).toContain("Imported: copy/a")
        expect(yield* consul("kv export", ["copy/"])).toEqual(exported)
        expect(yield* sim.entries("nyc1", "copy/")).toMatchObject([
          { key: "copy/a", flags: 42n },
          { key: SimConsul.key("copy/ä/b"), value: new Uint8Array([0, 255]) }
        ])
      })
    )

    it.effect("kv put in another datacenter", () =>
      Effect.gen(function* () {
        const sim = yield* SimConsul.SimConsul
        yield* consul("kv put", ["-datacenter=sfo1", "there", "x"])
        expect(yield* sim.entries("sfo1", "there")).toHaveLength(1)
        const nowhere = yield* consul("kv get", ["-datacenter=none", "there"])
        expect(nowhere.text).toContain("Unexpected response code: 500")
      })
    )

    it.effect("catalog datacenters, nodes and services; members", () =>
      Effect.gen(function* () {
        expect((yield* consul("catalog datacenters")).text).toBe("nyc1\nsfo1\n")
        expect((yield* consul("catalog nodes")).text).toMatch(/^nyc1-a +[0-9a-f]{8} +127.0.0.1 +nyc1$/m)
        expect((yield* consul("catalog services")).text).toBe("consul\n")
        expect((yield* consul("members")).text).toMatch(/^nyc1-a +127.0.0.1:8301 +alive +server +1.8.7/m)
      })
    )

    it.effect("services register and deregister", () =>
      Effect.gen(function* () {
        expect((yield* consul("services register", ["-name=web", "-port=80"])).text).toBe(
          "Registered service: web\n"
        )
        expect((yield* consul("catalog services")).text).toBe("consul\nweb\n")
        yield* consul("services deregister", ["-id=web"])
        expect((yield* consul("catalog services")).text).toBe("consul\n")
      })
    )

    it.effect("lock holds a lock while a command runs, and another waits for it", () =>
      Effect.gen(function* () {
        const sim = yield* SimConsul.SimConsul
        const first = yield* Effect.fork(consul("lock", ["locks/job", "sleep 1; date +%s%N"]))
        yield* Effect.repeat(sim.entries("nyc1", "locks/job"), {
          until: (entries) => entries.some(({ session }) => session !== ""),
          schedule: Schedule.spaced("10 millis")
        })
        const second = yield* consul("lock", ["locks/job", "date +%s%N"])
        const ended = yield* Fiber.join(first)
        expect([ended.code, second.code]).toEqual([0, 0])
        // The order in which the processes end is not compared.
        expect(BigInt(second.text)).toBeGreaterThan(BigInt(ended.text))
        expect(yield* sim.sessions("nyc1")).toEqual([])
        expect(yield* sim.entries("nyc1", "locks/")).toEqual([])
      })
    )

    it.effect("lock tells when it cannot have the lock in time", () =>
      Effect.gen(function* () {
        const sim = yield* SimConsul.SimConsul
        const holder = yield* Effect.fork(consul("lock", ["locks/taken", "sleep 30"]))
        yield* Effect.repeat(sim.entries("nyc1", "locks/taken"), {
          until: (entries) => entries.some(({ session }) => session !== ""),
          schedule: Schedule.spaced("10 millis")
        })
        const refused = yield* consul("lock", ["-try=1s", "locks/taken", "true"])
        expect(refused.code).toBe(1)
        yield* Fiber.interrupt(holder)
      })
    )
  })
})
