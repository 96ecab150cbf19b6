import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as FastCheck from "effect/FastCheck"
import * as Schedules from "../src/internal/Schedules.js"

const minute = Duration.toMillis(Schedules.refusedInterval)

describe("reconciling", () => {
  it("scans each interval and tries refused keys about every minute, however long the interval is", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.integer({ min: 100, max: 100_000_000 }), (reconcile) => {
        const { retryEvery, scanEvery, tick } = Schedules.reconcileRhythm(Duration.millis(reconcile))
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
    expect(Schedules.reconcileRhythm(Duration.zero)).toEqual({
      tick: Schedules.refusedInterval,
      scanEvery: Number.POSITIVE_INFINITY,
      retryEvery: 1
    })
  })
})
