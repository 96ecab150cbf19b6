import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as DeleteLimit from "../../src/DeleteLimit.js"
import * as Replica from "../../src/internal/destination/Replica.js"
import type { ReplicaState } from "../../src/internal/destination/ReplicaState.js"
import { under } from "../../src/KeyRange.js"
import { LeaderLock } from "../../src/LeaderLock.js"
import { SimConsul } from "../../src/testing/index.js"
import * as Network from "../../src/testing/Network.js"
import * as World from "../../src/testing/World.js"
import { type Snapshot, type WatchEvent, Watcher } from "../../src/Watcher.js"
import * as Replicating from "../support/Replicating.js"

const { it, keys, named, put, remove, sent, stored } = Replicating
const { destination, source } = World

/** `global/a0` to `global/c9`. */
const thirty = ["a", "b", "c"].flatMap((letter) => named(10, letter))

/** What the source holds in a range now, as a part of a watch says it. */
const part = (prefix: string, given: Partial<Snapshot> = {}) =>
  Effect.gen(function* () {
    const watcher = yield* Watcher
    const snapshot = yield* watcher.confirm({
      source: { datacenter: source },
      prefix: "global/",
      range: under(prefix)
    })
    return { ...snapshot, ...given } satisfies WatchEvent
  })

const complete = Effect.gen(function* () {
  const sim = yield* SimConsul.SimConsul
  const { index } = yield* sim.state(source)
  return { _tag: "CaughtUp", index, names: yield* keys(source), layoutChanged: false } satisfies WatchEvent
})

/** Leads, and makes passes of news that a test makes up; both sides hold the same thirty keys at first. */
const passing = (
  options: Parameters<typeof World.instance>[0],
  test: (
    passes: Replica.Replica,
    replica: ReplicaState,
    instance: World.Instance
  ) => Effect.Effect<unknown, unknown, World.Services | SimConsul.SimConsul>
) =>
  Effect.gen(function* () {
    yield* put(source, ...thirty)
    const instance = yield* World.instance(options)
    const leading = Effect.gen(function* () {
      const leader = yield* Effect.flatMap(LeaderLock, ({ acquire }) => acquire)
      const passes = yield* Replica.make(instance.replication)
      const replica = yield* passes.takeOver(leader, yield* passes.open(leader))
      const first = yield* Effect.all([part("global/a"), part("global/b"), part("global/c")])
      yield* test(passes, yield* passes.applyEvents(replica, [...first, yield* complete]), instance)
    })
    yield* instance.run(Effect.scoped(leading)).pipe(Effect.orDie)
  })

const half = { maxDeletes: DeleteLimit.DeleteLimit.Share({ percent: 50 }) }

describe("a pass", () => {
  it("deletes nothing that everything has, though a part had not before", () =>
    passing({}, (passes, replica) =>
      Effect.gen(function* () {
        yield* remove(source, "global/a1")
        const without = yield* part("global/a")
        yield* put(source, "global/a1")
        yield* passes.applyEvents(replica, [without, yield* part("global/")])
        expect(yield* keys(destination)).toEqual(thirty)
      })
    ))

  /** Two parts that lost 14 keys, as everything said then tells, and 12 more that go as soon as the 14 were looked for. */
  const losingMore = (instance: World.Instance) =>
    Effect.gen(function* () {
      yield* remove(source, ...named(10, "a"), ...named(4, "b"))
      const first = yield* Effect.all([part("global/a"), part("global/b"), complete])
      const more = [...named(10, "b").slice(4), ...named(6, "c")]
      const sim = yield* SimConsul.SimConsul
      yield* instance.network.disturb(
        Network.on(
          /keys=/,
          Network.once((_, pass) =>
            Effect.zipLeft(
              pass,
              Effect.forEach(more, (key) => sim.remove(source, key))
            )
          )
        )
      )
      const without = (snapshot: Snapshot): Snapshot => ({
        ...snapshot,
        entries: snapshot.entries.filter(({ key }) => !more.includes(key))
      })
      return { first, without }
    })

  it("deletes no more than the limit, be everything said in the middle of it", () =>
    passing(half, (passes, replica, instance) =>
      Effect.gen(function* () {
        const { first, without } = yield* losingMore(instance)
        const then = [without(yield* part("global/b")), without(yield* part("global/c"))]
        const after = yield* passes.applyEvents(replica, [...first, ...then])
        expect(yield* keys(destination)).toHaveLength(16)
        expect(after.held.size).toBe(12)
        expect(yield* stored).toMatchObject({ State: "deletes-held", HeldDeletes: 12 })
      })
    ))

  it("deletes no more than the limit, be everything said again at the end of it", () =>
    passing(half, (passes, replica, instance) =>
      Effect.gen(function* () {
        const { first, without } = yield* losingMore(instance)
        const after = yield* passes.applyEvents(replica, [...first, without(yield* part("global/"))])
        expect(yield* keys(destination)).toHaveLength(16)
        expect(after.held.size).toBe(12)
      })
    ))

  it("tells by its checkpoint what a part of it said last, as soon as everything has been said", () =>
    passing({}, (passes, replica) =>
      Effect.gen(function* () {
        yield* put(source, "global/b10")
        const before = yield* complete
        yield* put(source, "global/c10")
        const after = yield* passes.applyEvents(replica, [
          yield* part("global/b"),
          before,
          yield* part("global/c")
        ])
        expect((yield* stored)["LastReplicated"]).toBe(before.index)
        const last = yield* complete
        expect(last.index).toBeGreaterThan(before.index)
        yield* passes.applyEvents(after, [last])
        expect((yield* stored)["LastReplicated"]).toBe(last.index)
      })
    ))

  it("counts what looks for drift delete by itself, where everything is said at once", () =>
    passing({ ...half, shardKeys: 12 }, (passes, replica) =>
      Effect.gen(function* () {
        let known = replica
        for (let i = 0; i < 6; i++) {
          const foreign = named(8, `drift-${i}-`)
          yield* put(destination, ...foreign)
          known = yield* passes.reconcile(known, { scan: true, retry: false })
          expect(known.held.size).toBe(0)
          known = yield* passes.applyEvents(known, [yield* part("global/"), yield* complete])
        }
        expect(yield* keys(destination)).toEqual(thirty)
      })
    ))

  /** A new key at the source that a repair has read, and what was read of the parts before. */
  const repairing = (passes: Replica.Replica, replica: ReplicaState) =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      const b = yield* part("global/b")
      const c = yield* part("global/c")
      yield* put(source, "global/bnew")
      yield* sim.put(destination, "global/a1", "drift")
      const repaired = yield* passes.reconcile(replica, { scan: true, retry: false })
      expect(yield* keys(destination)).toContain("global/bnew")
      return { repaired, b, c }
    })

  it("does not undo what a repair did with an answer that had to wait", () =>
    passing({}, (passes, replica) =>
      Effect.gen(function* () {
        const { b, c, repaired } = yield* repairing(passes, replica)
        yield* passes.applyEvents(repaired, [c, b])
        expect(yield* keys(destination)).toContain("global/bnew")
      })
    ))

  it("does not doubt what came after a repair, nor what agrees with it", () =>
    passing({}, (passes, replica, instance) =>
      Effect.gen(function* () {
        const { c, repaired } = yield* repairing(passes, replica)
        yield* remove(source, "global/bnew")
        const b = yield* part("global/b")
        const before = sent(instance, /^GET .*consistent/)
        yield* passes.applyEvents(repaired, [c, b])
        expect(yield* keys(destination)).toEqual(thirty)
        expect(sent(instance, /^GET .*consistent/)).toBe(before)
      })
    ))

  it("believes a source that was rebuilt with lower indexes, and does not ask it again once its watch has restarted", () =>
    passing({}, (passes, replica, instance) =>
      Effect.gen(function* () {
        const sim = yield* SimConsul.SimConsul
        const saved = yield* sim.snapshot(source)
        for (let i = 0; i < 20; i++) yield* sim.put(source, "elsewhere", `${i}`)
        const { repaired } = yield* repairing(passes, replica)
        yield* sim.restore(saved, { rebuilt: true })
        const rebuilt = yield* part("global/b")
        const before = sent(instance, /^GET .*consistent/)
        const after = yield* passes.applyEvents(repaired, [rebuilt])
        expect(yield* keys(destination)).toEqual(thirty)
        expect(sent(instance, /^GET .*consistent/)).toBe(before + 1)
        const restarted = yield* part("global/a", { restarted: true })
        yield* put(source, "global/bnew")
        yield* passes.applyEvents(after, [restarted, yield* part("global/b")])
        expect(yield* keys(destination)).toContain("global/bnew")
        // Two for `part` itself.
        expect(sent(instance, /^GET .*consistent/)).toBe(before + 3)
      })
    ))

  it("does not doubt a part that lacks what was confirmed to be missing, and stays", () =>
    passing({ deletes: false }, (passes, replica, instance) =>
      Effect.gen(function* () {
        yield* remove(source, "global/b1")
        yield* put(source, "global/c10")
        const confirmed = yield* passes.applyEvents(replica, [yield* part("global/", { restarted: true })])
        const lower = yield* part("global/b")
        const before = sent(instance, /^GET .*consistent/)
        yield* passes.applyEvents(confirmed, [lower])
        expect(sent(instance, /^GET .*consistent/)).toBe(before)
      })
    ))
})
