import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as KeyRange from "../src/KeyRange.js"
import { SimConsul } from "../src/testing/index.js"
import * as Network from "../src/testing/Network.js"
import * as VirtualTime from "../src/testing/VirtualTime.js"
import * as World from "../src/testing/World.js"
import * as Watcher from "../src/Watcher.js"
import * as Events from "./support/Events.js"

const { source } = World

type Options = Omit<Partial<Watcher.WatchOptions>, "source">

const watched = (options: Options = {}): Watcher.WatchOptions => ({
  source: { datacenter: source },
  prefix: "global/",
  ...options
})

/** Processes the events one after another. */
const listen = (
  instance: World.Instance,
  options: Options,
  use: (news: Watcher.WatchEvent) => Effect.Effect<unknown>
) =>
  Watcher.events(watched(options)).pipe(
    Stream.runForEach((all) => Effect.forEach(all, use, { discard: true })),
    instance.run,
    Effect.forkScoped
  )

/** Collects the snapshots of a prefix of the source, as `key=value` texts. */
const watching = (instance: World.Instance, options: Options = {}) =>
  Effect.gen(function* () {
    const seen: Array<{
      readonly index: number
      readonly restarted: boolean
      readonly entries: ReadonlyArray<string>
    }> = []
    const fiber = yield* listen(instance, options, (news) =>
      Effect.sync(() => {
        if (news._tag === "CaughtUp") return
        const { entries, index, restarted } = news
        seen.push({ index, restarted, entries: entries.map(({ key, value }) => `${key}=${atob(value)}`) })
      })
    )
    return { seen, fiber, latest: () => seen.at(-1)?.entries }
  })

/** The requests, except the listing of names that decides how to watch. */
const reads = (instance: World.Instance) =>
  instance.network.sent.map(({ target }) => target).filter((target) => !target.includes("?keys"))

const put = (key: string, value: string) =>
  Effect.flatMap(SimConsul.SimConsul, (sim) => sim.put(source, key, value))

describe("Watcher", () => {
  it.scoped("emits the keys that exist, then each change, one blocking query after another", () =>
    Effect.gen(function* () {
      yield* put("global/a", "1")
      const instance = yield* World.instance()
      const { latest, seen } = yield* watching(instance)
      yield* VirtualTime.until(Effect.sync(() => seen.length === 1))
      expect(latest()).toEqual(["global/a=1"])
      yield* put("global/b", "2")
      yield* VirtualTime.until(Effect.sync(() => seen.length === 2))
      expect(latest()).toEqual(["global/a=1", "global/b=2"])
      const [first, ...blocking] = reads(instance)
      expect(first).not.toContain("index=")
      expect(blocking.map((target) => /index=(\d+)/.exec(target)?.[1])).toEqual(
        seen.map(({ index }) => String(index))
      )
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped("begins with a consistent read, because others can be stale after an election", () =>
    Effect.gen(function* () {
      yield* put("global/a", "new")
      const instance = yield* World.instance()
      const stale = Network.answer(404, "", { "x-consul-index": "1" })
      yield* instance.network.disturb(Network.on(/^GET (?!.*[?&](consistent|index)=)/, stale))
      const { seen } = yield* watching(instance)
      yield* VirtualTime.until(Effect.sync(() => seen.length === 1))
      expect(seen[0]?.entries).toEqual(["global/a=new"])
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped("emits each answer, changed or not, and nothing for keys outside the prefix", () =>
    Effect.gen(function* () {
      yield* put("global/a", "1")
      const instance = yield* World.instance()
      const { seen } = yield* watching(instance)
      yield* VirtualTime.until(Effect.sync(() => seen.length === 1))
      yield* put("globalization", "x")
      yield* VirtualTime.pass("50 seconds")
      expect(seen).toHaveLength(1)
      // The wait of the query is over.
      yield* VirtualTime.pass("20 seconds")
      expect(seen).toHaveLength(2)
      expect(seen[1]).toEqual(seen[0])
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped("follows a restored source at once: a query that breaks off without a change starts over", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* put("global/a", "old")
      const before = yield* sim.snapshot(source)
      yield* put("global/a", "new")
      const instance = yield* World.instance()
      const { latest, seen } = yield* watching(instance)
      yield* VirtualTime.until(Effect.sync(() => seen.length === 1))
      yield* sim.restore(before, { rebuilt: true })
      yield* VirtualTime.until(
        Effect.sync(() => latest()?.[0] === "global/a=old"),
        "2 seconds"
      )
      expect(seen.at(-1)).toMatchObject({ restarted: true })
      expect(seen.at(-1)?.index).toBeLessThan(seen[0]?.index ?? 0)
      expect(reads(instance).filter((target) => !target.includes("index="))).toHaveLength(2)
      yield* put("global/a", "again")
      yield* VirtualTime.until(Effect.sync(() => latest()?.[0] === "global/a=again"))
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped("starts over after a failure, which may have been a restart with older data", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* put("global/a", "old")
      const before = yield* sim.snapshot(source)
      yield* put("global/a", "new")
      const instance = yield* World.instance()
      const { latest, seen } = yield* watching(instance)
      yield* VirtualTime.until(Effect.sync(() => seen.length === 1))
      yield* instance.network.disturb(Network.refused)
      yield* sim.partition(source, World.destination)
      yield* VirtualTime.pass("5 seconds")
      yield* sim.restore(before, { rebuilt: true })
      yield* sim.heal(source, World.destination)
      yield* instance.network.heal
      yield* VirtualTime.until(Effect.sync(() => latest()?.[0] === "global/a=old"))
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped("starts over when the wait ends if the index went backwards between two queries", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* put("global/a", "old")
      const before = yield* sim.snapshot(source)
      yield* put("global/a", "new")
      const instance = yield* World.instance()
      const indexes: Array<number> = []
      yield* listen(instance, {}, ({ index }) =>
        Effect.zipRight(
          Effect.sync(() => indexes.push(index)),
          Effect.sleep("1 second")
        )
      )
      yield* VirtualTime.until(Effect.sync(() => indexes.length === 1))
      yield* sim.restore(before, { rebuilt: true })
      yield* VirtualTime.pass("70 seconds")
      expect(indexes.at(-1)).toBeLessThan(indexes[0] ?? 0)
      expect(reads(instance).map((target) => target.includes("index="))).toEqual([false, true, false, true])
    }).pipe(Effect.provide(World.layer))
  )

  for (const [what, fault] of [
    ["refused connections", Network.refused],
    ["no leader", Network.answer(500, "No cluster leader")],
    ["an empty list", Network.answer(200, "[]", { "x-consul-index": "9" })],
    ["a 404 without an index", Network.answer(404, "")],
    [
      "an answer of servers without a leader",
      Network.answer(404, "", { "x-consul-index": "9", "x-consul-knownleader": "false" })
    ],
    ["half a document", Network.answer(200, '[{"Key":', { "x-consul-index": "9" })],
    ["an index of 0", Network.answer(200, "[]", { "x-consul-index": "0" })]
  ] as const) {
    it.scoped(`backs off from ${what}, says so once, and resumes`, () =>
      Effect.gen(function* () {
        yield* put("global/a", "1")
        const instance = yield* World.instance()
        yield* instance.network.disturb(fault)
        const { seen } = yield* watching(instance)
        yield* VirtualTime.pass("30 seconds")
        expect(seen).toEqual([])
        // 100 ms, doubling up to 5 s, each from 80% to 120% of it: about 12 in half a minute.
        expect(instance.network.sent.length).toBeGreaterThan(7)
        expect(instance.network.sent.length).toBeLessThan(16)
        expect(Events.troubles(instance, "Source")).toHaveLength(1)
        yield* instance.network.heal
        yield* VirtualTime.until(Effect.sync(() => seen.length === 1))
        expect(Events.recovered(instance, "Source")).toHaveLength(1)
      }).pipe(Effect.provide(World.layer))
    )
  }

  it.scoped("emits a CaughtUp in the same batch with each snapshot of a small prefix", () =>
    Effect.gen(function* () {
      yield* put("global/a", "1")
      const instance = yield* World.instance()
      const batches: Array<ReadonlyArray<unknown>> = []
      yield* Watcher.events(watched()).pipe(
        Stream.runForEach((events) =>
          Effect.sync(() =>
            batches.push(
              events.map((event) =>
                event._tag === "CaughtUp" ? [event.index, ...event.names] : [event.index, event.range.prefix]
              )
            )
          )
        ),
        instance.run,
        Effect.forkScoped
      )
      yield* VirtualTime.until(Effect.sync(() => batches.length === 1))
      yield* put("global/b", "2")
      yield* VirtualTime.until(Effect.sync(() => batches.length === 2))
      const [first, second] = batches
      const index = (batch: ReadonlyArray<unknown> = []) => (batch[0] as ReadonlyArray<unknown>)[0]
      expect(first).toEqual([
        [index(first), "global/"],
        [index(first), "global/a"]
      ])
      expect(second).toEqual([
        [index(second), "global/"],
        [index(second), "global/a", "global/b"]
      ])
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped("does not read ahead of its consumer, which then sees many changes as one", () =>
    Effect.gen(function* () {
      yield* put("global/a", "0")
      const instance = yield* World.instance()
      const processed: Array<number> = []
      yield* listen(instance, {}, ({ _tag, index }) =>
        _tag === "CaughtUp"
          ? Effect.void
          : Effect.zipRight(
              Effect.sync(() => processed.push(index)),
              Effect.sleep("10 seconds")
            )
      )
      yield* VirtualTime.until(Effect.sync(() => processed.length === 1))
      for (let i = 1; i <= 5; i++) yield* put("global/a", String(i))
      yield* VirtualTime.pass("9 seconds")
      expect(reads(instance)).toHaveLength(1)
      yield* VirtualTime.pass("20 seconds")
      expect(processed).toHaveLength(2)
    }).pipe(Effect.provide(World.layer))
  )

  describe("confirms", () => {
    const confirming = (instance: World.Instance) =>
      instance.run(
        Effect.flatMap(Watcher.Watcher, ({ confirm }) =>
          confirm({ ...watched(), range: KeyRange.under("global/") })
        )
      )

    it.scoped("with a consistent read", () =>
      Effect.gen(function* () {
        yield* put("global/a", "1")
        const instance = yield* World.instance()
        const { entries, restarted } = yield* confirming(instance)
        expect(entries.map(({ key }) => key)).toEqual(["global/a"])
        expect(restarted).toBe(false)
        expect(reads(instance)).toEqual([`/v1/kv/global/?recurse=&consistent=&dc=${source}`])
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("only with an answer of a server with a leader, however long that takes", () =>
      Effect.gen(function* () {
        yield* put("global/a", "1")
        const instance = yield* World.instance()
        yield* instance.network.disturb(
          Network.answer(404, "", { "x-consul-index": "9", "x-consul-knownleader": "false" })
        )
        const fiber = yield* Effect.forkScoped(confirming(instance))
        yield* VirtualTime.pass("20 seconds")
        expect(reads(instance).length).toBeGreaterThan(5)
        expect(Events.causes(instance)).toEqual(["Source NoLeader"])
        yield* instance.network.heal
        yield* VirtualTime.until(Effect.map(Fiber.poll(fiber), Option.isSome))
        const { entries } = yield* Fiber.join(fiber)
        expect(entries).toHaveLength(1)
      }).pipe(Effect.provide(World.layer))
    )
  })

  it.scoped("fails with an error that a retry cannot fix", () =>
    Effect.gen(function* () {
      const instance = yield* World.instance()
      yield* instance.network.disturb(Network.answer(400, "Invalid index"))
      const { fiber } = yield* watching(instance)
      const exit = yield* Fiber.await(fiber)
      expect(Exit.isFailure(exit) && String(exit.cause)).toContain("Invalid index")
    }).pipe(Effect.provide(World.layer))
  )
})
