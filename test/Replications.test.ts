import { describe, expect } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as LeaderLock from "../src/LeaderLock.js"
import * as Replication from "../src/Replication.js"
import * as Replications from "../src/Replications.js"
import { SimConsul } from "../src/testing/index.js"
import * as Network from "../src/testing/Network.js"
import * as World from "../src/testing/World.js"
import * as Replicating from "./support/Replicating.js"

const { it, until } = Replicating
const { destination, lock, source } = World

const sharing = World.instance({ leaderLock: LeaderLock.shared })

type Given = Partial<Parameters<typeof Replication.make>[0]>

/** From `name/` to `name/`, with the status `status/name`. */
const replication = (name: string, given: Given = {}) =>
  Effect.orDie(Replication.make({ source, prefix: `${name}/`, status: `status/${name}`, ...given }))

const all = (...names: ReadonlyArray<string>) => Effect.forEach(names, (name) => replication(name))

const put = (key: string, value: string, datacenter = source) =>
  Effect.flatMap(SimConsul.SimConsul, (sim) => sim.put(datacenter, key, value))

const arrived = (key: string, value: string) =>
  Effect.map(World.contents(destination, key), (all) => all[key] === value)

const status = (name: string) =>
  Effect.map(
    World.contents(destination, `status/${name}`),
    (all) => JSON.parse(all[`status/${name}`] ?? "{}") as Record<string, unknown>
  )

const isInSync = (name: string) => Effect.map(status(name), ({ State }) => State === "in-sync")

const sessions = Effect.flatMap(SimConsul.SimConsul, (sim) => sim.sessions(destination))

const leading = (instance: World.Instance) => instance.logs.filter((line) => line.includes("leading: "))

/** Replications that run as an instance does, until `stop`. */
const running = (instance: World.Instance, initial: ReadonlyArray<Replication.Replication>) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
    const replications = yield* Replications.make(initial).pipe(Scope.extend(scope), instance.run)
    return {
      current: Effect.map(replications.current, (all) => all.map(({ prefix }) => prefix)),
      reload: (next: ReadonlyArray<Replication.Replication>) => instance.run(replications.reload(next)),
      stop: Scope.close(scope, Exit.void)
    }
  })

/** Each has one key, which has arrived. */
const started = (...names: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const instance = yield* sharing
    for (const name of names) yield* put(`${name}/a`, "1")
    const replications = yield* running(instance, yield* all(...names))
    for (const name of names) yield* until(isInSync(name))
    return { instance, ...replications }
  })

describe("several replications in one process", () => {
  it("replicate side by side under one leadership, each with a status of its own, and stop before the lock is given back", () =>
    Effect.gen(function* () {
      const { instance, stop } = yield* started("one", "two", "three")
      const [session] = yield* sessions
      for (const name of ["one", "two", "three"]) {
        expect(yield* status(name)).toMatchObject({ Prefix: `${name}/`, Session: session?.id, Lock: lock })
      }
      expect(leading(instance)).toHaveLength(1)
      const before = instance.network.sent.length
      yield* stop
      for (const name of ["one", "two", "three"]) {
        expect(yield* status(name)).toMatchObject({ State: "stopped", LastState: "in-sync" })
      }
      expect(yield* sessions).toEqual([])
      expect((yield* World.contents(destination, lock))[lock]).toContain('"until"')
      const bodies = instance.network.sent
        .slice(before)
        .flatMap(({ body, target }) => (target.startsWith("/v1/txn") ? [body] : []))
      expect(bodies).toHaveLength(4)
      expect(bodies.findIndex((body) => body.includes(`"Verb":"set","Key":"${lock}"`))).toBe(3)
    }))

  it("are refused before anything is sent if they cannot run beside each other", () =>
    Effect.gen(function* () {
      const instance = yield* sharing
      const replications = [
        yield* replication("one"),
        yield* replication("two", { destinationPrefix: "one/2/" })
      ]
      const error = yield* Effect.flip(instance.run(Replications.run(replications)))
      expect(error).toMatchObject({ _tag: "ReplicationConflict", reason: "DestinationsOverlap" })
      const own = [yield* replication("one"), yield* replication("two", { status: lock })]
      expect(yield* Effect.flip(instance.run(Replications.run(own)))).toMatchObject({
        _tag: "InvalidOptions"
      })
      expect(instance.network.sent.filter(({ method }) => method !== "GET")).toEqual([])
    }))

  it("are refused before anything is written if they copy in a circle", () =>
    Effect.gen(function* () {
      const instance = yield* sharing
      const local = { source: destination }
      const circle = [
        yield* replication("one", { ...local, destinationPrefix: "two/" }),
        yield* replication("two", { ...local, destinationPrefix: "one/" })
      ]
      expect(yield* Effect.flip(instance.run(Replications.run(circle)))).toMatchObject({ reason: "Circle" })
      expect(instance.network.sent.filter(({ method }) => method !== "GET")).toEqual([])
    }))

  it("may read what one of them has written, and copy it on", () =>
    Effect.gen(function* () {
      const instance = yield* sharing
      yield* put("one/a", "1")
      yield* running(instance, [
        yield* replication("one"),
        yield* replication("two", { source: destination, prefix: "one/", destinationPrefix: "two/" })
      ])
      yield* until(arrived("two/a", "1"))
    }))
})

describe("a replication that fails", () => {
  it("disturbs no other, is named in the log, and goes on when it can: a source that does not answer", () =>
    Effect.gen(function* () {
      const { instance } = yield* started("one", "two")
      const toSource = /\/v1\/kv\/two\/.*dc=nyc1/
      yield* instance.network.disturb(
        Network.on(toSource, Network.answer(500, "rpc error: No path to datacenter"))
      )
      yield* Effect.sleep("70 seconds")
      yield* put("one/a", "2")
      yield* put("two/a", "2")
      expect(yield* until(arrived("one/a", "2"), "1 second")).toBeLessThan(1_000)
      expect(instance.logs.join("\n")).toMatch(/WARN waiting for the source nyc1: .*No path to datacenter/)
      yield* Effect.sleep("3 minutes")
      expect(yield* status("one")).toMatchObject({ State: "in-sync" })
      expect(yield* status("two")).toMatchObject({ State: "source-silent" })
      yield* instance.network.heal
      yield* until(arrived("two/a", "2"))
      expect(leading(instance)).toHaveLength(1)
    }))

  it("disturbs no other: a datacenter that nobody knows", () =>
    Effect.gen(function* () {
      const instance = yield* sharing
      yield* put("one/a", "1")
      yield* running(instance, [yield* replication("two", { source: "lax9" }), yield* replication("one")])
      yield* until(arrived("one/a", "1"))
      expect(instance.logs.join("\n")).toMatch(/WARN waiting for the source lax9/)
    }))

  it("disturbs no other: a destination that its token may not write", () =>
    Effect.gen(function* () {
      const instance = yield* sharing
      yield* instance.network.disturb(
        Network.denying((key) => key === "status/two" || key.startsWith("two/"))
      )
      for (const name of ["one", "two"]) yield* put(`${name}/a`, "1")
      yield* running(instance, yield* all("one", "two"))
      yield* until(isInSync("one"))
      yield* put("one/a", "2")
      yield* until(arrived("one/a", "2"))
      expect(yield* World.contents(destination, "two/")).toEqual({})
      yield* instance.network.heal
      yield* until(arrived("two/a", "1"))
    }))
})

describe("a reload", () => {
  it("ends what is gone, starts what is new, and does not disturb the others", () =>
    Effect.gen(function* () {
      const { current, instance, reload } = yield* started("one", "two")
      const before = yield* status("one")
      const opened = () =>
        instance.network.sent.filter(({ body }) => body.includes('"Verb":"cas","Key":"status/one"')).length
      const writes = opened()
      yield* put("three/a", "1")
      const { ended, kept, started: fresh } = yield* reload(yield* all("three", "one"))
      expect([ended, kept, fresh].map((all) => all.map(({ prefix }) => prefix))).toEqual([
        ["two/"],
        ["one/"],
        ["three/"]
      ])
      expect([...(yield* current)].sort()).toEqual(["one/", "three/"])
      expect(yield* status("two")).toMatchObject({ State: "stopped", LastState: "in-sync" })
      yield* until(isInSync("three"))
      yield* put("two/a", "2")
      yield* put("one/a", "2")
      yield* until(arrived("one/a", "2"))
      yield* Effect.sleep("10 seconds")
      expect(yield* arrived("two/a", "1")).toBe(true)
      // One status for the change: the writer was not opened again.
      expect(opened() - writes).toBe(1)
      expect((yield* status("one"))["Session"]).toBe(before["Session"])
      expect(leading(instance)).toHaveLength(1)
    }))

  it("keeps the leadership though all are replaced", () =>
    Effect.gen(function* () {
      const { instance, reload } = yield* started("one", "two")
      const [session] = yield* sessions
      yield* put("three/a", "1")
      yield* reload(yield* all("three"))
      yield* until(isInSync("three"))
      expect(yield* sessions).toEqual([session])
      expect(leading(instance)).toHaveLength(1)
    }))

  it("starts a replication again of which one setting has changed, after its former self has ended", () =>
    Effect.gen(function* () {
      const { instance, reload } = yield* started("one", "two")
      yield* put("one/b", "1")
      yield* until(arrived("one/b", "1"))
      const changed = yield* replication("one", { deletes: false })
      expect(yield* reload([changed, yield* replication("two")])).toMatchObject({
        ended: [{ prefix: "one/", deletes: true }],
        started: [{ prefix: "one/", deletes: false }],
        kept: [{ prefix: "two/" }]
      })
      yield* until(isInSync("one"))
      yield* Effect.flatMap(SimConsul.SimConsul, (sim) => sim.remove(source, "one/b"))
      yield* Effect.sleep("10 seconds")
      expect(yield* arrived("one/b", "1")).toBe(true)
      expect(instance.logs.filter((line) => line.includes("this process uses"))).toEqual([])
    }))

  it("with the same settings changes nothing, whatever they are made of", () =>
    Effect.gen(function* () {
      const { reload } = yield* started("one")
      const again = yield* replication("one", { reconcile: "60 seconds", maxDeletes: "50%" })
      expect(yield* reload([again])).toMatchObject({ started: [], ended: [], kept: [{ prefix: "one/" }] })
    }))

  it("that is refused changes nothing, and the replications go on", () =>
    Effect.gen(function* () {
      const { current, reload } = yield* started("one", "two")
      const next = [yield* replication("one"), yield* replication("three", { destinationPrefix: "one/" })]
      expect(yield* Effect.flip(reload(next))).toMatchObject({ reason: "DestinationsOverlap" })
      const own = [yield* replication("four", { source: destination })]
      expect(yield* Effect.flip(reload(own))).toMatchObject({ _tag: "InvalidOptions" })
      expect(yield* current).toEqual(["one/", "two/"])
      yield* put("two/a", "2")
      yield* until(arrived("two/a", "2"))
    }))

  it("moves a destination from one replication to another, and what the former had in flight does not land late", () =>
    Effect.gen(function* () {
      const { instance, reload } = yield* started("one")
      const late: Array<Effect.Effect<unknown, unknown>> = []
      yield* instance.network.disturb((sent, pass) => {
        if (!sent.body.includes("one/b") || late.length > 0) return pass
        late.push(pass)
        return Effect.never
      })
      yield* put("one/b", "late")
      yield* until(Effect.sync(() => late.length === 1))
      yield* put("two/a", "of two")
      yield* reload([yield* replication("two", { destinationPrefix: "one/" })])
      yield* until(isInSync("two"))
      yield* Effect.forEach(late, Effect.exit)
      expect(yield* World.contents(destination, "one/")).toEqual({ "one/a": "of two" })
    }))
})

describe("several replications, once", () => {
  it("copy each prefix, and the result names each replication with what it leaves", () =>
    Effect.gen(function* () {
      const instance = yield* sharing
      for (const name of ["one", "two"]) yield* put(`${name}/a`, "1")
      for (let i = 0; i < 30; i++) yield* put(`two/old${i}`, "x", destination)
      const results = yield* instance.run(
        Replications.runOnce([yield* replication("one"), yield* replication("two", { maxDeletes: "0" })])
      )
      expect(results.map(({ left, replication }) => [replication.prefix, left.held.size])).toEqual([
        ["one/", 0],
        ["two/", 30]
      ])
      expect(yield* World.contents(destination, "one/")).toEqual({ "one/a": "1" })
      expect(yield* sessions).toEqual([])
    }))

  it("end together, and the failure of one ends no other", () =>
    Effect.gen(function* () {
      const instance = yield* sharing
      const results = yield* Replications.forEach(yield* all("one", "two", "three"), ({ prefix }) =>
        prefix === "one/" ? Effect.fail(prefix) : Effect.as(Effect.sleep("3 seconds"), prefix)
      ).pipe(instance.run)
      expect(yield* Clock.currentTimeMillis).toBeGreaterThanOrEqual(3_000)
      expect(results.map(({ result }) => Either.merge(result))).toEqual(["one/", "two/", "three/"])
      expect(results.map(({ result }) => Either.isRight(result))).toEqual([false, true, true])
    }))
})

describe("several instances with several replications", () => {
  it("hand all of them over together", () =>
    Effect.gen(function* () {
      const first = yield* started("one", "two")
      const second = yield* sharing
      const fiber = yield* Effect.forkScoped(second.run(Replications.run(yield* all("one", "two"))))
      yield* Effect.sleep("10 seconds")
      expect(leading(second)).toEqual([])
      yield* first.stop
      for (const name of ["one", "two"]) yield* put(`${name}/a`, "2")
      for (const name of ["one", "two"]) yield* until(arrived(`${name}/a`, "2"))
      expect(leading(second)).toHaveLength(1)
      yield* Fiber.interrupt(fiber)
    }))
})
