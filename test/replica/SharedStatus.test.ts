import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { SimConsul } from "../../src/testing/index.js"
import * as Replicating from "../support/Replicating.js"
import * as World from "../support/World.js"

const { converged, it, named, put, replicate, said, sent, synced, until } = Replicating
const { destination, source } = World

const other = { prefix: "other/", destinationPrefix: "other/", lock: "service/other/leader" }

const hasOther = Effect.map(World.contents(destination, "other/"), (there) => "other/key" in there)

describe("two replications that were given one status key", () => {
  it("the second waits and says why, and the first is not disturbed", () =>
    Effect.gen(function* () {
      const first = yield* synced(3)
      yield* put(source, "other/key")
      const second = yield* World.instance(other)
      yield* replicate(second)
      yield* Effect.sleep("10 minutes")
      expect(said(second, "held up")).toEqual([
        expect.stringMatching(
          /^WARN replication is held up: the status key service\/consul-replicate\/status is that of consul-replicate-\w+, which leads by the lock service\/consul-replicate\/leader/
        )
      ])
      expect(sent(second, "PUT /v1/txn")).toBe(0)
      expect(yield* hasOther).toBe(false)

      yield* Effect.flatMap(SimConsul.SimConsul, (sim) => sim.put(source, "global/1", "changed"))
      expect(yield* until(converged)).toBeLessThanOrEqual(1_000)
      expect(said(first, "WARN")).toEqual([])
      expect(said(first, "leading")).toHaveLength(1)

      yield* Fiber.interrupt(first.fiber)
      expect(yield* until(hasOther)).toBeLessThanOrEqual(35_000)
      expect(said(second, "replication goes on")).toHaveLength(1)
    }))

  it("the first, held up for a while, leaves it to the second", () =>
    Effect.gen(function* () {
      const first = yield* synced(3)
      yield* put(source, "other/key")
      yield* first.freeze
      const second = yield* World.instance(other)
      yield* replicate(second)
      yield* until(hasOther)
      yield* first.thaw
      yield* put(source, ...named(5))
      yield* Effect.sleep("5 minutes")
      expect(said(second, "WARN").filter((line) => !line.includes("held up"))).toEqual([])
      expect(said(second, "leading")).toHaveLength(1)
      expect(said(first, "is that of")).toHaveLength(1)
      expect(yield* converged).toBe(false)
    }))
})
