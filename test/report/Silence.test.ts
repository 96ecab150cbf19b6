import { describe, expect, it as test } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Ref from "effect/Ref"
import * as TestClock from "effect/TestClock"
import * as Silence from "../../src/internal/report/Silence.js"
import * as Network from "../../src/testing/Network.js"
import * as World from "../../src/testing/World.js"
import * as Events from "../support/Events.js"
import * as Replicating from "../support/Replicating.js"

const { converged, inSync, it, put, replicate, stored, synced, until } = Replicating
const { destination, source } = World

const checks = Effect.map(World.services(destination), Object.values<string>)

const warns = Effect.map(checks, (all) => all.includes("warning"))

/** Nothing that is asked of the source is answered. */
const away = Network.on(/dc=nyc1/, Network.silent)

const state = Effect.map(stored, (status) => status["State"])

/** A query that blocks already when the source goes away is answered still: that is its last word. */
const lastWord = 60_000 * (17 / 16)

/** ms: the limit, and what it takes to show that. */
const onTime = lastWord + 120_000 + 2_000

describe("the watch of a source's silence", () => {
  test.scoped("marks the status when the limit has passed, and again when the source answers", () =>
    Effect.gen(function* () {
      let heardAt = 0
      const marks: Array<readonly [at: number, isSilent: boolean]> = []
      const now = Effect.map(Effect.clock, (clock) => clock.unsafeCurrentTimeMillis())
      yield* Effect.forkScoped(
        Silence.watch({
          replication: { source: "nyc1", prefix: "global/", destinationPrefix: "global/" },
          liveness: { silence: Effect.map(now, (at) => Duration.millis(at - heardAt)) },
          isSilent: yield* Ref.make(false),
          mark: (isSilent) => Effect.map(now, (at) => void marks.push([at, isSilent]))
        })
      )
      const limit = Duration.toMillis(Silence.silenceLimit)
      yield* TestClock.adjust(limit + 10)
      heardAt = limit + 10
      yield* TestClock.adjust(Silence.silencePoll)
      expect(marks).toEqual([
        [limit, true],
        [limit + Duration.toMillis(Silence.silencePoll), false]
      ])
    })
  )
})

describe("a source that says nothing", () => {
  it("is told of by the check of the service and by the status, until it is heard again", () =>
    Effect.gen(function* () {
      const instance = yield* synced(20)
      yield* Effect.sleep("10 minutes")
      expect(yield* checks).toEqual(["passing"])
      const { LastReplicated } = yield* stored
      yield* instance.network.disturb(away)
      expect(yield* until(warns, "7 minutes")).toBeLessThanOrEqual(onTime)
      yield* until(Effect.map(state, (now) => now === "source-silent"))
      expect(yield* stored).toMatchObject({ LastReplicated, HeldDeletes: 0 })
      yield* Effect.sleep("6 minutes")
      expect(yield* checks).toEqual(["warning"])
      expect(yield* state).toBe("source-silent")
      yield* instance.network.heal
      yield* until(inSync, "5 minutes")
      expect(yield* stored).toMatchObject({ LastReplicated })
      yield* Effect.sleep("2 seconds")
      expect(yield* checks).toEqual(["passing"])
    }))

  it("is told of on time though a pass waits for it", () =>
    Effect.gen(function* () {
      const instance = yield* synced(20, { reconcile: Duration.seconds(1) })
      yield* Effect.sleep("10 minutes")
      yield* instance.network.disturb(away)
      // What differs here is asked for there, for as long as it takes.
      yield* put(destination, "global/3")
      expect(yield* until(warns, "7 minutes")).toBeLessThanOrEqual(onTime)
      yield* until(Effect.map(state, (now) => now === "source-silent"))
      yield* Effect.sleep("10 minutes")
      expect(yield* state).toBe("source-silent")
      yield* instance.network.heal
      yield* until(converged, "5 minutes")
      yield* until(inSync)
      yield* Effect.sleep("2 seconds")
      expect(yield* checks).toEqual(["passing"])
      // Nobody had to begin again because of that.
      expect(Events.troubles(instance, "Replication")).toEqual([])
      expect(Events.inSync(instance)).toHaveLength(1)
    }))

  it("and never has said anything, is too, and the status of before is no more", () =>
    Effect.gen(function* () {
      const former = yield* synced(20)
      yield* former.network.cut
      yield* Fiber.interrupt(former.fiber)
      expect(yield* state).toBe("in-sync")
      const instance = yield* World.instance()
      yield* instance.network.disturb(away)
      yield* replicate(instance)
      yield* Effect.sleep("3 minutes")
      expect(yield* warns).toBe(true)
      expect(yield* state).toBe("source-silent")
      yield* instance.network.heal
      yield* until(inSync, "5 minutes")
    }))

  it("does not forget deletes that are held back, for whoever leads next", () =>
    Effect.gen(function* () {
      const instance = yield* synced(20)
      yield* Replicating.removeTree(source)
      yield* until(Replicating.holding)
      yield* instance.network.disturb(away)
      yield* until(
        Effect.map(state, (now) => now === "source-silent"),
        "7 minutes"
      )
      expect(yield* stored).toMatchObject({ HeldDeletes: 20 })
      yield* instance.network.cut
      yield* Fiber.interrupt(instance.fiber)
      // With few keys left to delete, the limit alone would let them go.
      yield* put(source, ...Replicating.named(15))
      yield* replicate(yield* World.instance())
      yield* until(Replicating.holding)
      yield* Effect.sleep("5 minutes")
      expect(yield* Replicating.keys(destination)).toHaveLength(20)
    }))

  it("about one of its parts is silent, whatever it says of the others, and these are copied on", () =>
    Effect.gen(function* () {
      yield* put(source, ...Replicating.named(20, "a/"), ...Replicating.named(20, "b/"))
      const instance = yield* World.instance({ shardKeys: 5, watchShards: 8 })
      yield* replicate(instance)
      yield* until(inSync)
      yield* Effect.sleep("5 minutes")
      yield* instance.network.disturb(Network.on(/^GET \/v1\/kv\/global\/a[/?].*dc=nyc1/, Network.silent))
      yield* put(source, "global/a/3")
      for (let minute = 0; minute < 7; minute++) {
        yield* put(source, `global/b/new-${minute}`)
        yield* until(Replicating.holds(destination, `global/b/new-${minute}`))
        yield* Effect.sleep("1 minute")
      }
      expect(yield* checks).toEqual(["warning"])
      expect(yield* state).toBe("source-silent")
      yield* instance.network.heal
      yield* until(converged, "5 minutes")
      yield* until(inSync)
    }))
})

describe("a destination that does not answer", () => {
  it("is not the silence of the source", () =>
    Effect.gen(function* () {
      const instance = yield* synced(20)
      yield* instance.network.disturb(
        Network.on("PUT /v1/txn", Network.answer(500, "no space left on device"))
      )
      yield* put(source, "global/new")
      yield* Effect.sleep("10 minutes")
      const outputs = instance.network.sent.flatMap(({ body, target }) =>
        target.startsWith("/v1/agent/check/update/") ? [String(JSON.parse(body).Output)] : []
      )
      expect(outputs.at(-1)).toContain("held up")
      expect(outputs.filter((output) => output.includes("heard"))).toEqual([])
    }))
})

describe("an instance that was stopped", () => {
  it("leaves a status that says so, with the index that has landed", () =>
    Effect.gen(function* () {
      const instance = yield* synced(20)
      const before = yield* stored
      yield* Effect.sleep("1 minute")
      yield* Fiber.interrupt(instance.fiber)
      const after = yield* stored
      expect(after).toEqual({ ...before, State: "stopped", LastState: "in-sync", Time: after["Time"] })
      expect(Date.parse(String(after["Time"])) - Date.parse(String(before["Time"]))).toBeGreaterThanOrEqual(
        60_000
      )
    }))

  it("is followed by one that remembers the deletes that it held back", () =>
    Effect.gen(function* () {
      const instance = yield* synced(20)
      yield* Replicating.removeTree(source)
      yield* until(Replicating.holding)
      yield* Fiber.interrupt(instance.fiber)
      expect(yield* stored).toMatchObject({ State: "stopped", LastState: "deletes-held", HeldDeletes: 20 })
      yield* put(source, ...Replicating.named(15))
      yield* replicate(yield* World.instance())
      yield* until(Replicating.holding)
      yield* Effect.sleep("5 minutes")
      expect(yield* Replicating.keys(destination)).toHaveLength(20)
    }))

  it("leaves the status of another alone", () =>
    Effect.gen(function* () {
      const former = yield* synced(20)
      yield* former.network.cut
      yield* Fiber.interrupt(former.fiber)
      const before = yield* stored
      // It leads, and is stopped before it has written a status of its own.
      const instance = yield* World.instance()
      yield* instance.network.disturb(away)
      const fiber = yield* replicate(instance)
      yield* Effect.sleep("1 minute")
      yield* Fiber.interrupt(fiber)
      expect(yield* stored).toEqual(before)
    }))
})
