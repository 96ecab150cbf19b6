/**
 * Measures the built program between two real datacenters, and what the same servers can do at most: `npm run bench`.
 *
 * Keys have values of 100 bytes. Everything runs on this machine, the servers too, one thing after another.
 */
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Array from "effect/Array"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Order from "effect/Order"
import * as Program from "../test/cli/Program.js"
import * as RealConsul from "../test/consul/RealConsul.js"

const valueBytes = 100
const operationsEach = 64
const syncedKeys = 10_000
const latencySizes = [1_000, 10_000]
const latencyChanges = 50
const starts = 5

const nowMillis = Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos) / 1e6)

const send = (method: "GET" | "PUT", url: string, body?: string) =>
  HttpClient.execute(
    HttpClientRequest.make(method)(url).pipe((request) =>
      body === undefined ? request : HttpClientRequest.bodyText(request, body)
    )
  ).pipe(
    Effect.filterOrDieMessage(
      ({ status }) => status === 200 || status === 404,
      `${method} ${url} was refused`
    ),
    Effect.flatMap((response) => Effect.map(response.text, (text) => ({ text, headers: response.headers }))),
    Effect.orDie
  )

const keyName = (i: number) => `k${String(i).padStart(7, "0")}`

const value = (seed: number) => Buffer.alloc(valueBytes, `${seed} `).toString("base64")

const transactions = (prefix: string, keys: number) =>
  Array.chunksOf(Array.range(0, keys - 1), operationsEach).map((chunk) =>
    JSON.stringify(
      chunk.map((i) => ({ KV: { Verb: "set", Key: `${prefix}${keyName(i)}`, Value: value(i), Flags: 0 } }))
    )
  )

/** Keys a second that the servers take in transactions of 64 writes, one after another. */
const rawRate = Effect.fnUntraced(function* (address: string, prefix: string, keys: number) {
  const bodies = transactions(prefix, keys)
  const before = yield* nowMillis
  for (const body of bodies) yield* send("PUT", `http://${address}/v1/txn`, body)
  return (keys / ((yield* nowMillis) - before)) * 1000
})

const fill = (address: string, prefix: string, keys: number) =>
  Effect.forEach(transactions(prefix, keys), (body) => send("PUT", `http://${address}/v1/txn`, body), {
    concurrency: 8,
    discard: true
  })

const memory = (pid: number) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const status = yield* fs.readFileString(`/proc/${pid}/status`)
    const megabytes = (field: string) => Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) / 1024
    return { settled: megabytes("VmRSS"), peak: megabytes("VmHWM") }
  })

const start = (destination: string, prefix: string) =>
  Program.start([
    "-src=nyc1",
    `-addr=${destination}`,
    `-prefix=${prefix}`,
    `-lock=service/${prefix}leader`,
    `-status=service/${prefix}status`
  ])

const timeOf = (line: string) => Date.parse(line.slice(0, 24))

/** From having the lock to being in sync: both reads, the comparison and the writes. */
const firstSync = Effect.fnUntraced(function* (destination: string, prefix: string, keys: number) {
  const program = yield* start(destination, prefix)
  const leading = timeOf(yield* program.says(/leading/))
  const inSync = timeOf(yield* program.says(new RegExp(`in sync: .* ${keys} keys after ${keys} writes`)))
  return {
    rate: (keys / (inSync - leading)) * 1000,
    millis: inSync - leading,
    ...(yield* memory(program.pid))
  }
}, Effect.scoped)

/** From the answer to a write at the source until a blocking query at the destination has it, in ms. */
const latencies = Effect.fnUntraced(function* (source: string, destination: string, prefix: string) {
  const program = yield* start(destination, prefix)
  yield* program.says(/in sync/)
  const key = `${prefix}${keyName(500)}`
  const changes = yield* Effect.forEach(Array.range(1, latencyChanges), (change) =>
    Effect.gen(function* () {
      const wanted = `change ${change}`
      let { headers } = yield* send("GET", `http://${destination}/v1/kv/${key}?raw`)
      const seen = yield* Effect.fork(
        Effect.gen(function* () {
          for (;;) {
            const index = headers["x-consul-index"]
            const answer = yield* send(
              "GET",
              `http://${destination}/v1/kv/${key}?raw&index=${index}&wait=10s`
            )
            if (answer.text === wanted) return yield* nowMillis
            headers = answer.headers
          }
        })
      )
      yield* send("PUT", `http://${source}/v1/kv/${key}`, wanted)
      const written = yield* nowMillis
      return (yield* seen) - written
    })
  )
  const sorted = Array.sort(changes, Order.number)
  return {
    median: sorted[latencyChanges / 2] ?? Number.NaN,
    worst: sorted.at(-1) ?? Number.NaN,
    ...(yield* memory(program.pid))
  }
}, Effect.scoped)

/** From starting the process to its first request, in ms. */
const startUp = Effect.gen(function* () {
  const requested = yield* Effect.makeLatch()
  const server = yield* Effect.acquireRelease(
    Effect.async<Http.Server>((resume) => {
      const server = Http.createServer((_, response) => {
        response.statusCode = 500
        response.end()
        Effect.runFork(requested.open)
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  )
  const before = yield* nowMillis
  yield* start(`127.0.0.1:${(server.address() as AddressInfo).port}`, "start/")
  yield* requested.await
  return (yield* nowMillis) - before
}).pipe(Effect.scoped)

const row = (what: string, ...figures: ReadonlyArray<string>) =>
  Console.log(`${what.padEnd(44)}${figures.join("   ")}`)

const program = Effect.gen(function* () {
  const { nyc1, sfo1 } = yield* RealConsul.datacenters(["nyc1", "sfo1"])
  const [source, destination] = [nyc1.address, sfo1.address]

  const startTimes = Array.sort(yield* Effect.replicateEffect(startUp, starts), Order.number)
  yield* row("start to first request, median", `${Math.round(startTimes[starts >> 1] ?? 0)} ms`)

  yield* rawRate(destination, "warm/", syncedKeys)
  const raw = yield* rawRate(destination, "raw/", syncedKeys)
  yield* row("raw: transactions of 64 writes", `${Math.round(raw)} keys/s`)

  yield* fill(source, "sync/", syncedKeys)
  const sync = yield* firstSync(destination, "sync/", syncedKeys)
  yield* row(
    `first sync of ${syncedKeys} keys`,
    `${Math.round(sync.rate)} keys/s in ${sync.millis} ms`,
    `${Math.round((sync.rate / raw) * 100)}% of raw`,
    `${Math.round(sync.settled)} MB resident, peak ${Math.round(sync.peak)}`
  )

  for (const keys of latencySizes) {
    yield* fill(source, `latency${keys}/`, keys)
    const { median, peak, settled, worst } = yield* latencies(source, destination, `latency${keys}/`)
    yield* row(
      `latency of a change among ${keys} keys`,
      `median ${median.toFixed(1)} ms, worst of ${latencyChanges} ${worst.toFixed(1)} ms`,
      `${Math.round(settled)} MB resident, peak ${Math.round(peak)}`
    )
  }
})

program.pipe(
  Effect.scoped,
  Effect.provide(Layer.mergeAll(NodeContext.layer, NodeHttpClient.layerUndici, Logger.pretty)),
  NodeRuntime.runMain
)
