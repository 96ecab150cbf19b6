import * as vitest from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { AnswerTooLarge, type ConsulError } from "../../src/ConsulError.js"
import { type Answer, type Consul, ConsulHttp } from "../../src/ConsulHttp.js"
import * as Weights from "../../src/internal/source/Weights.js"
import type { KeyValues } from "../../src/KeyValue.js"
import { SimConsul } from "../../src/testing/index.js"
import * as VirtualTime from "../../src/testing/VirtualTime.js"
import * as World from "../../src/testing/World.js"
import * as Watcher from "../../src/Watcher.js"
import * as Replicating from "../support/Replicating.js"
import { type Runner, watching } from "../support/Watching.js"

const { describe, expect } = vitest
const { named, put, remove } = Replicating

/** Large answers are decoded in several turns of the event loop. The clock of these tests waits for them. */
const it = <E>(claim: string, test: () => Effect.Effect<void, E, SimConsul.SimConsul | Scope.Scope>) =>
  vitest.it.scoped(claim, () => Effect.provide(test(), World.layer), 300_000)

const until = <E, R>(holds: Effect.Effect<boolean, E, R>) => VirtualTime.until(holds, "2 minutes")
const { source } = World

/** The requests of a client, and the names that its paths can carry. */
interface Seen {
  /** The bytes of each answer that arrived, cut off or not. */
  readonly answers: Array<{ readonly prefix: string; readonly bytes: number }>
  blocked: number
  mostBlocked: number
  /** Prefixes of blocking queries. */
  readonly waitedFor: Set<string>
}

const watched = (consul: Consul, seen: Seen, refuses: (name: string) => boolean): Consul => {
  const waiting = <A, E>(prefix: string, index: number | undefined, query: Effect.Effect<A, E>) =>
    index === undefined
      ? query
      : Effect.acquireUseRelease(
          Effect.sync(() => {
            seen.waitedFor.add(prefix)
            seen.blocked += 1
            seen.mostBlocked = Math.max(seen.mostBlocked, seen.blocked)
          }),
          () => query,
          () =>
            Effect.sync(() => {
              seen.blocked -= 1
            })
        )
  const limited =
    (prefix: string, maxBytes = Number.POSITIVE_INFINITY) =>
    (value: KeyValues): Effect.Effect<KeyValues, ConsulError> => {
      const bytes = Weights.bytesOf(value)
      seen.answers.push({ prefix, bytes: Math.min(bytes, maxBytes) })
      return bytes > maxBytes ? new AnswerTooLarge({ request: prefix, maxBytes }) : Effect.succeed(value)
    }
  const { kv } = consul
  return {
    ...consul,
    at: (endpoint) => watched(consul.at(endpoint), seen, refuses),
    kv: {
      ...kv,
      isNameable: (name) => kv.isNameable(name) && !refuses(name),
      list: (prefix, options) =>
        waiting(
          prefix,
          options?.index,
          kv
            .list(prefix, { ...options, maxBytes: undefined })
            .pipe(
              Effect.flatMap((answer) =>
                Effect.map(
                  limited(prefix, options?.maxBytes)(answer.value),
                  (value): Answer<KeyValues> => ({ ...answer, value })
                )
              )
            )
        ),
      newer: (prefix, options) =>
        waiting(
          prefix,
          options.index,
          Effect.tap(kv.newer(prefix, { ...options, maxBytes: undefined }), ({ value }) =>
            Option.match(value, { onNone: () => Effect.void, onSome: limited(prefix, options.maxBytes) })
          )
        ),
      keys: (prefix, options) => waiting(prefix, options?.index, kv.keys(prefix, options)),
      moved: (prefix, options) => waiting(prefix, options?.index, kv.moved(prefix, options))
    }
  }
}

/** A watcher whose client can cut off answers, and learns that paths cannot carry some names. */
const instance = (refuses: (name: string) => boolean = () => false) =>
  Effect.gen(function* () {
    const { run } = yield* World.instance()
    const seen: Seen = { answers: [], blocked: 0, mostBlocked: 0, waitedFor: new Set() }
    const consul = yield* run(ConsulHttp)
    const services = yield* Layer.build(
      Watcher.layer.pipe(Layer.provide(Layer.succeed(ConsulHttp, watched(consul, seen, refuses))))
    )
    const runner: Runner = { run: (effect) => run(Effect.provide(effect, services)) }
    return { ...runner, seen }
  })

const write = (key: string, bytes: number) =>
  Effect.flatMap(SimConsul.SimConsul, (sim) => sim.put(source, key, new Uint8Array(bytes).fill(97)))

const writeAll = (keys: ReadonlyArray<string>, bytes: number) =>
  Effect.forEach(keys, (key) => write(key, bytes), { discard: true })

const numbered = (count: number, name = "") =>
  Array.from({ length: count }, (_, i) => `global/${name}${String(i).padStart(3, "0")}`)

describe("values that are too heavy for one answer", () => {
  for (const [what, given] of [
    ["with a query for each part", { shards: 56, keysEach: 1_500 }],
    ["with one query for all", { shards: 1, keysEach: 1_500 }]
  ] as const) {
    it(`are read in answers of a limited size, ${what}, and each change as soon as others`, () =>
      Effect.gen(function* () {
        yield* writeAll(numbered(24), 300_000)
        const { run, seen } = yield* instance()
        const { copy, isRight, names } = yield* watching({ run }, given)
        yield* until(Effect.sync(() => names().some((name) => name.startsWith("complete"))))
        expect(yield* isRight).toBe(true)
        expect(names()).not.toContain("global/")
        const all = seen.answers.reduce((sum, { bytes }) => sum + bytes, 0)
        expect(Math.max(...seen.answers.map(({ bytes }) => bytes))).toBeLessThanOrEqual(Weights.wholeBytes)
        // 10 MB in base64, and little more for answers that were cut off before the weights were measured.
        expect(all).toBeLessThan(30_000_000)
        yield* VirtualTime.pass("1 minute")
        const before = seen.answers.length
        yield* write("global/013", 100)
        expect(yield* until(Effect.sync(() => copy.get("global/013")?.length === 100))).toBeLessThanOrEqual(
          given.shards === 1 ? 150 : 50
        )
        yield* VirtualTime.pass("10 seconds")
        expect(yield* isRight).toBe(true)
        // Only the range of that key was read.
        expect(seen.answers.slice(before).length).toBeLessThanOrEqual(2)
        if (given.shards === 1) expect(seen.mostBlocked).toBe(1)
      }))
  }

  it("change the way to watch from one to the other and back", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(20))
      const { run } = yield* instance()
      const { isRight, ranges } = yield* watching({ run }, { shards: 56, keysEach: 1_500 })
      yield* until(isRight)
      expect(new Set(ranges())).toEqual(new Set(["global/"]))
      yield* writeAll(numbered(30, "heavy/"), 400_000)
      yield* until(isRight)
      expect(ranges().some((name) => name !== "global/")).toBe(true)
      yield* remove(source, ...numbered(30, "heavy/"))
      yield* until(isRight)
      yield* VirtualTime.pass("10 seconds")
      yield* put(source, "global/last")
      yield* until(isRight)
      expect(ranges().at(-1)).toBe("global/")
    }))

  it("divide a range that was light before, and no other range is read again", () =>
    Effect.gen(function* () {
      yield* put(source, ...[..."abcdefgh"].flatMap((letter) => numbered(20, letter)))
      const { run, seen } = yield* instance()
      const { isRight } = yield* watching({ run }, { shards: 12, keysEach: 30 })
      yield* until(isRight)
      yield* VirtualTime.pass("1 minute")
      const before = seen.answers.length
      yield* writeAll(numbered(20, "c"), 400_000)
      yield* until(isRight)
      yield* VirtualTime.pass("10 seconds")
      const again = seen.answers.slice(before).filter(({ prefix }) => !prefix.startsWith("global/c"))
      expect(again).toEqual([])
      expect(Math.max(...seen.answers.map(({ bytes }) => bytes))).toBeLessThanOrEqual(Weights.readBytes)
    }))
})

describe("names that turn out not to be carried by paths", () => {
  it("get no query any more, and delay nothing", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* put(source, ...["Data x", "Data y", "k", "l", "m"].flatMap((name) => numbered(20, name)))
      let isRefused = false
      const { run, seen } = yield* instance((name) => isRefused && /Data /.test(name))
      const { copy, isRight } = yield* watching({ run }, { shards: 12, keysEach: 24 })
      yield* until(isRight)
      isRefused = true
      yield* sim.put(source, "global/k001", "other")
      expect(yield* until(Effect.sync(() => copy.get("global/k001") === "other"))).toBeLessThanOrEqual(50)
      yield* VirtualTime.pass("4 minutes")
      seen.waitedFor.clear()
      yield* sim.put(source, "global/Data x001", "other")
      expect(yield* until(isRight)).toBeLessThanOrEqual(1_500)
      yield* sim.put(source, "global/l001", "other")
      expect(yield* until(isRight)).toBeLessThanOrEqual(50)
      yield* VirtualTime.pass("4 minutes")
      expect([...seen.waitedFor].filter((prefix) => prefix.includes("Data "))).toEqual([])
    }))
})
