import { describe, expect, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import * as Option from "effect/Option"
import * as DeleteLimit from "../../src/DeleteLimit.js"
import * as DeletePolicy from "../../src/internal/plan/DeletePolicy.js"
import { type DestinationKey, destinationKey, destinationKeys } from "../../src/internal/plan/Mapping.js"
import { only, under } from "../../src/KeyRange.js"

const limit = fc.oneof(
  fc.integer({ min: 0, max: 100 }).map((percent) => DeleteLimit.DeleteLimit.Share({ percent })),
  fc.integer({ min: 0, max: 40 }).map((count) => DeleteLimit.DeleteLimit.Count({ count }))
)

const mostDeletes = (limit: DeleteLimit.DeleteLimit, keys: number): number =>
  Array.from({ length: keys + 1 }, (_, deletes) => deletes).findLast((deletes) =>
    DeleteLimit.allows(limit, deletes, keys)
  ) ?? 0

const keys = (from: number, to: number): ReadonlyArray<DestinationKey> =>
  destinationKeys(Array.from({ length: Math.max(0, to - from) }, (_, i) => `k${from + i}`))

const named = (...names: ReadonlyArray<string>) => destinationKeys(names)

const start: DeletePolicy.DeleteLedger = { ...DeletePolicy.nothing, deletesSinceComplete: 0 }

const view = (limit: DeleteLimit.DeleteLimit, keysBefore: number): DeletePolicy.View => ({
  limit,
  keysBefore,
  deletesBefore: 0,
  comparison: Option.none()
})

/**
 * What happens at a source of `total` keys: it loses some more of them, and then a shard is read that lacks some of those.
 * `lostAll` says that the shard has no key left.
 */
interface Loss {
  readonly loses: number
  readonly from: number
  readonly lacks: number
  readonly lostAll: boolean
}

const losses = fc.array(
  fc.record({
    loses: fc.nat({ max: 12 }),
    from: fc.nat({ max: 39 }),
    lacks: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 30 })),
    lostAll: fc.boolean()
  }),
  { maxLength: 14 }
)

const total = 40

/** Plays losses by the policy. Returns the ledger and all keys that were deleted, after each loss. */
const play = (limit: DeleteLimit.DeleteLimit, all: ReadonlyArray<Loss>, first = start) => {
  let ledger = first
  let lost = 0
  const deleted = new Set<DestinationKey>()
  return all.map(({ from, lacks, loses, lostAll }) => {
    lost = Math.min(total, lost + loses)
    const missing = keys(0, lost).filter((key) => !deleted.has(key))
    const lacking = missing.slice(
      from % Math.max(1, missing.length),
      (from % Math.max(1, missing.length)) + lacks
    )
    if (lacking.length > 0) {
      const scale: DeletePolicy.View = {
        ...view(limit, total - deleted.size),
        deletesBefore: ledger.deletesSinceComplete
      }
      const decision = DeletePolicy.ofParts(ledger, scale, lacking, lostAll)
      let doomed: ReadonlyArray<DestinationKey> = []
      if (decision === "delete") doomed = lacking
      else if (decision === "hold") ledger = { ...ledger, held: new Set([...ledger.held, ...lacking]) }
      else {
        ledger = { ...ledger, ...DeletePolicy.ofListing(ledger, scale, missing) }
        doomed = lacking.filter((key) => ledger.approved.has(key))
      }
      for (const key of doomed) deleted.add(key)
      ledger = { ...ledger, deletesSinceComplete: ledger.deletesSinceComplete + doomed.length }
    }
    return { ledger, deleted: deleted.size }
  })
}

describe("what is left to decide when others delete keys", () => {
  it("is nothing about the keys that the destination no longer has", () => {
    const [a, b] = [named("a"), named("b")]
    const both = new Set([...a, ...b])
    const ledger: DeletePolicy.DeleteLedger = {
      held: both,
      approved: new Set(a),
      toReread: both,
      deletesSinceComplete: 3
    }
    expect(DeletePolicy.withoutDeleted(ledger, new Set(b))).toEqual({
      held: new Set(b),
      approved: new Set(),
      toReread: new Set(b)
    })
  })
})

describe("between two complete views of the source", () => {
  it.prop(
    "no more keys go than the limit allows, however the source loses them and its shards tell of it",
    [limit, losses],
    ([limit, losses]) => {
      for (const { deleted } of play(limit, losses)) {
        expect(deleted).toBeLessThanOrEqual(mostDeletes(limit, total))
      }
    },
    { fastCheck: { numRuns: 5_000 } }
  )

  it.prop(
    "no key goes once some are held, also where the leader before held them",
    [limit, losses, fc.boolean()],
    ([limit, losses, wasHolding]) => {
      const held: DeletePolicy.DeleteLedger = wasHolding ? start : { ...start, held: new Set(named("k39")) }
      const scale: DeletePolicy.View = {
        ...view(limit, total),
        comparison: wasHolding
          ? Option.some({ wasHolding, created: new Set<DestinationKey>(), keysNow: total })
          : Option.none()
      }
      expect(DeletePolicy.ofListing(held, scale, named("k1"))).toEqual({
        held: new Set(["k1"]),
        approved: new Set()
      })
      if (wasHolding) return
      for (const { deleted, ledger } of play(limit, losses, held)) {
        expect(deleted).toBe(0)
        expect(ledger.held.has(destinationKey("k39"))).toBe(true)
      }
    }
  )
})

describe("a snapshot of the whole prefix", () => {
  it.prop(
    "deletes all that it lacks if the limit allows so many, and else nothing",
    [limit, fc.nat({ max: total })],
    ([limit, missing]) => {
      const all = keys(0, missing)
      const { approved, held } = DeletePolicy.ofListing(start, view(limit, total), all)
      const isAllowed = missing <= mostDeletes(limit, total)
      expect([...approved]).toEqual(isAllowed ? all : [])
      expect([...held]).toEqual(isAllowed ? [] : all)
    }
  )
})

describe("the first comparison", () => {
  it.prop(
    "lets shards wait, and judges old keys by the number of then and all keys by the number of now",
    [limit, fc.nat({ max: total }), fc.nat({ max: 60 })],
    ([limit, old, created]) => {
      const mine = keys(200, 200 + created)
      const missing = [...keys(0, old), ...mine]
      const scale: DeletePolicy.View = {
        ...view(limit, total),
        comparison: Option.some({
          wasHolding: false,
          created: new Set(mine),
          keysNow: total + created
        })
      }
      if (missing.length > 0) expect(DeletePolicy.ofParts(start, scale, missing, false)).toBe("wait")
      const { approved, held } = DeletePolicy.ofListing(start, scale, missing)
      const isAllowed =
        DeleteLimit.allows(limit, old, total) &&
        (created === 0 || DeleteLimit.allows(limit, missing.length, total + created))
      expect(approved.size).toBe(isAllowed ? missing.length : 0)
      expect(held.size).toBe(isAllowed ? 0 : missing.length)
    }
  )
})

describe("few missing keys", () => {
  it("are ten since the source was complete, with those that are approved already", () => {
    const approved = new Set(keys(0, 4))
    expect(DeletePolicy.isFew(start, keys(0, 10))).toBe(true)
    expect(DeletePolicy.isFew(start, keys(0, 11))).toBe(false)
    expect(DeletePolicy.isFew({ ...start, deletesSinceComplete: 8 }, keys(0, 3))).toBe(false)
    expect(DeletePolicy.isFew({ ...start, approved }, keys(0, 10))).toBe(true)
    expect(DeletePolicy.isFew({ ...start, approved }, keys(3, 10))).toBe(true)
    expect(DeletePolicy.isFew({ ...start, approved }, keys(4, 11))).toBe(false)
  })
})

describe("what is missing at the source", () => {
  it("is what the latest read of each key says: a former shard may be queued ahead of its successors", () => {
    const former = DeletePolicy.missingAfter(
      [],
      under("global/a"),
      named("global/a1", "global/a2", "global/a3")
    )
    expect(DeletePolicy.missingAfter(former, under("global/a1"), [])).toEqual(["global/a2", "global/a3"])
    expect(DeletePolicy.missingAfter(former, only("global/a2"), [])).toEqual(["global/a1", "global/a3"])
    expect(DeletePolicy.missingAfter(former, under("global/a"), named("global/a3"))).toEqual(["global/a3"])
  })

  it("is all that other ranges lack", () => {
    expect(DeletePolicy.missingAfter(named("global/a1"), under("global/b"), named("global/b1"))).toEqual([
      "global/a1",
      "global/b1"
    ])
  })
})
