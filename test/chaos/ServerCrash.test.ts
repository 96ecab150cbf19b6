import * as NodeContext from "@effect/platform-node/NodeContext"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { describeConsul } from "../support/consul/DescribeConsul.js"
import * as RealConsul from "../support/consul/RealConsul.js"
import * as Chaos from "./support/Chaos.js"
import * as Churn from "./support/Churn.js"
import * as Figures from "./support/Figures.js"
import * as Pair from "./support/Pair.js"

describeConsul("servers that crash", () => {
  layer(Layer.merge(RealConsul.TwoDatacenters.layer, NodeContext.layer), { excludeTestServices: true })(
    (it) => {
      it.scoped("killed in turn under a load, and started again with their data, they end up equal", (ctx) =>
        Chaos.seeded(ctx, (seed) =>
          Effect.gen(function* () {
            const { nyc1, sfo1 } = yield* RealConsul.TwoDatacenters
            const rounds = yield* Chaos.sized({ short: 1, full: 4 })
            const pair = Pair.make("crash", { source: nyc1, destination: sfo1 })
            const churn = yield* Churn.start(pair, { keys: 500, pause: "20 millis", seed })
            const program = yield* pair.start()
            yield* program.says(/in sync/)

            const crash = Effect.fnUntraced(function* (server: RealConsul.Datacenter) {
              yield* server.kill
              yield* Effect.sleep("2 seconds")
              yield* server.start
              return yield* pair.arrives("marker")
            })
            const times: Array<{ readonly source: number; readonly destination: number }> = []
            for (let round = 0; round < rounds; round++) {
              times.push({ source: yield* crash(nyc1), destination: yield* crash(sfo1) })
            }
            // Both at once.
            yield* Effect.all([nyc1.kill, sfo1.kill], { concurrency: 2 })
            yield* Effect.all([nyc1.start, sfo1.start], { concurrency: 2 })
            const both = yield* pair.arrives("marker")

            const writes = yield* churn.stop
            yield* pair.settle
            // A crash is a handful of lines, however often something was tried meanwhile.
            const warnings = (yield* program.log).filter((line) => line.includes(" WARN ")).length
            expect(warnings).toBeLessThan(8 * (2 * rounds + 1))
            yield* Figures.figure(
              ctx,
              `${2 * rounds + 2} crashes under ${writes} transactions; a change arrived after the source's start in ` +
                `${Figures.millis(times.map(({ source }) => source))}, after the destination's in ` +
                `${Figures.millis(times.map(({ destination }) => destination))}, after both in ${Figures.millis([both])}; ` +
                `${warnings} warnings`
            )
          })
        )
      )
    }
  )
})
