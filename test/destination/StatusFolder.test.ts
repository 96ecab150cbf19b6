import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as StatusFolder from "../../src/internal/destination/StatusFolder.js"
import * as Replicator from "../../src/Replicator.js"
import { SimConsul } from "../../src/testing/index.js"
import * as World from "../../src/testing/World.js"
import { dense } from "../support/Keys.js"
import * as Replicating from "../support/Replicating.js"

const { destination, source } = World

const folder = "service/consul-replicate/statuses"

describe("a status in a folder", () => {
  it("has the key that consul-replicate 0.4.0 gives it", () => {
    // By `printf 'global/-global/' | md5sum` and so on.
    for (const [prefix, destinationPrefix, name] of [
      ["global/", "global/", "a23b7dbbd70bfb79686eb0625532abf7"],
      ["vault/logical", "copy", "8d2d494c3b0dd152bd81836773424032"],
      ["é", "😀", "09193b9966e36043511099b92774cbc3"]
    ] as const) {
      for (const slashes of ["", "/", "//"]) {
        expect(StatusFolder.keyOf(folder + slashes, { prefix, destinationPrefix })).toBe(`${folder}/${name}`)
      }
    }
  })

  it.prop(
    "is told from a status with a key of its own",
    [dense, dense, dense],
    ([prefix, destinationPrefix, status]) => {
      const route = { prefix, destinationPrefix }
      expect(StatusFolder.has({ ...route, status: StatusFolder.keyOf(folder, route) })).toBe(true)
      expect(StatusFolder.has({ ...route, status })).toBe(false)
    }
  )

  Replicating.it("has the fields of 0.4.0 with their meaning there, and is taken over as any other", () =>
    Effect.gen(function* () {
      const status = StatusFolder.keyOf(folder, { prefix: "global/", destinationPrefix: "copy/" })
      const options = { destinationPrefix: "copy/", status }
      yield* Replicating.put(source, "global/a")
      const stored = Effect.map(
        World.contents(destination, status),
        (all) => JSON.parse(all[status] ?? "{}") as Record<string, unknown>
      )
      const replicate = Effect.gen(function* () {
        const instance = yield* World.instance(options)
        const left = yield* instance.run(Replicator.runOnce(instance.replication))
        expect([left.held.size, left.refused.size]).toEqual([0, 0])
        return instance
      })
      yield* replicate
      const fields = {
        Source: "global/",
        Destination: "copy/",
        Datacenter: source,
        Prefix: "global/",
        DestinationPrefix: "copy/",
        LastState: "in-sync"
      }
      const first = yield* stored
      expect(first).toMatchObject(fields)
      expect(first["LastReplicated"]).toBeGreaterThan(0)
      // The next instance knows that a comparison was complete: its own is not announced as the first.
      const next = yield* replicate
      expect(next.logs.join("\n")).not.toContain("first")
      expect(yield* stored).toMatchObject({ ...fields, LastReplicated: first["LastReplicated"] })
    })
  )

  Replicating.it("that 0.4.0 has written is no status of ours: both sides are compared in full", () =>
    Effect.gen(function* () {
      const status = StatusFolder.keyOf(folder, { prefix: "global/", destinationPrefix: "global/" })
      const old = '{\n  "LastReplicated": 9007,\n  "Source": "global/",\n  "Destination": "global/"\n}'
      yield* Replicating.put(source, "global/a")
      const sim = yield* SimConsul.SimConsul
      yield* sim.put(destination, status, old)
      const instance = yield* World.instance({ status })
      yield* instance.run(Replicator.runOnce(instance.replication))
      expect(yield* Replicating.converged).toBe(true)
    })
  )
})
