import * as NodeContext from "@effect/platform-node/NodeContext"
import { expect, layer } from "@effect/vitest"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Network from "../../src/testing/Network.js"
import { describeConsul } from "../support/consul/DescribeConsul.js"
import * as RealConsul from "../support/consul/RealConsul.js"
import * as Store from "../support/consul/Store.js"
import * as Chaos from "./support/Chaos.js"
import * as Figures from "./support/Figures.js"
import * as History from "./support/History.js"
import * as Load from "./support/Load.js"
import * as Pair from "./support/Pair.js"
import * as Proxy from "./support/Proxy.js"
import * as View from "./support/View.js"

const full = Network.answer(500, "rpc error making call: write /consul/raft/raft.db: no space left on device")

/** Says of most writes that the disk is full: of one before it lands, of the next after it has landed. */
const diskFull = (random: Random.Random) => {
  const counts = { before: 0, after: 0, passed: 0 }
  const fault: Network.Fault = (sent, pass) =>
    Effect.flatMap(random.next, (dice) => {
      const kind = dice < 0.4 ? "passed" : counts.before > counts.after ? "after" : "before"
      counts[kind]++
      if (kind === "passed") return pass
      return kind === "before" ? full(sent, pass) : Effect.zipRight(pass, full(sent, pass))
    })
  return { counts, fault }
}

describeConsul("a destination that refuses writes", () => {
  layer(Layer.merge(RealConsul.TwoDatacenters.layer, NodeContext.layer), { excludeTestServices: true })(
    (it) => {
      for (const { atomic, load, name, violation, what } of [
        {
          name: "transactions",
          what: "its disk full, it is at every moment as the source once was",
          load: { keys: 60, changes: 10, pause: "20 millis" },
          violation: History.violationOfAll,
          atomic: true
        },
        {
          name: "large",
          what: "its disk full for large values and batches, it holds nothing that the source did not",
          load: { keys: 200, changes: 63, pause: "20 millis", largeEach: 10 },
          violation: History.violationOfEach,
          atomic: false
        }
      ] as const) {
        it.scoped(
          what,
          (ctx) =>
            Chaos.seeded(ctx, (seed) =>
              Effect.gen(function* () {
                const { nyc1, sfo1 } = yield* RealConsul.TwoDatacenters
                const pair = Pair.make(name, { source: nyc1, destination: sfo1 })
                const proxy = yield* Proxy.make(sfo1.address)
                const { counts, fault } = diskFull(Random.make(`${seed} ${name}`))
                const writes = new RegExp(`^PUT /v1/(txn|kv/${pair.prefix})`)
                yield* proxy.network.disturb(Network.on(writes, fault))
                const writer = yield* Load.start(pair, { ...load, seed })
                const program = yield* pair.start(proxy.address)
                const fitting = Effect.gen(function* () {
                  const view = yield* View.look(pair)
                  const found = violation(yield* writer.history, view)
                  expect(Option.getOrElse(found, () => "")).toBe("")
                })
                const seconds = yield* Chaos.sized({ short: 5, full: 30 })
                yield* Effect.repeat(fitting, Schedule.upTo(Schedule.spaced("50 millis"), seconds * 1_000))
                // However slow the machine is.
                const landed = Effect.map(fitting, () => counts.after)
                yield* Store.eventually(landed, (some) => some > 0)

                yield* proxy.network.heal
                yield* writer.stop
                yield* pair.settle
                yield* fitting
                const log = yield* program.log
                const led = log.filter((line) => line.includes("leading")).length
                // A large value that may have landed or not costs the lock, a transaction never does.
                if (atomic) expect(led).toBe(1)
                yield* Figures.figure(
                  ctx,
                  `${counts.before} writes refused, ${counts.after} landed and refused, ${counts.passed} passed; led ${led} times`
                )
              })
            ),
          { concurrent: true }
        )
      }
    }
  )

  layer(NodeContext.layer, { excludeTestServices: true })((it) => {
    it.scoped("takes less in a transaction than usual: it gets as much as it takes", (ctx) =>
      Effect.gen(function* () {
        const limits = { txn_max_req_len: 65_536, kv_max_value_size: 65_536 }
        const { nyc1, sfo1 } = yield* RealConsul.datacenters(["nyc1", "sfo1"], {
          own: { sfo1: { config: { limits } } }
        })
        const pair = Pair.make("limits", { source: nyc1, destination: sfo1 })
        const entries = Array.from({ length: 300 }, (_, i) => ({
          key: `${pair.prefix}${i}`,
          value: "x".repeat(i % 10 === 0 ? 40_000 : 2_000)
        }))
        for (const some of Arr.chunksOf(entries, 20)) yield* pair.source.put(...some)
        // Fits no transaction there, but a PUT of its own.
        yield* pair.source.put({ key: `${pair.prefix}large`, value: "x".repeat(60_000) })
        const program = yield* pair.start()
        yield* pair.settle
        const lowered = (yield* program.log).filter((line) => line.includes("takes smaller transactions"))
        expect(lowered).toHaveLength(1)

        yield* pair.source.put({ key: `${pair.prefix}too-large`, value: "x".repeat(70_000) })
        yield* program.says(/1 key did not land, .*"limits\/too-large" is too large for the destination/)
        yield* pair.source.delete(`${pair.prefix}too-large`)
        const arrived = yield* pair.arrives("marker")
        yield* pair.settle
        yield* Figures.figure(
          ctx,
          `a change arrived ${arrived} ms after a value that it never takes was gone`
        )
      })
    )
  })
})
