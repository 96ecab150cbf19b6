import { describe, expect } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { ConsulHttp } from "../../src/ConsulHttp.js"
import * as Replicator from "../../src/Replicator.js"
import { SimConsul } from "../../src/testing/index.js"
import * as Network from "../../src/testing/Network.js"
import * as World from "../../src/testing/World.js"
import * as Value from "../../src/Value.js"
import * as Events from "../support/Events.js"
import * as Replicating from "../support/Replicating.js"

const { converged, holds, inSync, it, keys, named, put, remove, replicate } = Replicating
const { sent, stored, synced, until } = Replicating
const { destination, source } = World

/** More than fits a transaction in base64. */
const putLarge = (key: string, letter = "a") =>
  Effect.flatMap(SimConsul.SimConsul, (sim) => sim.put(source, key, letter.repeat(450_000)))

/** A destination that takes no value of these keys. */
const refusing = (instance: World.Instance, ...keys: ReadonlyArray<string>) =>
  instance.network.disturb((sent, pass) =>
    keys.some((key) => `${sent.method} ${sent.target}`.startsWith(`PUT /v1/kv/${key}?`))
      ? Network.answer(413, "Value exceeds 65536 byte limit")(sent, pass)
      : pass
  )

/** The token may read all keys, and may not change these. */
const denying = (instance: World.Instance, ...keys: ReadonlyArray<string>) =>
  instance.network.disturb(Network.denying((key) => keys.includes(key)))

const refused = Effect.map(stored, ({ State }) => State === "writes-refused")

/** What Consul shows of the service's check. */
const checks = Effect.map(World.services(destination), Object.values<string>)

/** What was refused, each time that it was something else. */
const refusals = (instance: World.Instance) =>
  Events.began(instance, "WritesRefused").map(({ refusals }) => refusals.map(({ key }) => key))

/** Reads of either side in full. */
const comparisons = (instance: World.Instance) =>
  sent(instance, /^GET \/v1\/kv\/global\/\?recurse=&consistent/)

describe("a value that the destination refuses", () => {
  it("stands out alone: all else is replicated, the warning is one, and the checkpoint does not claim it", () =>
    Effect.gen(function* () {
      const instance = yield* synced(3)
      const { LastReplicated } = yield* stored
      yield* refusing(instance, "global/large")
      yield* putLarge("global/large")
      yield* until(refused)
      const before = comparisons(instance)
      yield* put(source, "global/new")
      yield* remove(source, "global/0")
      yield* until(holds(destination, "global/new"))
      yield* Effect.sleep("10 minutes")
      expect(yield* keys(destination)).toEqual(["global/1", "global/2", "global/new"])
      expect(yield* stored).toMatchObject({ State: "writes-refused", RefusedWrites: 1, LastReplicated })
      expect(Events.odd(instance)).toMatchObject([
        {
          _tag: "WritesRefused",
          refusals: [
            {
              key: "global/large",
              cause: "KeyTooLarge",
              message: expect.stringContaining("Value exceeds 65536 byte limit")
            }
          ]
        }
      ])
      expect(yield* checks).toEqual(["warning"])
      // It is tried from time to time, and neither side is compared for it, but the destination after ten minutes.
      expect(sent(instance, "PUT /v1/kv/global/large")).toBeGreaterThan(8)
      expect(sent(instance, "PUT /v1/kv/global/large")).toBeLessThan(13)
      expect(comparisons(instance) - before).toBeLessThanOrEqual(1)
      expect(Events.of(instance, "DriftFound")).toEqual([])
      expect(Events.passes(instance)).toHaveLength(3)
    }))

  it("lands as soon as it is taken, and that is said", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      const instance = yield* synced(3)
      yield* refusing(instance, "global/large")
      yield* putLarge("global/large")
      yield* until(refused)
      yield* instance.network.heal
      yield* until(converged)
      yield* until(inSync)
      const { index: LastReplicated } = yield* sim.state(source)
      expect(yield* stored).toMatchObject({ RefusedWrites: 0, LastReplicated })
      expect(Events.of(instance, "WritesAccepted")).toHaveLength(1)
      yield* Effect.sleep("2 seconds")
      expect(yield* checks).toEqual(["passing"])
    }))

  for (const reconcile of [Duration.zero, Duration.minutes(10)]) {
    it(`is tried again within a minute, with -reconcile=${Duration.format(reconcile)} too`, () =>
      Effect.gen(function* () {
        const instance = yield* World.instance({ reconcile })
        yield* put(source, ...named(3))
        yield* replicate(instance)
        yield* until(inSync)
        yield* refusing(instance, "global/large")
        yield* putLarge("global/large")
        yield* until(refused)
        yield* instance.network.heal
        expect(yield* until(holds(destination, "global/large"), "2 minutes")).toBeLessThanOrEqual(61_000)
        yield* until(inSync)
      }))
  }

  it("is tried at once when the source has another, not when others change", () =>
    Effect.gen(function* () {
      const instance = yield* synced(3)
      yield* refusing(instance, "global/large")
      yield* putLarge("global/large")
      yield* until(refused)
      yield* put(source, "global/new")
      yield* until(holds(destination, "global/new"))
      expect(sent(instance, "PUT /v1/kv/global/large")).toBe(1)
      yield* put(source, "global/large")
      expect(yield* until(converged)).toBeLessThanOrEqual(1_000)
      expect(yield* stored).toMatchObject({ State: "in-sync" })
    }))

  it("is forgotten when the source has it no more", () =>
    Effect.gen(function* () {
      const instance = yield* synced(3)
      yield* refusing(instance, "global/0", "global/large")
      yield* putLarge("global/0")
      yield* putLarge("global/large")
      yield* until(Effect.map(stored, ({ RefusedWrites }) => RefusedWrites === 2))
      yield* remove(source, "global/0", "global/large")
      yield* until(inSync)
      expect(yield* keys(destination)).toEqual(["global/1", "global/2"])
    }))

  it("does not keep another from being named", () =>
    Effect.gen(function* () {
      const instance = yield* synced(3)
      yield* refusing(instance, "global/large-1", "global/large-2")
      yield* putLarge("global/large-1")
      yield* until(refused)
      yield* putLarge("global/large-2")
      yield* Effect.sleep("10 minutes")
      expect(refusals(instance)).toEqual([["global/large-1"], ["global/large-1", "global/large-2"]])
      expect(yield* stored).toMatchObject({ State: "writes-refused", RefusedWrites: 2 })
    }))

  for (const shardKeys of [3, 100]) {
    it(`does not hold up a first comparison, of ${shardKeys} keys at once`, () =>
      Effect.gen(function* () {
        yield* put(source, ...named(20))
        yield* putLarge("global/large")
        const instance = yield* World.instance({ shardKeys })
        yield* refusing(instance, "global/large")
        yield* replicate(instance)
        yield* until(refused)
        expect(yield* keys(destination)).toEqual(named(20).sort())
        expect(yield* stored).toMatchObject({ RefusedWrites: 1, LastReplicated: 0 })
        expect(Events.inSync(instance)).toEqual([])
        yield* instance.network.heal
        yield* until(inSync)
        expect(yield* converged).toBe(true)
        expect(Events.inSync(instance)).toHaveLength(1)
      }))
  }

  it("since another session holds its key lands when that is free", () =>
    Effect.gen(function* () {
      const instance = yield* synced(3)
      const { kv, session } = yield* instance.run(ConsulHttp)
      const other = yield* Effect.orDie(
        session.create({ name: "other", checks: ["serfHealth"], behavior: "release", lockDelay: 0 })
      )
      yield* Effect.orDie(kv.put({ key: "global/0", value: Value.empty }, { acquire: other }))
      yield* putLarge("global/0")
      yield* put(source, "global/new")
      yield* until(holds(destination, "global/new"))
      yield* Effect.sleep("10 minutes")
      expect(Events.odd(instance)).toMatchObject([
        {
          _tag: "WritesRefused",
          refusals: [{ key: "global/0", cause: "KeyLocked" }]
        }
      ])
      expect(yield* stored).toMatchObject({ State: "writes-refused", RefusedWrites: 1 })
      yield* Effect.orDie(session.destroy(other))
      yield* until(converged)
      yield* until(inSync)
    }))

  it("is answered where all is replicated once, when everything else has landed", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(3))
      yield* putLarge("global/large")
      const instance = yield* World.instance()
      yield* refusing(instance, "global/large")
      const left = yield* instance.run(Replicator.runOnce(instance.replication))
      expect(left).toEqual({ held: new Set(), refused: new Set(["global/large"]) })
      expect(yield* keys(destination)).toEqual(named(3))
    }))
})

describe("a large value whose PUT fails again and again", () => {
  const large = "global/large"

  const failing = (instance: World.Instance, fault: Network.Fault) =>
    instance.network.disturb((sent, pass) =>
      sent.target.startsWith(`/v1/kv/${large}?`) && sent.target.includes("acquire=")
        ? fault(sent, pass)
        : pass
    )

  const leaderships = (instance: World.Instance) => Events.of(instance, "Leading").length

  for (const [what, fault, most] of [
    ["refused with 400", Network.answer(400, "invalid key name"), 1],
    ["answered with 500", Network.answer(500, "invalid key name, must match"), 3],
    ["answered with 502 by a balancer", Network.answer(502, "<html>"), 3],
    ["never answered", Network.refused, 4]
  ] as const) {
    it(`since it is ${what} costs the leadership a few times, and holds up nothing`, () =>
      Effect.gen(function* () {
        const instance = yield* synced(3)
        yield* failing(instance, fault)
        yield* putLarge(large)
        yield* until(refused)
        yield* put(source, "global/new")
        expect(yield* until(holds(destination, "global/new"))).toBeLessThanOrEqual(1_000)
        expect(leaderships(instance)).toBeLessThanOrEqual(most)
        expect(yield* stored).toMatchObject({ State: "writes-refused", RefusedWrites: 1 })
        expect(Events.began(instance, "WritesRefused").at(-1)).toMatchObject({
          refusals: [{ key: large, cause: "KeyRefused" }]
        })
        yield* instance.network.heal
        expect(yield* until(converged)).toBeLessThanOrEqual(61_000)
        yield* until(inSync)
      }))
  }

  it("does so seldom where it is never answered: it rests for longer and longer", () =>
    Effect.gen(function* () {
      const instance = yield* synced(3)
      yield* failing(instance, Network.refused)
      yield* putLarge(large)
      yield* until(refused)
      const before = leaderships(instance)
      yield* Effect.sleep("1 hour")
      expect(leaderships(instance) - before).toBeLessThanOrEqual(6)
    }))

  it("is taken for the cause at once where the servers answer so whatever is put", () =>
    Effect.gen(function* () {
      const instance = yield* synced(3)
      yield* instance.network.disturb(
        Network.on(/acquire=.*/, (sent, pass) =>
          sent.target.startsWith("/v1/kv/global/") ? Network.answer(500, "no")(sent, pass) : pass
        )
      )
      for (const name of named(8, "large")) yield* putLarge(name)
      yield* until(Effect.map(stored, ({ RefusedWrites }) => RefusedWrites === 8))
      expect(leaderships(instance)).toBeLessThanOrEqual(4)
    }))
})

describe("a large value that is stuck in the network", () => {
  it("does not undo a newer one, where the watch of the source failed while it was put", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* put(source, ...named(3))
      yield* putLarge("global/large")
      const instance = yield* World.instance({ reconcile: Duration.seconds(5) })
      let isBroken = false
      const stuck: Array<Effect.Effect<number>> = []
      const isFirst = Network.once((_, pass) => {
        stuck.push(Effect.orDie(Effect.map(pass, ({ status }) => status)))
        return Effect.never
      })
      const breaking = Replicating.plainReads((sent, pass) =>
        Effect.flatMap(pass, (answer) =>
          isBroken ? Network.answer(400, "")(sent, pass) : Effect.succeed(answer)
        )
      )
      yield* instance.network.disturb(breaking)
      yield* replicate(instance)
      yield* until(converged)
      yield* instance.network.disturb((sent, pass) =>
        /^PUT .*large.*acquire=/.test(`${sent.method} ${sent.target}`)
          ? isFirst(sent, pass)
          : breaking(sent, pass)
      )
      yield* put(destination, "global/large")
      yield* until(Effect.sync(() => stuck.length > 0))
      isBroken = true
      yield* sim.put(source, "global/large", "newer")
      yield* until(Effect.sync(() => Events.troubles(instance, "Replication").length > 0))
      isBroken = false
      yield* until(converged)
      for (const late of stuck) expect(yield* late).toBe(500)
      yield* Effect.sleep("1 second")
      expect(yield* converged).toBe(true)
      expect(yield* World.entry(destination, "global/large")).toMatchObject({ session: "" })
    }))
})

describe("a key that the token may not change", () => {
  const transactions = (instance: World.Instance) => sent(instance, /^PUT \/v1\/txn$/)

  it("stands out alone among those that are written with it, and is named", () =>
    Effect.gen(function* () {
      const instance = yield* synced(3)
      const { LastReplicated } = yield* stored
      yield* denying(instance, "global/1")
      const sim = yield* SimConsul.SimConsul
      yield* sim.put(source, "global/1", "another")
      yield* put(source, "global/new")
      yield* remove(source, "global/2")
      yield* until(refused)
      yield* until(holds(destination, "global/new"))
      yield* Effect.sleep("10 minutes")
      expect(yield* keys(destination)).toEqual(["global/0", "global/1", "global/new"])
      expect(yield* stored).toMatchObject({ RefusedWrites: 1, LastReplicated })
      expect(Events.odd(instance)).toMatchObject([
        {
          _tag: "WritesRefused",
          refusals: [
            {
              key: "global/1",
              cause: "KeyRefused",
              message:
                '"global/1" cannot be changed at the destination: Permission denied; the token needs key "global/1" { policy = "write" }'
            }
          ]
        }
      ])
      expect(yield* checks).toEqual(["warning"])
      expect(Events.troubles(instance, "Replication")).toEqual([])
      yield* instance.network.heal
      yield* until(converged)
      yield* until(inSync)
      expect(Events.of(instance, "WritesAccepted")).toHaveLength(1)
    }))

  for (const shardKeys of [3, 100]) {
    it(`stays when it is gone at the source, and is not tried with each change, ${shardKeys} keys at once`, () =>
      Effect.gen(function* () {
        const instance = yield* synced(8, { shardKeys })
        yield* denying(instance, "global/1")
        yield* remove(source, "global/1", "global/2")
        yield* until(refused)
        const before = transactions(instance)
        for (const key of named(5, "new")) {
          yield* put(source, key)
          yield* until(holds(destination, key))
        }
        expect(transactions(instance) - before).toBeLessThanOrEqual(10)
        expect(yield* holds(destination, "global/1")).toBe(true)
        expect(yield* holds(destination, "global/2")).toBe(false)
        yield* Effect.sleep("5 minutes")
        expect(yield* stored).toMatchObject({ State: "writes-refused", RefusedWrites: 1 })
        expect(Events.odd(instance)).toHaveLength(1)
        yield* instance.network.heal
        yield* until(inSync)
        expect(yield* converged).toBe(true)
      }))

    it(`is replicated when it is at the source again, ${shardKeys} keys at once`, () =>
      Effect.gen(function* () {
        const instance = yield* synced(8, { shardKeys })
        yield* denying(instance, "global/1")
        yield* remove(source, "global/1")
        yield* until(refused)
        yield* put(source, "global/1")
        yield* until(inSync)
        expect(yield* converged).toBe(true)
      }))

    it(`does not hold up a first comparison, ${shardKeys} keys at once`, () =>
      Effect.gen(function* () {
        yield* put(source, ...named(200))
        yield* put(destination, "global/stranger", "global/other")
        const instance = yield* World.instance({ shardKeys })
        yield* denying(instance, ...named(3), "global/stranger")
        yield* replicate(instance)
        yield* until(refused)
        expect(yield* keys(destination)).toEqual([...named(200).slice(3), "global/stranger"].sort())
        expect(yield* stored).toMatchObject({ RefusedWrites: 4, LastReplicated: 0 })
        yield* instance.network.heal
        yield* until(inSync)
        expect(yield* converged).toBe(true)
      }))
  }

  for (const shardKeys of [10, 1_000]) {
    it(`is never held for it, however many others go, ${shardKeys} keys at once`, () =>
      Effect.gen(function* () {
        const instance = yield* synced(100, { shardKeys })
        yield* denying(instance, ...named(40))
        yield* remove(source, ...named(40))
        yield* until(Effect.map(stored, ({ RefusedWrites }) => RefusedWrites === 40))
        yield* Effect.sleep("30 minutes")
        expect(yield* stored).toMatchObject({ State: "writes-refused", RefusedWrites: 40, HeldDeletes: 0 })
        yield* remove(source, ...named(55).slice(40))
        yield* until(Effect.map(keys(destination), (all) => all.length === 85))
        expect(yield* stored).toMatchObject({ State: "writes-refused", RefusedWrites: 40, HeldDeletes: 0 })
        expect(Events.of(instance, "WritesAccepted")).toEqual([])
        expect(Events.began(instance, "DeletesHeld")).toEqual([])
        yield* instance.network.heal
        yield* until(inSync)
        expect(yield* converged).toBe(true)
      }))

    it(`does not make deletes stay held when the source has their keys again, ${shardKeys} keys at once`, () =>
      Effect.gen(function* () {
        const instance = yield* synced(40, { shardKeys })
        yield* denying(instance, "global/1")
        yield* remove(source, "global/1")
        yield* until(refused)
        const rest = named(40).slice(5, 35)
        yield* remove(source, ...rest)
        yield* Effect.sleep("3 minutes")
        // Some of them may have gone before the loss was seen.
        expect(Number((yield* stored)["HeldDeletes"])).toBeGreaterThan(20)
        yield* put(source, ...rest)
        yield* until(Effect.map(stored, ({ HeldDeletes }) => HeldDeletes === 0))
        yield* Effect.sleep("10 minutes")
        expect(yield* stored).toMatchObject({ State: "writes-refused", HeldDeletes: 0, RefusedWrites: 1 })
        yield* remove(source, "global/2")
        yield* until(Effect.map(holds(destination, "global/2"), (is) => !is))
        yield* instance.network.heal
        yield* until(inSync)
        expect(yield* converged).toBe(true)
      }))
  }

  it("does not hold up the others in the end, however often it is tried", () =>
    Effect.gen(function* () {
      const instance = yield* synced(70)
      yield* denying(instance, ...named(64))
      const sim = yield* SimConsul.SimConsul
      yield* Effect.forEach(named(64), (key) => sim.put(source, key, "another"))
      yield* until(Effect.map(stored, ({ RefusedWrites }) => RefusedWrites === 64))
      yield* Effect.sleep("1 hour")
      expect(Events.troubles(instance, "Replication")).toEqual([])
      expect(yield* stored).toMatchObject({ State: "writes-refused", RefusedWrites: 64 })
    }))

  it("and others with it land as soon as one does", () =>
    Effect.gen(function* () {
      const instance = yield* synced(510)
      yield* denying(instance, ...named(500))
      const sim = yield* SimConsul.SimConsul
      yield* Effect.forEach(named(500), (key) => sim.put(source, key, "another"))
      yield* until(Effect.map(stored, ({ RefusedWrites }) => RefusedWrites === 500))
      yield* instance.network.heal
      expect(yield* until(inSync)).toBeLessThanOrEqual(61_000)
      expect(yield* converged).toBe(true)
    }))

  it("is not said to be repaired when others change it", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      const instance = yield* synced(5)
      yield* denying(instance, "global/1")
      for (const value of ["theirs", "others"]) {
        yield* sim.put(destination, "global/1", value)
        yield* Effect.sleep("3 minutes")
      }
      expect(yield* stored).toMatchObject({ State: "writes-refused", RefusedWrites: 1 })
      expect(Events.of(instance, "DriftFound")).toEqual([])
      yield* instance.network.heal
      yield* until(inSync)
      expect(yield* converged).toBe(true)
    }))

  it("is one too many where there are more than a thousand, which holds up everything", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(1_100))
      const instance = yield* World.instance()
      yield* denying(instance, ...named(1_100))
      yield* replicate(instance)
      yield* Effect.sleep("1 minute")
      expect(Events.odd(instance)).toMatchObject([
        {
          _tag: "Trouble",
          subject: { _tag: "Replication" },
          message: expect.stringMatching(
            /^Consul rolled the transaction back: "global\/\d+": Permission denied; .*; … /
          )
        }
      ])
      yield* instance.network.heal
      yield* until(inSync)
      expect(yield* converged).toBe(true)
    }))

  it("is said for what it is where it is the status", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(3))
      const instance = yield* World.instance()
      yield* denying(instance, World.status)
      yield* replicate(instance)
      yield* Effect.sleep("1 minute")
      expect(Events.odd(instance)).toMatchObject([
        {
          subject: { _tag: "Replication" },
          cause: "Denied",
          message: expect.stringContaining(`Permission denied for "${World.status}"`)
        }
      ])
    }))
})
