/**
 * Tests of whole instances in memory, on a clock that jumps to the end of the next sleep: hours take milliseconds, and every run
 * is the same.
 */
import * as vitest from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as Scope from "effect/Scope"
import { SimConsul } from "../../src/testing/index.js"
import * as Network from "../../src/testing/Network.js"
import * as VirtualTime from "../../src/testing/VirtualTime.js"
import * as World from "../../src/testing/World.js"

export const { remove, replicate } = World
export const { until } = VirtualTime

const { destination, source, status } = World

const silentWorld = Layer.merge(World.layer, Logger.remove(Logger.defaultLogger))

/**
 * A test with the two datacenters of `World`. Its sleeps take no real time. The claim is the seed of its random numbers, so a test
 * must hold with every claim: derive its time limits from `Schedules`.
 */
export const it = <E>(claim: string, test: () => Effect.Effect<void, E, SimConsul.SimConsul | Scope.Scope>) =>
  vitest.it(claim, () => {
    VirtualTime.runSync(Effect.scoped(test()).pipe(Effect.provide(silentWorld)), claim)
  })

/** Names of keys under the prefix that is replicated. */
export const named = (count: number, name = "") =>
  Array.from({ length: count }, (_, i) => `global/${name}${i}`)

/** Writes keys, with the name of the datacenter as their value. */
export const put = (datacenter: string, ...keys: ReadonlyArray<string>) =>
  Effect.flatMap(SimConsul.SimConsul, (sim) =>
    Effect.forEach(keys, (key) => sim.put(datacenter, key, `of ${datacenter}`), { discard: true })
  )

/** Deletes all keys under a prefix at once, as `consul kv delete -recurse` does. */
export const removeTree = (datacenter: string, prefix = "global/") =>
  Effect.flatMap(SimConsul.SimConsul, (sim) =>
    sim.request(`${datacenter}-a`, {
      method: "DELETE",
      target: `/v1/kv/${prefix}?recurse`,
      body: new Uint8Array()
    })
  )

export const keys = (datacenter: string) =>
  Effect.map(World.contents(datacenter, "global/"), (all) => Object.keys(all).sort())

export const holds = (datacenter: string, key: string) =>
  Effect.map(keys(datacenter), (all) => all.includes(key))

export const converged = Effect.map(
  Effect.all([World.contents(source, "global/"), World.contents(destination, "global/")]),
  ([wanted, there]) => JSON.stringify(wanted) === JSON.stringify(there)
)

/** The status key as JSON. */
export const stored = Effect.map(World.entry(destination, status), (entry) =>
  entry === undefined ? {} : (JSON.parse(new TextDecoder().decode(entry.value)) as Record<string, unknown>)
)

const isIn = (state: string) => Effect.map(stored, (status) => status["State"] === state)

export const inSync = isIn("in-sync")
export const holding = isIn("deletes-held")

/** Starts an instance, and waits until both sides have `count` keys. */
export const synced = (count: number, options: Parameters<typeof World.instance>[0] = {}) =>
  Effect.gen(function* () {
    yield* put(source, ...named(count))
    const instance = yield* World.instance(options)
    const fiber = yield* replicate(instance)
    yield* until(inSync)
    return { ...instance, fiber }
  })

/** The number of requests of an instance whose `METHOD target` begins with a text or matches a pattern. */
export const sent = (instance: World.Instance, matching: string | RegExp) =>
  instance.network.sent.filter(({ method, target }) => {
    const line = `${method} ${target}`
    return typeof matching === "string" ? line.startsWith(matching) : matching.test(line)
  }).length

/** The number of consistent reads of the source. One begins each chain of the watch, the others confirm answers. */
export const consistentReads = (instance: World.Instance) =>
  sent(instance, `GET /v1/kv/global/?recurse=&consistent=&dc=${source}`)

/** A fault for each read of the source that is not consistent, except a query that is already blocked. */
export const plainReads = (fault: Network.Fault): Network.Fault =>
  Network.on(/^GET \/v1\/kv\/global\/\?recurse=(?!.*consistent).*dc=nyc1/, fault)
