import { describe, expect } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Replica from "../../src/internal/destination/Replica.js"
import type { Batch } from "../../src/internal/source/Batch.js"
import * as KeyRange from "../../src/KeyRange.js"
import { LeaderLock } from "../../src/LeaderLock.js"
import { SimConsul } from "../../src/testing/index.js"
import * as Network from "../../src/testing/Network.js"
import * as World from "../../src/testing/World.js"
import { Watcher } from "../../src/Watcher.js"
import * as Events from "../support/Events.js"
import * as Replicating from "../support/Replicating.js"

const { it, keys, named, put, stored } = Replicating
const { destination, source } = World

/** A batch of the watch: the snapshot of a range of the source, as it is when the batch is pulled. */
const snapshot = (prefix: string) =>
  Effect.gen(function* () {
    const watcher = yield* Watcher
    const range = KeyRange.under(prefix)
    const one = yield* watcher.confirm({ source: { datacenter: source }, prefix: "global/", range })
    return [one] satisfies Batch
  }).pipe(Effect.orDie)

/** The last batch of a comparison. */
const caughtUp = Effect.gen(function* () {
  const sim = yield* SimConsul.SimConsul
  const { index } = yield* sim.state(source)
  return [{ _tag: "CaughtUp", index, names: yield* keys(source), layoutChanged: false }] satisfies Batch
})

/** Compares as the leader. The batches are pulled one after another. Then the source is silent. */
const compare = <E>(
  instance: World.Instance,
  ...batches: ReadonlyArray<Effect.Effect<Batch, E, World.Services | SimConsul.SimConsul>>
) =>
  Effect.gen(function* () {
    const leader = yield* Effect.flatMap(LeaderLock, ({ acquire }) => acquire)
    const replica = yield* Replica.make(instance.replication)
    const writer = yield* replica.open(leader)
    const context = yield* Effect.context<World.Services | SimConsul.SimConsul>()
    let pulled = 0
    const next = Effect.suspend(() => batches[pulled++] ?? Effect.never).pipe(Effect.provide(context))
    return yield* replica.compare(replica.takeOver(leader, writer), next)
  }).pipe(Effect.scoped, instance.run)

/** A fault of the transactions that write keys. */
const ofWrites = (fault: Network.Fault): Network.Fault =>
  Network.on("PUT /v1/txn", (sent, pass) => (sent.body.includes("global/") ? fault(sent, pass) : pass))

const slow: Network.Fault = (_, pass) => Effect.delay(pass, "10 seconds")

describe("a comparison in full", () => {
  it("plans the next range while the writes of the range before land, and waits for them before it writes again", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(5, "a"), ...named(5, "b"))
      const instance = yield* World.instance()
      yield* instance.network.disturb(ofWrites(slow))
      const pulls: Array<readonly [second: number, written: number]> = []
      const pulling = <A, E, R>(batch: Effect.Effect<A, E, R>) =>
        Effect.gen(function* () {
          const now = yield* Clock.currentTimeMillis
          pulls.push([now / 1_000, (yield* keys(destination)).length])
          return yield* batch
        })
      const began = (yield* Clock.currentTimeMillis) / 1_000
      const after = yield* compare(
        instance,
        pulling(snapshot("global/a")),
        pulling(snapshot("global/b")),
        pulling(caughtUp)
      )
      expect(pulls).toEqual([
        [began, 0],
        [began, 0],
        [began + 10, 5]
      ])
      expect(after.comparison).toMatchObject({ compared: 10, writes: 10 })
      expect(yield* stored).toMatchObject({ State: "in-sync" })
      expect(
        Events.of(instance, "ComparisonProgressed").map(({ compared, writes }) => [compared, writes])
      ).toEqual([
        [5, 5],
        [10, 10]
      ])
    }))

  it("ends as soon as a write has failed, though the source is silent", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(5, "a"))
      const instance = yield* World.instance()
      yield* instance.network.disturb(ofWrites(Network.answer(400, "no")))
      const { _tag } = yield* Effect.flip(compare(instance, snapshot("global/a")))
      expect(_tag).toBe("Rejected")
    }))

  it("fails as the watch does, after the writes that were sent have landed", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(5, "a"))
      const instance = yield* World.instance()
      yield* instance.network.disturb(ofWrites(slow))
      const gone = Effect.zipRight(Effect.sleep("1 second"), Effect.fail("gone"))
      expect(yield* Effect.flip(compare(instance, snapshot("global/a"), gone))).toBe("gone")
      expect(yield* keys(destination)).toHaveLength(5)
      yield* Effect.sleep("20 seconds")
      expect(yield* keys(destination)).toHaveLength(5)
    }))

  it("keeps the session of the lock when the watch fails while a large value is sent", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* sim.put(source, "global/a", "x".repeat(450_000))
      const instance = yield* World.instance()
      yield* instance.network.disturb(Network.on("PUT /v1/kv/global/a", slow))
      const gone = Effect.zipRight(Effect.sleep("1 second"), Effect.fail("gone"))
      yield* Effect.gen(function* () {
        const leader = yield* Effect.flatMap(LeaderLock, ({ acquire }) => acquire)
        const replica = yield* Replica.make(instance.replication)
        const start = replica.takeOver(leader, yield* replica.open(leader))
        const batches = yield* Effect.map(snapshot("global/a"), Effect.succeed)
        let pulls = 0
        const next = Effect.suspend(() => (pulls++ === 0 ? batches : gone))
        expect(yield* Effect.flip(replica.compare(start, next))).toBe("gone")
        // A session that was given up opens no writer.
        yield* replica.open(leader)
      }).pipe(Effect.scoped, instance.run)
      expect(yield* keys(destination)).toEqual(["global/a"])
    }))

  it("counts a refused key, unless a later snapshot changes the key and that lands", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(3, "a"))
      const instance = yield* World.instance()
      yield* instance.network.disturb(
        ofWrites(Network.once(Network.denying((key) => key === "global/a1" || key === "global/a2")))
      )
      const changed = Effect.gen(function* () {
        const sim = yield* SimConsul.SimConsul
        yield* sim.put(source, "global/a1", "another value")
        return yield* snapshot("global/a")
      })
      const after = yield* compare(instance, snapshot("global/a"), changed, caughtUp)
      expect(after.refused.size).toBe(1)
      expect([...after.refused.keys()]).toEqual(["global/a2"])
      expect(yield* World.text(destination, "global/a1")).toBe("another value")
      expect(yield* keys(destination)).toEqual(["global/a0", "global/a1"])
      expect(yield* stored).toMatchObject({ State: "writes-refused", RefusedWrites: 1 })
    }))

  it("counts no refused key that a later snapshot lacks, if the destination does not have it either", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(3, "a"), ...named(1, "b"))
      const instance = yield* World.instance()
      yield* instance.network.disturb(ofWrites(Network.denying((key) => key === "global/a1")))
      const deleted = Effect.gen(function* () {
        const sim = yield* SimConsul.SimConsul
        yield* sim.remove(source, "global/a1")
        return yield* snapshot("global/a")
      })
      const after = yield* compare(instance, snapshot("global/a"), deleted, snapshot("global/b"), caughtUp)
      expect([...after.refused.keys()]).toEqual([])
      expect(after.held.size).toBe(0)
      expect(yield* keys(destination)).toEqual(["global/a0", "global/a2", "global/b0"])
      expect(yield* stored).toMatchObject({ State: "in-sync", RefusedWrites: 0 })
    }))

  it("sends no delete of a refused key that the destination does not have", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(3, "a"))
      const instance = yield* World.instance()
      yield* instance.network.disturb(ofWrites(Network.denying((key) => key === "global/a1")))
      const deleted = Effect.gen(function* () {
        const sim = yield* SimConsul.SimConsul
        yield* sim.remove(source, "global/a1")
        const [first] = yield* snapshot("global/a")
        return [first, ...(yield* caughtUp)] satisfies Batch
      })
      const after = yield* compare(instance, snapshot("global/a"), deleted)
      expect(after.refused.size).toBe(0)
      expect(Events.of(instance, "ComparisonDone")).toMatchObject([{ writes: 2, deletes: 0, inSync: true }])
      expect(yield* stored).toMatchObject({ State: "in-sync", RefusedWrites: 0 })
    }))

  it("deletes a key whose write was refused, if the source lacks the key by now", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(3, "a"))
      yield* put(destination, "global/a1")
      const instance = yield* World.instance()
      yield* instance.network.disturb(ofWrites(Network.once(Network.denying((key) => key === "global/a1"))))
      const deleted = Effect.gen(function* () {
        const sim = yield* SimConsul.SimConsul
        yield* sim.remove(source, "global/a1")
        return yield* snapshot("global/a")
      })
      const after = yield* compare(instance, snapshot("global/a"), deleted, caughtUp)
      expect(after.refused.size + after.held.size).toBe(0)
      expect(yield* keys(destination)).toEqual(["global/a0", "global/a2"])
      expect(Events.of(instance, "ComparisonDone")).toMatchObject([{ writes: 2, deletes: 1, inSync: true }])
    }))
})
