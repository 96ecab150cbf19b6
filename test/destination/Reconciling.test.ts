import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as FastCheck from "effect/FastCheck"
import * as Reconciling from "../../src/internal/destination/Reconciling.js"

const minute = Duration.toMillis(Reconciling.refusedInterval)

describe("reconciling", () => {
  it("scans each interval and tries refused keys about every minute, however long the interval is", () => {
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
  })

  it("never scans if the interval is zero, and tries refused keys every minute all the same", () => {
    expect(Reconciling.reconcileRhythm(Duration.zero)).toEqual({
      tick: Reconciling.refusedInterval,
      scanEvery: Number.POSITIVE_INFINITY,
      retryEvery: 1
    })
  })
})
