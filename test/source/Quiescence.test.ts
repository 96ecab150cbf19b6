import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Quiescence from "../../src/internal/source/Quiescence.js"
import type { WatchEvent } from "../../src/internal/source/WatchEvent.js"
import * as Replicator from "../../src/Replicator.js"
import { SimConsul } from "../../src/testing/index.js"
import * as World from "../../src/testing/World.js"
import * as Replicating from "../support/Replicating.js"
import { caughtUp, named, snapshot } from "../support/WatchEvents.js"

const { destination, source } = World

const wait = { min: Duration.seconds(5), max: Duration.seconds(12) }

/** Batches are offered, and emitted with the second at which they are. */
const gathering = () =>
  Effect.gen(function* () {
    const queue = yield* Queue.unbounded<readonly [WatchEvent, ...ReadonlyArray<WatchEvent>]>()
    const emitted: Array<string> = []
    yield* Stream.fromQueue(queue, { maxChunkSize: 1 }).pipe(
      Quiescence.gather(wait),
      Stream.runForEach((events) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          emitted.push(`${now / 1_000}: ${events.map(named).join(", ")}`)
        })
      ),
      Effect.forkScoped
    )
    const offer = (...events: readonly [WatchEvent, ...ReadonlyArray<WatchEvent>]) =>
      Effect.zipRight(Queue.offer(queue, events), TestClock.adjust(0))
    return { emitted, offer }
  })

describe("a wait for quiet", () => {
  it.scoped("ends when no change has come for the shortest time, and emits all changes as one batch", () =>
    Effect.gen(function* () {
      const { emitted, offer } = yield* gathering()
      yield* offer(snapshot("a", 1))
      yield* TestClock.adjust("3 seconds")
      yield* offer(snapshot("b", 2))
      yield* TestClock.adjust("4900 millis")
      expect(emitted).toEqual([])
      yield* TestClock.adjust("100 millis")
      expect(emitted).toEqual(["8: a 1, b 2"])
    })
  )

  it.scoped("ends after the longest time if changes do not stop, and the next wait begins", () =>
    Effect.gen(function* () {
      const { emitted, offer } = yield* gathering()
      for (let second = 0; second < 30; second++) {
        yield* offer(snapshot("a", second))
        yield* TestClock.adjust("1 second")
      }
      expect(emitted).toEqual(["12: a 11", "24: a 23"])
      yield* TestClock.adjust("10 seconds")
      expect(emitted.at(-1)).toBe("34: a 29")
    })
  )

  it.scoped("begins with a change, and not with an answer without one", () =>
    Effect.gen(function* () {
      const { emitted, offer } = yield* gathering()
      yield* offer(snapshot("a", 7))
      yield* TestClock.adjust("5 seconds")
      yield* offer(snapshot("a", 7))
      yield* offer(caughtUp(8))
      expect(emitted).toEqual(["5: a 7", "5: a 7", "5: caught up 8"])
      yield* offer(snapshot("a", 7, true))
      yield* TestClock.adjust("4 seconds")
      yield* offer(caughtUp(9))
      yield* TestClock.adjust("1 second")
      expect(emitted.at(-1)).toBe("10: a 7, caught up 9")
    })
  )

  it.scoped("fails with the watch, at once", () =>
    Effect.gen(function* () {
      const failing = Stream.concat(
        Stream.make([snapshot("a", 1)] as const),
        Stream.fromEffect(Effect.zipRight(Effect.sleep("1 second"), Effect.fail("gone")))
      )
      const fiber = yield* failing.pipe(Quiescence.gather(wait), Stream.runDrain, Effect.flip, Effect.fork)
      yield* TestClock.adjust("1 second")
      expect(yield* fiber.await).toMatchObject({ _tag: "Success", value: "gone" })
    })
  )
})

describe("a replication that waits for quiet", () => {
  for (const [how, watched] of [
    ["as a whole", {}],
    ["in parts", { watchShards: 8, shardKeys: 8 }]
  ] as const) {
    Replicating.it(
      `copies at once at first, then many changes as one, where its prefix is watched ${how}`,
      () =>
        Effect.gen(function* () {
          const { converged, named, put, until } = Replicating
          const keys = [..."abcdefgh"].flatMap((letter) => named(6, letter))
          yield* put(source, ...keys)
          const instance = yield* World.instance({ ...watched, wait })
          yield* Effect.forkScoped(instance.run(Replicator.run(instance.replication)))
          expect(yield* until(converged)).toBeLessThan(2_000)
          yield* Effect.sleep("2 minutes")
          const transactions = () => Replicating.sent(instance, "PUT /v1/txn")
          const before = transactions()
          const sim = yield* SimConsul.SimConsul
          for (let i = 0; i < 9; i++) {
            yield* sim.put(source, "global/a1", String(i))
            yield* sim.put(source, `global/${"abcdefgh"[i % 8]}2`, String(i))
            yield* Effect.sleep("1 second")
          }
          expect(transactions()).toBe(before)
          expect((yield* World.contents(destination, "global/a1"))["global/a1"]).toBe("of nyc1")
          expect(yield* until(converged)).toBeLessThan(8_000)
          yield* Effect.sleep("20 seconds")
          expect(transactions() - before).toBeLessThanOrEqual(2)
          // A busy source is replicated after the longest time.
          for (let i = 0; i < 40; i++) {
            yield* sim.put(source, "global/a1", `x${i}`)
            yield* Effect.sleep("500 millis")
          }
          expect((yield* World.contents(destination, "global/a1"))["global/a1"]).toMatch(/^x/)
        })
    )
  }
})
