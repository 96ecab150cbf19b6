import { describe, expect, it as test } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { ContentsView, PrefixView } from "../../src/internal/source/PrefixView.js"
import * as KeyRange from "../../src/KeyRange.js"
import type { KeyValue } from "../../src/KeyValue.js"
import { SimConsul } from "../../src/testing/index.js"
import * as Network from "../../src/testing/Network.js"
import * as World from "../../src/testing/World.js"
import * as Value from "../../src/Value.js"
import * as Watcher from "../../src/Watcher.js"
import * as Replicating from "../support/Replicating.js"
import { options as inShards } from "../support/Watching.js"

const { it, named, put, remove, sent, until } = Replicating
const { source } = World

const entryOf = (key: string, index: number): KeyValue => ({
  key,
  value: Value.fromText(String(index)),
  flags: 0n,
  session: undefined,
  lockIndex: 0,
  createIndex: index,
  modifyIndex: index
})

const snapshot = (
  range: KeyRange.KeyRange,
  index: number,
  entries: ReadonlyArray<KeyValue>,
  malformed: ReadonlyArray<string> = []
): Watcher.Snapshot => ({
  _tag: "Snapshot",
  range,
  index,
  entries,
  invalidUtf8Keys: [],
  malformed: malformed.map((key) => ({ key, reason: "flags" })),
  restarted: false,
  totalKeys: entries.length
})

const show = (change: Watcher.KeyChange) =>
  change._tag === "Written" ? `${change.key}=${change.entry.modifyIndex}` : `-${change.key}@${change.index}`

/** A write or a delete of one of a few keys in two shards. */
const step = fc.record({ key: fc.constantFrom("a/1", "a/2", "b/1", "b/2"), isDelete: fc.boolean() })

describe("a view of a prefix", () => {
  test.prop(
    "has the keys of the source after each event that completes it, and its changes add up to them",
    { steps: fc.array(step, { maxLength: 20 }), isWhole: fc.boolean() },
    ({ isWhole, steps }) => {
      const store = new Map<string, KeyValue>()
      const followed = new Map<string, KeyValue>()
      const view = new PrefixView("")
      const contents = new ContentsView("")
      const rest = { invalidUtf8Keys: [], malformed: [] }
      const read = (prefix: string, index: number) =>
        snapshot(
          KeyRange.under(prefix),
          index,
          [...store.values()]
            .filter(({ key }) => key.startsWith(prefix))
            .sort((a, b) => (a.key < b.key ? -1 : 1))
        )
      for (const [at, { isDelete, key }] of steps.entries()) {
        const index = at + 1
        const wasThere = store.has(key)
        if (isDelete) store.delete(key)
        else store.set(key, entryOf(key, index))
        const events: ReadonlyArray<Watcher.WatchEvent> = isWhole
          ? [read("", index)]
          : [
              read(key.slice(0, 2), index),
              { _tag: "CaughtUp", index, names: [...store.keys()].sort(), layoutChanged: at === 0 }
            ]
        for (const change of events.flatMap((event) => view.apply(event))) {
          if (change._tag === "Deleted") followed.delete(change.key)
          else followed.set(change.key, change.entry)
        }
        expect(followed).toEqual(store)
        const emitted = contents.apply(events)
        const isNews = at === 0 || !isDelete || wasThere
        expect(emitted).toEqual(isNews ? { index, ...rest, entries: read("", index).entries } : undefined)
      }
    }
  )

  test("keeps a key that is newer than the names after a change of layout, and drops one that is in no range", () => {
    const view = new PrefixView("")
    const show1 = (event: Watcher.WatchEvent) => view.apply(event).map(show)
    show1(snapshot(KeyRange.under(""), 3, [entryOf("a", 1), entryOf("b", 2), entryOf("c", 3)]))
    expect(show1(snapshot(KeyRange.under("c"), 9, [entryOf("c", 3), entryOf("c1", 9)]))).toEqual(["c1=9"])
    const caughtUp = { _tag: "CaughtUp", index: 8, names: ["a", "c"] } as const
    expect(show1({ ...caughtUp, layoutChanged: true })).toEqual(["-b@8"])
    // By now the names have it, if it is there.
    expect(show1({ ...caughtUp, index: 10, layoutChanged: true })).toEqual(["-c1@10"])
    expect(show1({ ...caughtUp, index: 11, names: [], layoutChanged: false })).toEqual([])
  })

  test("takes a malformed key for neither written nor deleted until it is one of both", () => {
    const view = new PrefixView("")
    const all = KeyRange.under("")
    expect(view.apply(snapshot(all, 2, [entryOf("a", 1)], ["b"])).map(show)).toEqual(["a=1"])
    expect(view.apply(snapshot(all, 3, [], ["a", "b"]))).toEqual([])
    expect(view.apply(snapshot(all, 4, [entryOf("b", 4)])).map(show)).toEqual(["b=4", "-a@4"])
    expect(view.apply(snapshot(all, 5, [], ["c"])).map(show)).toEqual(["-b@5"])
    expect(view.apply(snapshot(all, 6, []))).toEqual([])
  })

  test("emits contents again when only what cannot be read has changed", () => {
    const contents = new ContentsView("")
    const all = KeyRange.under("")
    expect(contents.apply([snapshot(all, 1, [])])).toMatchObject({ index: 1, entries: [], malformed: [] })
    expect(contents.apply([snapshot(all, 2, [], ["b"])])).toMatchObject({ malformed: [{ key: "b" }] })
    expect(contents.apply([snapshot(all, 3, [], ["b"])])).toBeUndefined()
    expect(contents.apply([snapshot(all, 4, [])])).toMatchObject({ index: 4, malformed: [] })
  })
})

/** Collects what a stream emits; each element takes `pace` ms. */
const collecting = <A>(
  instance: World.Instance,
  stream: (watcher: Watcher.Watcher["Type"]) => Stream.Stream<A, unknown>,
  pace = 0
) =>
  Effect.gen(function* () {
    const seen: Array<A> = []
    const fiber = yield* Effect.flatMap(Watcher.Watcher, (watcher) =>
      Stream.runForEach(stream(watcher), (a) =>
        Effect.zipRight(
          Effect.sync(() => seen.push(a)),
          Effect.sleep(pace)
        )
      )
    ).pipe(instance.run, Effect.forkScoped)
    return { seen, fiber }
  })

const textOf = ({ entries }: Watcher.Contents) =>
  Object.fromEntries(entries.map(({ key, value }) => [key, Option.getOrThrow(Value.toText(value))]))

const ofSource = { source: { datacenter: source } }

describe("Watcher.snapshots", () => {
  for (const [name, options, keys] of [
    ["read at once", ofSource, 5],
    ["watched in shards", inShards, 100]
  ] as const) {
    it(`emits what a prefix holds and then holds after each change, and nothing while it does not change: ${name}`, () =>
      Effect.gen(function* () {
        yield* put(source, ...named(keys), "globalization")
        const instance = yield* World.instance()
        const { seen } = yield* collecting(instance, ({ snapshots }) => snapshots("global/", options))
        const isRight = Effect.map(World.contents(source, "global/"), (wanted) => {
          const last = seen.at(-1)
          return last !== undefined && JSON.stringify(textOf(last)) === JSON.stringify(wanted)
        })
        yield* until(isRight)
        expect(seen).toHaveLength(1)
        yield* Effect.sleep("3 minutes")
        expect(seen).toHaveLength(1)
        yield* Effect.flatMap(SimConsul.SimConsul, (sim) => sim.put(source, "global/0", "other"))
        yield* until(isRight)
        yield* remove(source, "global/1", "global/2")
        yield* put(source, "global/new")
        yield* until(isRight)
        expect(seen.map(({ index }) => index)).toEqual(seen.map(({ index }) => index).sort((a, b) => a - b))
        yield* Replicating.removeTree(source)
        yield* until(isRight)
        expect(seen.at(-1)?.entries).toEqual([])
      }))
  }

  it("emits no contents of a server that lags behind", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(3))
      const instance = yield* World.instance()
      const { seen } = yield* collecting(instance, ({ snapshots }) => snapshots("global/", ofSource))
      yield* until(Effect.sync(() => seen.length === 1))
      yield* instance.network.disturb(
        Replicating.plainReads(Network.once(Network.answer(404, "", { "x-consul-index": "1" })))
      )
      yield* put(source, "global/new")
      yield* until(Effect.sync(() => seen.at(-1)?.entries.length === 4))
      yield* Effect.sleep("3 minutes")
      expect(seen.map(({ entries }) => entries.length)).toEqual([3, 4])
      expect(sent(instance, /consistent/)).toBeGreaterThan(1)
    }))

  it("merges changes for a slow consumer, which delays no other stream", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(1))
      const instance = yield* World.instance()
      const { seen: slow } = yield* collecting(
        instance,
        ({ snapshots }) => snapshots("global/", ofSource),
        60_000
      )
      const { seen: fast } = yield* collecting(instance, ({ snapshots }) => snapshots("global/", ofSource))
      yield* until(Effect.sync(() => slow.length === 1 && fast.length === 1))
      for (let i = 0; i < 20; i++) {
        yield* put(source, `global/later${i}`)
        yield* Effect.sleep("1 second")
      }
      expect(fast).toHaveLength(21)
      yield* until(
        Effect.sync(() => slow.at(-1)?.entries.length === 21),
        "3 minutes"
      )
      expect(slow.length).toBeLessThan(5)
    }))

  it("waits while the source is away, and goes on", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(1))
      const instance = yield* World.instance()
      const { fiber, seen } = yield* collecting(instance, ({ snapshots }) => snapshots("global/", ofSource))
      yield* until(Effect.sync(() => seen.length === 1))
      yield* instance.network.disturb(Network.refused)
      yield* put(source, "global/later")
      yield* Effect.sleep("10 minutes")
      expect(Option.isNone(yield* Fiber.poll(fiber))).toBe(true)
      yield* instance.network.heal
      yield* until(Effect.sync(() => seen.at(-1)?.entries.length === 2))
    }))
})

describe("Watcher.changes", () => {
  for (const [name, options, keys] of [
    ["read at once", ofSource, 5],
    ["watched in shards", inShards, 100]
  ] as const) {
    it(`emits each key as written, then each write and each delete: ${name}`, () =>
      Effect.gen(function* () {
        yield* put(source, ...named(keys))
        const instance = yield* World.instance()
        const { seen } = yield* collecting(instance, ({ changes }) => changes("global/", options))
        yield* until(Effect.sync(() => seen.length === keys))
        expect(seen.map(({ _tag, key }) => `${_tag} ${key}`).sort()).toEqual(
          named(keys)
            .map((key) => `Written ${key}`)
            .sort()
        )
        yield* Effect.flatMap(SimConsul.SimConsul, (sim) => sim.put(source, "global/0", "other"))
        yield* until(Effect.sync(() => seen.length === keys + 1))
        const entry = yield* World.entry(source, "global/0")
        expect(seen.at(-1)).toMatchObject({
          _tag: "Written",
          key: "global/0",
          entry: { value: Value.fromText("other"), modifyIndex: entry?.modifyIndex }
        })
        yield* remove(source, "global/1")
        yield* until(Effect.sync(() => seen.length === keys + 2))
        expect(seen.at(-1)).toMatchObject({ _tag: "Deleted", key: "global/1" })
        yield* put(source, "global/between")
        yield* until(Effect.sync(() => seen.length === keys + 3))
        expect(seen.at(-1)).toMatchObject({ _tag: "Written", key: "global/between" })
        yield* Effect.sleep("3 minutes")
        expect(seen).toHaveLength(keys + 3)
      }))
  }

  it("shows a restore as what it changes", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* put(source, ...named(2))
      const before = yield* sim.snapshot(source)
      yield* put(source, "global/later")
      yield* sim.put(source, "global/0", "other")
      const instance = yield* World.instance()
      const { seen } = yield* collecting(instance, ({ changes }) => changes("global/", ofSource))
      yield* until(Effect.sync(() => seen.length === 3))
      yield* sim.restore(before, { rebuilt: true })
      yield* until(Effect.sync(() => seen.length === 5))
      expect(seen.slice(3).map(({ _tag, key }) => `${_tag} ${key}`)).toEqual([
        "Written global/0",
        "Deleted global/later"
      ])
    }))
})
