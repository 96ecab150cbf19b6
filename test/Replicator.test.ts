import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Replicator from "../src/Replicator.js"
import { SimConsul } from "../src/testing/index.js"
import * as OrderedMap from "../src/testing/internal/go/OrderedMap.js"
import * as Network from "../src/testing/Network.js"
import * as VirtualTime from "../src/testing/VirtualTime.js"
import * as World from "../src/testing/World.js"
import * as Events from "./support/Events.js"

const { destination, lock, source, status } = World

const replicate = (instance: World.Instance) =>
  Effect.forkScoped(instance.run(Replicator.run(instance.replication)))

const put = (datacenter: string, key: string, value: string) =>
  Effect.flatMap(SimConsul.SimConsul, (sim) => sim.put(datacenter, key, value))

const converged = (prefix = "global/") =>
  Effect.map(
    Effect.all([World.contents(source, prefix), World.contents(destination, prefix)]),
    ([wanted, there]) => JSON.stringify(wanted) === JSON.stringify(there)
  )

const committed = Effect.map(World.entry(destination, status), (entry) =>
  entry === undefined ? {} : (JSON.parse(new TextDecoder().decode(entry.value)) as Record<string, unknown>)
)

/** The checks of the services, as Consul shows them. */
const checks = Effect.gen(function* () {
  const sim = yield* SimConsul.SimConsul
  const { checks } = yield* sim.state(destination)
  return OrderedMap.values(checks).flatMap(({ output, serviceId, status }) =>
    serviceId === "" ? [] : [{ status, output }]
  )
})

/** Bodies of the transactions that an instance sent. */
const transactions = (instance: World.Instance) =>
  instance.network.sent.filter(({ target }) => target.startsWith("/v1/txn")).map(({ body }) => body)

/** A destination that takes no transaction. */
const diskFull = Network.on("PUT /v1/txn", Network.answer(500, "no space left on device"))

describe("Replicator", () => {
  it.scoped("copies what is there, then each change and each delete, and keeps the status", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* put(source, "global/a", "1")
      yield* put(destination, "global/stranger", "goes")
      yield* put(destination, "globalization", "stays")
      yield* replicate(yield* World.instance())
      yield* VirtualTime.until(converged())
      yield* put(source, "global/b", "2")
      yield* sim.remove(source, "global/a")
      yield* VirtualTime.until(converged())
      expect(yield* World.contents(destination, "global")).toEqual({
        "global/b": "2",
        globalization: "stays"
      })
      const { index } = yield* sim.state(source)
      expect(yield* committed).toMatchObject({ LastReplicated: index, State: "in-sync", Source: source })
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped("every transaction starts with the fence and a condition on the status key", () =>
    Effect.gen(function* () {
      const instance = yield* World.instance()
      for (let i = 0; i < 150; i++) yield* put(source, `global/${i}`, String(i))
      yield* replicate(instance)
      yield* VirtualTime.until(converged())
      const bodies = transactions(instance)
      expect(bodies.length).toBeGreaterThan(2)
      for (const body of bodies) {
        const [fence, guard] = JSON.parse(body) as ReadonlyArray<{ readonly KV: Record<string, unknown> }>
        expect(fence?.KV).toMatchObject({ Verb: "check-session", Key: lock })
        expect(guard?.KV).toMatchObject({ Key: status })
        expect(["cas", "check-index"]).toContain(guard?.KV["Verb"])
      }
      // The status moves when the writer opens, and with the last transaction, not between them.
      expect(bodies.map((body) => body.includes('"cas"'))).toEqual([
        true,
        ...bodies.slice(2).map(() => false),
        true
      ])
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped("a write whose answer was lost and which lands late does not undo a later one", () =>
    Effect.gen(function* () {
      const instance = yield* World.instance()
      yield* put(source, "global/a", "1")
      yield* replicate(instance)
      yield* VirtualTime.until(converged())
      // The next transaction is held back in the network, for as long as it takes.
      const held: Array<Effect.Effect<unknown, unknown>> = []
      yield* instance.network.disturb((sent, pass) => {
        if (!sent.target.startsWith("/v1/txn") || held.length > 0) return pass
        held.push(pass)
        return Network.refused(sent, pass)
      })
      yield* put(source, "global/a", "2")
      yield* VirtualTime.until(Effect.sync(() => held.length === 1))
      yield* put(source, "global/a", "3")
      yield* VirtualTime.until(converged())
      yield* Effect.forEach(held, Effect.exit)
      expect(yield* World.contents(destination, "global/")).toEqual({ "global/a": "3" })
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped("a write of a leader that lost the lock does not land", () =>
    Effect.gen(function* () {
      const former = yield* World.instance()
      yield* put(source, "global/a", "1")
      yield* replicate(former)
      yield* VirtualTime.until(converged())
      const held: Array<Effect.Effect<unknown, unknown>> = []
      yield* former.network.disturb((sent, pass) => {
        if (sent.target.startsWith("/v1/txn")) held.push(pass)
        return Effect.never
      })
      yield* put(source, "global/a", "2")
      yield* VirtualTime.until(Effect.sync(() => held.length === 1))
      yield* replicate(yield* World.instance())
      yield* VirtualTime.until(converged())
      yield* put(source, "global/a", "3")
      yield* VirtualTime.until(converged())
      yield* Effect.forEach(held, Effect.exit)
      yield* former.network.heal
      expect(yield* World.contents(destination, "global/")).toEqual({ "global/a": "3" })
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped("a status key that somebody else writes makes it compare again", () =>
    Effect.gen(function* () {
      yield* put(source, "global/a", "1")
      const instance = yield* World.instance()
      yield* replicate(instance)
      yield* VirtualTime.until(converged())
      yield* put(destination, status, '{"LastReplicated":7}')
      yield* put(destination, "global/drifted", "x")
      yield* put(source, "global/a", "2")
      yield* VirtualTime.until(converged())
      expect(Events.causes(instance)).toContain("Replication CheckpointMoved")
      expect(yield* committed).toMatchObject({ State: "in-sync" })
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped("with the empty prefix, its own keys stay on either side", () =>
    Effect.gen(function* () {
      yield* put(source, "a", "1")
      yield* put(source, lock, "the source's own")
      yield* put(destination, "stranger", "goes")
      yield* replicate(yield* World.instance({ prefix: "", destinationPrefix: "" }))
      yield* VirtualTime.until(
        Effect.map(
          World.contents(destination, ""),
          (all) => Object.keys(all).join() === `a,${lock},${status}`
        )
      )
      expect((yield* World.contents(destination, lock))[lock]).toContain('"node":"sfo1-a"')
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped("a status that is the lock is refused before anything is sent", () =>
    Effect.gen(function* () {
      const instance = yield* World.instance({ status: lock })
      const exit = yield* Fiber.await(yield* replicate(instance))
      expect(Exit.isFailure(exit) && String(exit.cause)).toMatch(/status: the lock and the status need keys/)
      expect(instance.network.sent).toEqual([])
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped("the agent's own datacenter is refused where prefixes overlap, before anything is written", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      const fiber = yield* replicate(yield* World.instance({ source: destination }))
      const exit = yield* Fiber.await(fiber)
      expect(Exit.isFailure(exit) && String(exit.cause)).toMatch(/source: .*sfo1/)
      expect(yield* sim.entries(destination, "")).toEqual([])
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped("errors on writing are said once and by the check, and replication goes on after them", () =>
    Effect.gen(function* () {
      yield* put(source, "global/a", "1")
      const instance = yield* World.instance()
      yield* replicate(instance)
      yield* VirtualTime.until(converged())
      yield* instance.network.disturb(diskFull)
      yield* put(source, "global/a", "2")
      yield* VirtualTime.pass("20 seconds")
      expect(Events.troubles(instance, "Replication")).toHaveLength(1)
      expect(yield* checks).toEqual([
        {
          status: "warning",
          output: expect.stringMatching(/^leading: replication is held up: .*no space left on device/)
        }
      ])
      yield* instance.network.heal
      yield* VirtualTime.until(converged())
      yield* VirtualTime.pass("2 seconds")
      expect(yield* checks).toMatchObject([{ status: "passing" }])
      expect(Events.recovered(instance, "Replication")).toHaveLength(1)
      expect(Events.of(instance, "Leading")).toHaveLength(1)
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped("while they last, writing is tried every few seconds, and no more often at times", () =>
    Effect.gen(function* () {
      yield* put(source, "global/a", "1")
      const instance = yield* World.instance()
      yield* replicate(instance)
      yield* VirtualTime.until(converged())
      yield* instance.network.disturb(diskFull)
      yield* put(source, "global/a", "2")
      yield* VirtualTime.pass("1 minute")
      const before = transactions(instance).length
      yield* VirtualTime.pass("2 minutes")
      expect(transactions(instance).length - before).toBeLessThan(29)
      yield* instance.network.heal
      yield* VirtualTime.until(converged())
      // And at once again after it has gone well.
      yield* instance.network.disturb(Network.on("PUT /v1/txn", Network.once(Network.refused)))
      yield* put(source, "global/a", "3")
      expect(yield* VirtualTime.until(converged())).toBeLessThan(1_000)
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped("a smaller limit of the destination's transactions is learned", () =>
    Effect.gen(function* () {
      const instance = yield* World.instance()
      yield* instance.network.disturb((sent, pass) => {
        const operations = sent.target.startsWith("/v1/txn")
          ? (JSON.parse(sent.body) as ReadonlyArray<unknown>).length
          : 0
        return operations > 20
          ? Network.answer(413, `Transaction contains too many operations (${operations} > 20)`)(sent, pass)
          : pass
      })
      for (let i = 0; i < 150; i++) yield* put(source, `global/${i}`, String(i))
      yield* replicate(instance)
      yield* VirtualTime.until(converged())
    }).pipe(Effect.provide(World.layer))
  )
})
