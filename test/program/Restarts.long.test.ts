import * as NodeContext from "@effect/platform-node/NodeContext"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { describeConsul } from "../support/consul/DescribeConsul.js"
import * as RealConsul from "../support/consul/RealConsul.js"
import * as Store from "../support/consul/Store.js"
import * as Program from "./Program.js"

describeConsul("the program with a large prefix", () => {
  // An agent of its own, which refuses the 201st connection.
  layer(Layer.merge(RealConsul.TwoDatacenters.layer, NodeContext.layer))((it) => {
    it.scoped("started again and again within a minute, it finds room for its queries each time", () =>
      Effect.gen(function* () {
        const { nyc1, sfo1 } = yield* RealConsul.TwoDatacenters
        const [source, destination] = [Store.at(nyc1.address), Store.at(sfo1.address)]
        // 50 folders, each a part with a query of its own.
        const folders = Array.from({ length: 50 }, (_, i) => `global/f${String(i).padStart(2, "0")}/`)
        const entries = folders.flatMap((folder) =>
          Array.from({ length: 500 }, (_, i) => ({ key: `${folder}${i}`, value: "1" }))
        )
        yield* source.put(...entries)
        for (let start = 1; start <= 6; start++) {
          const program = yield* Program.start(["-src=nyc1", `-addr=${sfo1.address}`])
          yield* program.says(/in sync/)
          yield* source.put({ key: `${folders[start]}7`, value: String(start + 1) })
          yield* program.says(/replicated 1 write/)
          yield* program.signal("SIGTERM")
          expect(yield* program.exit).toEqual(Option.some(0))
          expect((yield* program.log).filter((line) => line.includes("WARN"))).toEqual([])
        }
        yield* Store.converge(source, destination, "global/")
      })
    )
  })
})
