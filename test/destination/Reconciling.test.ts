import * as vitest from "@effect/vitest"
import { describe, expect } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as SynchronizedRef from "effect/SynchronizedRef"
import * as Reconciling from "../../src/internal/destination/Reconciling.js"
import * as Replica from "../../src/internal/destination/Replica.js"
import { LeaderLock } from "../../src/LeaderLock.js"
import * as World from "../../src/testing/World.js"
import * as Replicating from "../support/Replicating.js"

const { it } = Replicating
const minute = Duration.toMillis(Reconciling.refusedInterval)

/** The seconds at which a replica is scanned or tries refused keys again, if its comparison takes so long. */
const reconciling = (comparison: Duration.DurationInput, interval: Duration.DurationInput) =>
  Effect.gen(function* () {
    const instance = yield* World.instance()
    const began = yield* Clock.currentTimeMillis
    const scans: Array<number> = []
    const retries: Array<number> = []
    const reconcile: Replica.Replica["reconcile"] = (state, { retry, scan }) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        if (scan) scans.push((now - began) / 1_000)
        if (retry) retries.push((now - began) / 1_000)
        return state
      })
    const running = Effect.gen(function* () {
      const leader = yield* Effect.flatMap(LeaderLock, ({ acquire }) => acquire)
      const replica = yield* Replica.make(instance.replication)
      const state = yield* SynchronizedRef.make(yield* replica.takeOver(leader, yield* replica.open(leader)))
      const compared = Effect.as(Effect.sleep(comparison), state)
      yield* Effect.forkScoped(Reconciling.forever({ reconcile }, compared, Duration.decode(interval)))
      yield* Effect.sleep("130 seconds")
    })
    yield* instance.run(Effect.scoped(running))
    return { scans, retries }
  }).pipe(Effect.orDie)

describe("reconciling", () => {
  it("scans after each interval, and tries refused keys again each minute", () =>
    Effect.gen(function* () {
      const { retries, scans } = yield* reconciling(0, "20 seconds")
      expect(scans).toEqual([20, 40, 60, 80, 100, 120])
      expect(retries).toEqual([60, 120])
    }))

  it("begins when the comparison is complete, and counts the intervals that have passed before that", () =>
    Effect.gen(function* () {
      const { retries, scans } = yield* reconciling("55 seconds", "20 seconds")
      expect(scans).toEqual([60, 80, 100, 120])
      expect(retries).toEqual([60, 120])
    }))

  it("tries refused keys again each minute, if it does not scan", () =>
    Effect.gen(function* () {
      const { retries, scans } = yield* reconciling("61 seconds", 0)
      expect(scans).toEqual([])
      expect(retries).toEqual([120])
    }))
})

describe("the rhythm of reconciles", () => {
  vitest.it(
    "scans each interval and tries refused keys about every minute, however long the interval is",
    () => {
      FastCheck.assert(
        FastCheck.property(FastCheck.integer({ min: 100, max: 100_000_000 }), (reconcile) => {
          const { retryEvery, scanEvery, tick } = Reconciling.reconcileRhythm(Duration.millis(reconcile))
          const ms = Duration.toMillis(tick)
          // A tick is whole milliseconds.
          expect(Math.abs(ms * scanEvery - reconcile)).toBeLessThanOrEqual(scanEvery / 2)
          expect(ms * retryEvery).toBeLessThanOrEqual(minute)
          expect(ms * retryEvery).toBeGreaterThan(minute / 2 - 1)
          expect(Math.min(scanEvery, retryEvery)).toBe(1)
        })
      )
    }
  )

  vitest.it("never scans if the interval is zero, and tries refused keys every minute all the same", () => {
    expect(Reconciling.reconcileRhythm(Duration.zero)).toEqual({
      tick: Reconciling.refusedInterval,
      scanEvery: Number.POSITIVE_INFINITY,
      retryEvery: 1
    })
  })
})
