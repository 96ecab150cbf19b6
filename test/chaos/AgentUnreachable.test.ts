import * as NodeContext from "@effect/platform-node/NodeContext"
import { expect, layer } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { describeConsul } from "../support/consul/DescribeConsul.js"
import * as RealConsul from "../support/consul/RealConsul.js"
import * as Store from "../support/consul/Store.js"
import * as Chaos from "./support/Chaos.js"
import * as Figures from "./support/Figures.js"
import * as History from "./support/History.js"
import * as Load from "./support/Load.js"
import * as Pair from "./support/Pair.js"
import * as View from "./support/View.js"
import * as Wire from "./support/Wire.js"

describeConsul("an agent that cannot be reached", () => {
  layer(Layer.merge(RealConsul.TwoDatacenters.layer, NodeContext.layer), { excludeTestServices: true })(
    (it) => {
      for (const trouble of ["refuse", "silence"] as const) {
        const what = { refuse: "refuses connections", silence: "lets nothing through and closes nothing" }
        it.scoped(
          `while it ${what[trouble]} the copy stands still, and afterwards it catches up`,
          (ctx) =>
            Chaos.seeded(ctx, (seed) =>
              Effect.gen(function* () {
                const { nyc1, sfo1 } = yield* RealConsul.TwoDatacenters
                const pair = Pair.make(trouble, { source: nyc1, destination: sfo1 })
                const wire = yield* Wire.make(sfo1.address)
                const load = yield* Load.start(pair, { keys: 60, changes: 10, pause: "20 millis", seed })
                const program = yield* pair.start(wire.address)
                yield* program.says(/in sync/)
                const fitting = Effect.gen(function* () {
                  const view = yield* View.look(pair)
                  const violation = History.violationOfAll(yield* load.history, view)
                  expect(Option.getOrElse(violation, () => "")).toBe("")
                  return view
                })

                yield* wire[trouble]
                // What was in the servers' hands by now has landed; the check ends the session after 3 s.
                yield* Effect.sleep("5 seconds")
                const { contents } = yield* fitting
                yield* Effect.sleep((yield* Chaos.sized({ short: 15, full: 55 })) * 1_000)
                expect(Equal.equals((yield* fitting).contents, contents)).toBe(true)
                yield* Store.eventually(pair.session, Option.isNone)

                const missed = (yield* load.history).at(-1)?.index ?? 0
                const before = yield* Clock.currentTimeMillis
                yield* wire.heal
                yield* Store.eventually(View.look(pair), ({ status }) =>
                  Option.exists(status, ({ LastReplicated }) => LastReplicated >= missed)
                )
                const took = (yield* Clock.currentTimeMillis) - before
                // What was sent into the silence has come late.
                yield* fitting
                yield* load.stop
                yield* pair.settle
                yield* fitting
                const warnings = (yield* program.log).filter((line) => line.includes(" WARN "))
                expect(warnings.length).toBeLessThan(8)
                yield* Figures.figure(
                  ctx,
                  `caught up ${took} ms after it was back; ${warnings.length} warnings`
                )
              })
            ),
          { concurrent: true }
        )
      }
    }
  )
})
