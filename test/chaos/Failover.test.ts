import * as NodeContext from "@effect/platform-node/NodeContext"
import { expect, layer } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Program from "../program/Program.js"
import { describeConsul } from "../support/consul/DescribeConsul.js"
import * as RealConsul from "../support/consul/RealConsul.js"
import * as Chaos from "./support/Chaos.js"
import * as Figures from "./support/Figures.js"
import * as Pair from "./support/Pair.js"

const count = (program: Program.Program, pattern: RegExp) =>
  Effect.map(program.log, (log) => log.filter((line) => pattern.test(line)).length)

describeConsul("failover", () => {
  layer(Layer.merge(RealConsul.TwoDatacenters.layer, NodeContext.layer), { excludeTestServices: true })(
    (it) => {
      for (const { signal, what } of [
        { signal: "SIGKILL", what: "a killed leader is replaced" },
        {
          signal: "SIGTERM",
          what: "a stopped leader has given the lock back when it is gone, and is replaced"
        }
      ] as const) {
        it.scoped(`${what}, three times of three`, (ctx) =>
          Effect.gen(function* () {
            const { nyc1, sfo1 } = yield* RealConsul.TwoDatacenters
            const pair = Pair.make(signal.toLowerCase(), { source: nyc1, destination: sfo1 })
            let leader = yield* pair.start()
            yield* leader.says(/in sync/)
            const times: Array<number> = []
            for (let i = 0; i < 3; i++) {
              const standby = yield* pair.start()
              yield* standby.says(/standing by/)
              const session = yield* pair.session
              const before = yield* Clock.currentTimeMillis
              yield* leader.signal(signal)
              expect(yield* leader.exit).toEqual(signal === "SIGTERM" ? Option.some(0) : Option.none())
              // Otherwise it would be held until the check, or the session, has lived out its time.
              if (signal === "SIGTERM") expect(yield* pair.session).not.toEqual(session)
              yield* pair.arrives("marker")
              times.push((yield* Clock.currentTimeMillis) - before)
              leader = standby
            }
            yield* pair.settle
            yield* Figures.figure(ctx, `after ${Figures.millis(times)}`)
          })
        )
      }
    }
  )

  layer(NodeContext.layer, { excludeTestServices: true })((it) => {
    it.scoped("an agent that is killed and started again costs no more than the lock does", (ctx) =>
      Effect.gen(function* () {
        const { nyc1, sfo1 } = yield* RealConsul.datacenters(["nyc1", "sfo1"], {
          own: { sfo1: { clients: 1 } }
        })
        const agent = sfo1.agents[1] ?? sfo1.agents[0]
        const pair = Pair.make("agent", { source: nyc1, destination: sfo1 })
        const program = yield* pair.start(agent.address)
        yield* program.says(/in sync/)
        const outages: Array<string> = []
        // For longer than the lock outlives it, too.
        const long = yield* Chaos.sized({ short: 5_000, full: 20_000 })
        for (const away of [0, long]) {
          const [before, session] = [yield* Clock.currentTimeMillis, yield* pair.session]
          const lost = yield* count(program, /lost the lock/)
          yield* agent.kill
          yield* Effect.sleep(away)
          yield* agent.start
          yield* pair.arrives("marker")
          const took = (yield* Clock.currentTimeMillis) - before
          const kept = Option.getEquivalence<string>((a, b) => a === b)(session, yield* pair.session)
          expect(yield* count(program, /lost the lock/), "times that the lock was lost").toBe(
            kept ? lost : lost + 1
          )
          outages.push(`${took} ms after it was killed for ${away} ms, the lock ${kept ? "kept" : "lost"}`)
        }
        yield* pair.settle
        yield* Figures.figure(ctx, `a change arrived ${outages.join(", and ")}`)
      })
    )
  })
})
