import * as NodeContext from "@effect/platform-node/NodeContext"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Program from "../program/Program.js"
import { describeConsul } from "../support/consul/DescribeConsul.js"
import * as RealConsul from "../support/consul/RealConsul.js"
import * as Chaos from "./support/Chaos.js"
import * as Figures from "./support/Figures.js"
import * as History from "./support/History.js"
import * as Load from "./support/Load.js"
import * as Pair from "./support/Pair.js"
import * as View from "./support/View.js"

describeConsul("values that change while they are copied", () => {
  layer(Layer.merge(RealConsul.TwoDatacenters.layer, NodeContext.layer), { excludeTestServices: true })(
    (it) => {
      it.scoped(
        "a first copy of 5,000 keys under a heavy writer holds what the source held, and ends equal",
        (ctx) =>
          Chaos.seeded(ctx, (seed) =>
            Effect.gen(function* () {
              const { nyc1, sfo1 } = yield* RealConsul.TwoDatacenters
              const rounds = yield* Chaos.sized({ short: 1, full: 4 })
              for (let round = 1; round <= rounds; round++) {
                const pair = Pair.make(`copied-${round}`, { source: nyc1, destination: sfo1 })
                const load = { keys: 5_000, changes: 63, pause: "1 millis", bytes: 500, seed } as const
                const writer = yield* Load.start(pair, load)
                const program = yield* pair.start()
                let partly = 0
                const fitting = Effect.gen(function* () {
                  const view = yield* View.look(pair)
                  const history = yield* writer.history
                  const found = History.violationOfEach(history, view)
                  expect(Option.getOrElse(found, () => "")).toBe("")
                  if (!HashMap.isEmpty(view.contents) && Option.isSome(History.violationOfAll(history, view)))
                    partly++
                })
                yield* Effect.repeat(fitting, Schedule.upTo(Schedule.forever, "6 seconds"))
                yield* program.says(/in sync/)
                yield* writer.stop
                yield* pair.settle
                const history = yield* writer.history
                // Of a source that is watched in parts, the status follows a moment later.
                const last = yield* Effect.repeat(View.look(pair), {
                  until: (view) => Option.isNone(History.violationOfAll(history, view)),
                  schedule: Schedule.upTo(Schedule.spaced("200 millis"), Program.hung)
                }).pipe(Effect.zipRight(View.look(pair)))
                expect(Option.getOrElse(History.violationOfAll(history, last), () => "")).toBe("")
                const keys = HashMap.size(last.contents)
                yield* program.signal("SIGTERM")
                yield* program.exit
                yield* Figures.figure(
                  ctx,
                  `${keys} keys, ${history.length} states of the source, ${partly} looks between transactions`
                )
              }
            })
          )
      )
    }
  )
})
