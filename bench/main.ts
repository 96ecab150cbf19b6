/**
 * Measures the built program between two real datacenters, and what the same servers can do at most: `npm run bench`.
 *
 * All measurements run on this machine, as the servers do, one after another. For each keyspace, the programs are measured one
 * after the other in full. Each has its own keys, which are deleted afterwards. The order of the programs alternates.
 */
import * as Os from "node:os"
import * as Url from "node:url"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { version } from "../src/Version.js"
import * as RealConsul from "../test/support/consul/RealConsul.js"
import * as Burst from "./Burst.js"
import { format, type Measured, neither } from "./Figure.js"
import * as FirstSync from "./FirstSync.js"
import * as Idle from "./Idle.js"
import { type Keyspace, type Shape, shapes } from "./Keyspace.js"
import * as Latency from "./Latency.js"
import { type Arguments, measures, type Part, type Plan, parse, parts, standard, usage } from "./Plan.js"
import * as Plot from "./Plot.js"
import * as RawLimits from "./RawLimits.js"
import * as Reconcile from "./Reconcile.js"
import * as Report from "./Report.js"
import * as Restart from "./Restart.js"
import { add, type Results, ResultsJson, type Row } from "./Results.js"
import * as Several from "./Several.js"
import * as Store from "./Store.js"
import type { Program } from "./Subject.js"
import * as Sustained from "./Sustained.js"
import * as Traffic from "./Traffic.js"
import { destinationName, type Measurement, sourceName } from "./Trial.js"

const measurements: Record<Exclude<Part, "raw">, Measurement> = {
  "first-sync": FirstSync.measure,
  latency: Latency.measure,
  shapes: Latency.measure,
  sustained: Sustained.measure,
  burst: Burst.measure,
  idle: Idle.measure,
  restart: Restart.measure,
  traffic: Traffic.measure,
  reconcile: Reconcile.measure,
  several: Several.measure
}

const atRoot = (path: string) => Url.fileURLToPath(new URL(`../${path}`, import.meta.url))

const ours: Program = { name: `consul-replicate ${version}`, path: atRoot("dist/cli.js"), own: true }

const docs = {
  json: atRoot("docs/performance.json"),
  page: atRoot("docs/performance.md"),
  plot: atRoot("docs/performance.svg")
}

const programsOf = ({ against }: Arguments): readonly [Program, ...ReadonlyArray<Program>] =>
  against === undefined
    ? [ours]
    : [ours, { name: against.name ?? `${against.path.split("/").at(-1)}`, path: against.path, own: false }]

/** The keyspaces and their measurements, in this order. */
const places = (plan: Plan) =>
  plan.sizes
    .map((size) => ({
      size,
      shape: "flat" as Shape,
      parts: parts.filter((part) => part !== "raw" && part !== "shapes" && measures(plan, part, size))
    }))
    .concat(
      shapes.slice(1).map((shape) => ({
        size: standard(plan) ?? 0,
        shape,
        parts: parts.filter((part) => part === "shapes" && measures(plan, part, standard(plan) ?? 0))
      }))
    )
    .filter(({ parts }) => parts.length > 0)

/** Prints figures as soon as they are measured. */
const print = (measured: ReadonlyArray<Measured>) =>
  Console.error(measured.map(({ unit, value, what }) => `    ${what}: ${format(value, unit)}`).join("\n"))

/** Three minutes, and 3 ms for each key. A separate write of a key takes 1 ms. */
const limit = (size: number) => 180_000 + size * 3

const measureAll = Effect.fnUntraced(function* ({ plan }: Arguments, programs: ReadonlyArray<Program>) {
  const datacenters = yield* RealConsul.datacenters([sourceName, destinationName])
  const source = yield* Store.make(datacenters[sourceName].address)
  const destination = yield* Store.make(datacenters[destinationName].address)
  let rows: ReadonlyArray<Row> = []
  const failures: Array<string> = []

  const measuresRaw = plan.only.has("raw")
  const rawSize = standard(plan) ?? plan.sizes[0] ?? 0
  const addRaw = (measured: ReadonlyArray<Measured>) => {
    rows = add(rows, 0, { part: "raw", keys: 0, shape: "flat" }, measured)
  }
  let rawRate: number | undefined
  if (measuresRaw) {
    yield* Console.error("raw limits …")
    const raw = yield* RawLimits.measure(source, destination, rawSize)
    rawRate = raw.inFlightRate
    yield* print(raw.measured)
    addRaw(raw.measured)
  }

  for (const [turn, { parts, shape, size }] of places(plan).entries()) {
    const numbered = programs.map((program, number) => ({ program, number }))
    for (const { number, program } of turn % 2 === 0 ? numbered : numbered.reverse()) {
      const keyspace: Keyspace = { prefix: `bench-${shape}-${size}-${number}/`, shape, size }
      yield* source.fill(keyspace)
      for (const part of parts) {
        if (part === "raw") continue
        yield* Console.error(`${program.name}: ${part}, ${size} keys, ${shape} …`)
        yield* measurements[part]({ source, destination, program, keyspace, plan, rawRate }).pipe(
          Effect.timeoutFail({
            duration: limit(size),
            onTimeout: () => new Store.BenchError({ message: `not done after ${limit(size) / 1000} s` })
          }),
          Effect.tap((measured) => {
            // The measurement of several replications has its own keys.
            rows = add(rows, number, { part, keys: part === "several" ? 0 : size, shape }, measured)
            return print(measured)
          }),
          // The other measurements continue. The end of the run lists the missing ones.
          Effect.catchAllCause((cause) =>
            Cause.isInterruptedOnly(cause)
              ? Effect.failCause(cause)
              : Effect.sync(() => {
                  const error = Cause.squash(cause)
                  const message = error instanceof Error ? error.message : String(error)
                  failures.push(`${program.name}: ${part}, ${size} keys, ${shape}: ${message}`)
                })
          )
        )
      }
      yield* source.clear(keyspace.prefix)
      yield* destination.clear(keyspace.prefix)
    }
  }

  if (measuresRaw) {
    const again = yield* RawLimits.transactionRate(destination, Math.min(rawSize, 50_000), Store.inFlight)
    const change = (again / (rawRate ?? again) - 1) * 100
    addRaw([
      neither(`change of the rate with ${Store.inFlight} in flight, at the end of the run`, change, "%")
    ])
  }
  const consul = yield* destination.request("GET", "/v1/agent/self")
  const { Config } = JSON.parse(consul.toString()) as { readonly Config: { readonly Version: string } }
  return { rows, failures, consul: Config.Version }
}, Effect.scoped)

const machine = () => {
  const cpus = Os.cpus()
  const memory = Math.round(Os.totalmem() / 2 ** 30)
  return `${cpus.length} × ${cpus[0]?.model ?? Os.arch()}, ${memory} GB, ${Os.type()} ${Os.release()}, Node.js ${process.versions.node}`
}

const render = Effect.fnUntraced(function* (results: Results) {
  const fs = yield* FileSystem.FileSystem
  const page = Report.replaceSection(yield* fs.readFileString(docs.page), Report.markdown(results))
  if (page === undefined) return yield* Effect.dieMessage(`${docs.page} has no markers for the results`)
  yield* fs.writeFileString(docs.page, page)
  yield* fs.writeFileString(docs.plot, Plot.svg(Plot.series(results)))
})

const bench = Effect.fnUntraced(function* (args: Arguments) {
  const fs = yield* FileSystem.FileSystem
  const load = Os.loadavg()[0] ?? 0
  if (load > 0.5) yield* Console.error(`The machine is not idle: a load of ${load.toFixed(1)}.`)
  const programs = programsOf(args)
  for (const { path } of programs) {
    if (!(yield* fs.exists(path))) return yield* new Store.BenchError({ message: `there is no ${path}` })
  }
  const date = yield* DateTime.now
  const [duration, { consul, failures, rows }] = yield* Effect.timed(measureAll(args, programs))
  const results: Results = {
    date: DateTime.formatIso(date).slice(0, 10),
    machine: machine(),
    consul,
    load,
    quick: args.quick,
    seconds: Math.round(Duration.toSeconds(duration)),
    programs: [programs[0].name, ...programs.slice(1).map(({ name }) => name)],
    rows,
    failures
  }
  const json = `${yield* Schema.encode(ResultsJson)(results)}\n`
  yield* fs.writeFileString(args.json, json)
  yield* Console.log(`${Report.table(results)}\n\nwritten to ${args.json}`)
  if (args.writeDocs) {
    yield* fs.writeFileString(docs.json, json)
    yield* render(results)
  }
  if (failures.length > 0)
    return yield* new Store.BenchError({ message: `${failures.length} measurements failed` })
})

const failed = (message: string) =>
  Effect.zipRight(
    Console.error(message),
    Effect.sync(() => {
      process.exitCode = 1
    })
  )

const program = Effect.gen(function* () {
  const args = yield* parse(process.argv.slice(2))
  if (args.help) return yield* Console.log(usage)
  if (!args.render) return yield* bench(args)
  const fs = yield* FileSystem.FileSystem
  yield* render(yield* Schema.decode(ResultsJson)(yield* fs.readFileString(docs.json)))
})

program.pipe(
  Effect.catchTags({
    BenchError: ({ message }) => failed(message),
    WrongArguments: ({ message }) => failed(`${message}\n\n${usage}`)
  }),
  Effect.provide(NodeContext.layer),
  NodeRuntime.runMain
)
