import { describe, expect } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Patience from "../../src/cli/commands/replicate/Patience.js"
import { observing } from "../../src/internal/report/EventSink.js"
import * as Replicator from "../../src/Replicator.js"
import { SimConsul } from "../../src/testing/index.js"
import * as Network from "../../src/testing/Network.js"
import * as World from "../../src/testing/World.js"
import * as Events from "../support/Events.js"
import * as Replicating from "../support/Replicating.js"

const { converged, it, named, put, replicate, sent, synced, until } = Replicating
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
      expect(Events.troubles(second, "Replication")).toMatchObject([
        {
          cause: "StatusInUse",
          message: expect.stringMatching(
            /^the status key service\/consul-replicate\/status is that of consul-replicate-\w+, which holds the lock service\/consul-replicate\/leader for nyc1 "global\/" to "global\/": a status serves one/
          )
        }
      ])
      expect(sent(second, "PUT /v1/txn")).toBe(0)
      expect(yield* hasOther).toBe(false)
      // The source is not read again and again meanwhile, and the health check tells.
      expect(sent(second, `GET /v1/kv/other/`)).toBeLessThanOrEqual(2)
      expect(Object.values(yield* World.services(destination)).sort()).toEqual(["passing", "warning"])

      yield* Effect.flatMap(SimConsul.SimConsul, (sim) => sim.put(source, "global/1", "changed"))
      expect(yield* until(converged)).toBeLessThanOrEqual(1_000)
      expect(Events.odd(first)).toEqual([])
      expect(Events.of(first, "Leading")).toHaveLength(1)

      yield* Fiber.interrupt(first.fiber)
      expect(yield* until(hasOther)).toBeLessThanOrEqual(1_000)
      expect(Events.recovered(second, "Replication")).toHaveLength(1)
      yield* Effect.sleep("5 seconds")
      expect(Object.values(yield* World.services(destination))).toEqual(["passing"])
    }))

  it("the second waits for its turn, so that whoever waits for it can give up by the clock", () =>
    Effect.gen(function* () {
      yield* synced(3)
      yield* put(source, "other/key")
      const second = yield* World.instance(other)
      const { consumer, exhausted } = yield* Patience.make({
        timeout: Duration.seconds(10),
        kinds: new Set<Patience.Kind>(["Turn"]),
        first: "no answer"
      })
      yield* Effect.forkScoped(second.run(observing(consumer)(Replicator.run(second.replication))))
      const { message } = yield* Effect.flip(exhausted)
      expect(message).toMatch(/^gave up after 10s \(-timeout\): replication is held up: the status key /)
    }))

  const denied = Network.on(`GET /v1/kv/${World.lock}`, Network.answer(403, "Permission denied"))

  /** The check of the second, while that of the first passes. */
  const checks = Effect.map(World.services(destination), (all) => Object.values<string>(all).sort())

  it("the second says that it may not read the lock of the first, and goes on when it may", () =>
    Effect.gen(function* () {
      const first = yield* synced(3)
      yield* put(source, "other/key")
      const second = yield* World.instance(other)
      yield* second.network.disturb(denied)
      yield* replicate(second)
      yield* Effect.sleep("10 minutes")
      expect(Events.causes(second)).toEqual(["StatusOwner Denied"])
      expect(yield* checks).toEqual(["passing", "warning"])
      yield* second.network.heal
      yield* until(Effect.sync(() => Events.troubles(second, "Replication").length === 1))
      yield* Effect.sleep("1 minute")
      // Nor may it while it waits.
      yield* second.network.disturb(denied)
      yield* Effect.sleep("10 minutes")
      expect(Events.troubles(second, "StatusOwner")).toHaveLength(2)
      expect(yield* checks).toEqual(["passing", "warning"])
      yield* second.network.heal
      yield* Fiber.interrupt(first.fiber)
      yield* until(hasOther)
      yield* Effect.sleep("5 seconds")
      expect(yield* checks).toEqual(["passing"])
    }))

  it("an instance whose lock was renamed waits for the last of the others, and does not advise another status", () =>
    Effect.gen(function* () {
      const first = yield* synced(3)
      const renamed = yield* World.instance({ lock: "service/renamed/leader" })
      yield* replicate(renamed)
      yield* Effect.sleep("1 minute")
      expect(Events.troubles(renamed, "Replication").map(({ message }) => message)).toEqual([
        expect.stringMatching(
          /^consul-replicate-\w+, an instance of this replication, holds another lock, service\/consul-replicate\/leader: all of them need the same lock/
        )
      ])
      expect(Events.odd(first)).toEqual([])
      yield* Fiber.interrupt(first.fiber)
      yield* put(source, ...named(5))
      expect(yield* until(converged)).toBeLessThanOrEqual(1_000)
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
      expect(Events.odd(second)).toEqual(Events.troubles(second, "Replication"))
      expect(Events.of(second, "Leading")).toHaveLength(1)
      expect(
        Events.troubles(first, "Replication").filter(({ cause }) => cause === "StatusInUse")
      ).toHaveLength(1)
      expect(yield* converged).toBe(false)
    }))
})
