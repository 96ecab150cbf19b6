/**
 * A replicator in this process, with real servers: other clients change the destination, and the destination refuses writes.
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { expect, layer } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { ConsulHttp, layer as layerConsul } from "../../src/ConsulHttp.js"
import * as LeaderLock from "../../src/LeaderLock.js"
import * as Replication from "../../src/Replication.js"
import * as Replicator from "../../src/Replicator.js"
import * as Value from "../../src/Value.js"
import { describeConsul } from "../support/consul/DescribeConsul.js"
import * as RealConsul from "../support/consul/RealConsul.js"
import * as Events from "../support/Events.js"

const live = Effect.withClock(Clock.make())

/** The destination refuses values of more than 20,000 bytes. */
class Datacenters extends Context.Tag("test/consul/Destination/Datacenters")<
  Datacenters,
  RealConsul.Datacenters<"nyc1" | "sfo1">
>() {
  static readonly layer = Layer.scoped(
    this,
    RealConsul.datacenters(["nyc1", "sfo1"], {
      own: { sfo1: { config: { limits: { kv_max_value_size: 20_000 } } } }
    })
  ).pipe(Layer.provide(NodeContext.layer))
}

const client = (address: string) =>
  Effect.map(
    Layer.build(layerConsul({ address }).pipe(Layer.provide(FetchHttpClient.layer))),
    Context.get(ConsulHttp)
  )

/** A replicator of one prefix, and clients of both sides. */
const replicating = Effect.fnUntraced(function* (
  prefix: string,
  options: Partial<Parameters<typeof Replication.make>[0]> & { readonly lock?: string } = {}
) {
  const { nyc1, sfo1 } = yield* Datacenters
  const [source, destination] = yield* Effect.all([client(nyc1.address), client(sfo1.address)])
  const { lock, ...given } = options
  const replication = yield* Replication.make({
    source: "nyc1",
    prefix,
    status: `locks/${prefix}status`,
    reconcile: "1 second",
    ...given
  })
  const lockOptions = yield* LeaderLock.options({ lock: lock ?? `locks/${prefix}lock` })
  const services = Layer.merge(Replicator.services, LeaderLock.layer(lockOptions)).pipe(
    Layer.provideMerge(Layer.succeed(ConsulHttp, destination))
  )
  const events = Events.make()
  const start = Replicator.run(replication).pipe(events.collect, Effect.provide(services), Effect.forkScoped)
  const contents = ({ kv }: Context.Tag.Service<typeof ConsulHttp>) =>
    Effect.map(kv.list(prefix), ({ value }) =>
      Object.fromEntries(value.entries.map(({ key, value }) => [key, value]))
    )
  const isEqual = Effect.zipWith(
    contents(source),
    contents(destination),
    (a, b) => JSON.stringify(a) === JSON.stringify(b)
  )
  const state = Effect.map(destination.kv.get(replication.status), ({ value }) =>
    Option.match(value, { onNone: () => "", onSome: ({ value }) => atob(value) })
  )
  return { source, destination, events, start, contents, isEqual, state, address: sfo1.address }
})

/** Waits until something holds. */
const until = <E, R>(holds: Effect.Effect<boolean, E, R>) =>
  holds.pipe(
    Effect.repeat({ until: (is) => is, schedule: Schedule.spaced("50 millis") }),
    Effect.timeout("30 seconds")
  )

const put = ({ kv }: Context.Tag.Service<typeof ConsulHttp>, key: string, value: string | Uint8Array = "1") =>
  kv.put({ key, value: typeof value === "string" ? Value.fromText(value) : Value.fromBytes(value) })

const named = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}${i}`)

describeConsul("the destination", () => {
  layer(Layer.merge(Datacenters.layer, FetchHttpClient.layer))("on real servers", (it) => {
    it.scoped("is put right though a recursive delete from above leaves the index as it was", () =>
      Effect.gen(function* () {
        const prefix = "above/"
        const { address, destination, isEqual, events, source, start } = yield* replicating(prefix)
        yield* Effect.forEach(named(prefix, 20), (key) => put(source, key))
        yield* start
        yield* until(isEqual)
        yield* source.kv.delete(`${prefix}7`)
        yield* until(isEqual)
        const { index } = yield* destination.kv.keys(prefix)
        yield* Effect.sleep("2500 millis")
        yield* HttpClient.del(`http://${address}/v1/kv/above?recurse`)
        const emptied = yield* destination.kv.keys(prefix)
        expect(emptied).toMatchObject({ index, value: [] })
        yield* until(isEqual)
        expect(Events.of(events, "DriftFound")).toMatchObject([
          { changed: [], missing: { length: 19 }, repaired: true }
        ])
      }).pipe(live)
    )

    it.scoped("is compared anew after `consul snapshot restore`", () =>
      Effect.gen(function* () {
        const prefix = "restored/"
        const { address, isEqual, events, source, start, state } = yield* replicating(prefix)
        yield* Effect.forEach(named(prefix, 20), (key) => put(source, key))
        yield* start
        yield* until(Effect.map(state, (status) => status.includes("in-sync")))
        const snapshot = yield* Effect.flatMap(
          HttpClient.get(`http://${address}/v1/snapshot`),
          ({ arrayBuffer }) => arrayBuffer
        )
        yield* put(source, `${prefix}3`, "newer")
        yield* source.kv.delete(`${prefix}4`)
        yield* until(isEqual)
        yield* HttpClientRequest.put(`http://${address}/v1/snapshot`).pipe(
          HttpClientRequest.bodyUint8Array(new Uint8Array(snapshot)),
          HttpClient.execute
        )
        yield* until(isEqual)
        yield* until(Effect.sync(() => Events.causes(events).includes("Replication CheckpointMoved")))
        yield* until(Effect.map(state, (status) => status.includes("in-sync")))
        expect(yield* isEqual).toBe(true)
      }).pipe(live)
    )

    it.scoped("that takes no value of more than 20,000 bytes is given all the others", () =>
      Effect.gen(function* () {
        const prefix = "sized/"
        const { contents, destination, isEqual, events, source, start, state } = yield* replicating(prefix)
        yield* Effect.forEach(named(prefix, 100), (key) => put(source, key, key), { concurrency: 8 })
        const large = [`${prefix}operations/runbook`, `${prefix}${"long".repeat(60)}`]
        yield* Effect.forEach(large, (key) => put(source, key, new Uint8Array(30_000)))
        yield* start
        yield* until(Effect.map(state, (status) => status.includes('"writes-refused"')))
        expect(Object.keys(yield* contents(destination)).sort()).toEqual(named(prefix, 100).sort())
        // Refused keys do not delay other keys.
        yield* put(source, `${prefix}new`)
        yield* until(Effect.map(contents(destination), (all) => `${prefix}new` in all))
        yield* put(source, `${prefix}operations/runbook`, "short")
        yield* source.kv.delete(large[1] ?? "")
        yield* until(isEqual)
        yield* until(Effect.map(state, (status) => status.includes('"in-sync"')))
        expect(Events.troubles(events, "Replication")).toEqual([])
      }).pipe(live)
    )

    it.scoped.each([
      ["odd//", "locks//lead\ner/./🫠?#%2F", "locks/../status\u0000/"],
      ["even/", "🫠", "//"]
    ] as const)("is led by any lock and told of by any status: %j", ([prefix, lock, status]) =>
      Effect.gen(function* () {
        const { destination, isEqual, source, start, state } = yield* replicating(prefix, { lock, status })
        yield* put(source, `${prefix}a`)
        yield* start
        yield* until(isEqual)
        yield* until(Effect.map(state, (status) => status.includes("in-sync")))
        yield* put(source, `${prefix}b`)
        yield* until(isEqual)
        const held = yield* destination.kv.get(lock)
        expect(Option.exists(held.value, ({ session }) => session !== undefined)).toBe(true)
      }).pipe(live)
    )
  })
})
