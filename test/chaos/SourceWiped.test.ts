import * as Command from "@effect/platform/Command"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { expect, layer } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Program from "../cli/Program.js"
import { describeConsul } from "../consul/describeConsul.js"
import * as RealConsul from "../consul/RealConsul.js"
import * as Store from "../consul/Store.js"
import * as Figures from "./support/Figures.js"
import * as Pair from "./support/Pair.js"
import * as View from "./support/View.js"

/** As many keys with values that tell when they were written. */
const entries = (pair: Pair.Pair, keys: number, era: string) =>
  Array.from({ length: keys }, (_, i) => ({ key: `${pair.prefix}${i}`, value: `${era} ${i}` }))

const replicated = (pair: Pair.Pair) =>
  Effect.map(View.look(pair), ({ status }) =>
    Option.match(status, { onNone: () => 0, onSome: ({ LastReplicated }) => LastReplicated })
  )

const settled = (pair: Pair.Pair) =>
  Effect.gen(function* () {
    const before = yield* Clock.currentTimeMillis
    yield* pair.settle
    return (yield* Clock.currentTimeMillis) - before
  })

describeConsul("a source whose index goes backwards", () => {
  layer(Layer.merge(RealConsul.TwoDatacenters.layer, NodeContext.layer), { excludeTestServices: true })(
    (it) => {
      it.scoped("restored from a snapshot, it is copied as it was then, and as it goes on", (ctx) =>
        Effect.gen(function* () {
          const { nyc1, sfo1 } = yield* RealConsul.TwoDatacenters
          const pair = Pair.make("restored", { source: nyc1, destination: sfo1 })
          const folder = yield* Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())
          const binary = yield* RealConsul.binary
          const snapshot = (verb: "save" | "restore") =>
            Program.capture(
              Command.make(binary, "snapshot", verb, `-http-addr=${nyc1.address}`, `${folder}/snapshot`)
            ).pipe(Effect.filterOrDieMessage(({ code }) => code === 0, `snapshot ${verb} failed`))

          yield* pair.source.put(...entries(pair, 100, "before"))
          yield* snapshot("save")
          const program = yield* pair.start()
          yield* pair.source.put(...entries(pair, 150, "after"))
          yield* pair.source.delete(`${pair.prefix}0`, `${pair.prefix}99`)
          yield* pair.settle
          const before = yield* replicated(pair)

          yield* snapshot("restore")
          const took = yield* settled(pair)
          expect(yield* pair.destination.keys(pair.prefix)).toHaveLength(100)
          yield* Store.eventually(replicated(pair), (index) => index < before)
          const arrived = yield* pair.arrives("marker")
          expect((yield* program.log).filter((line) => line.includes("leading"))).toHaveLength(1)
          yield* Figures.figure(ctx, `equal again after ${took} ms, a change after that in ${arrived} ms`)
        })
      )

      it.scoped("wiped, and later filled with other values, it is copied as it is", (ctx) =>
        Effect.gen(function* () {
          const { nyc1, sfo1 } = yield* RealConsul.TwoDatacenters
          const pair = Pair.make("wiped", { source: nyc1, destination: sfo1 })
          yield* pair.source.put(...entries(pair, 200, "before"))
          const program = yield* pair.start()
          // Far enough for the new source not to get there.
          for (let i = 0; i < 100; i++) yield* pair.source.put({ key: `${pair.prefix}round`, value: `${i}` })
          yield* pair.settle
          const before = yield* replicated(pair)

          yield* nyc1.wipe
          yield* nyc1.start
          yield* sfo1.reaches("nyc1")
          const emptied = yield* settled(pair)
          expect(yield* pair.destination.keys(pair.prefix)).toEqual([])

          yield* pair.source.put(...entries(pair, 50, "after"))
          const took = yield* settled(pair)
          expect(yield* pair.destination.value(`${pair.prefix}1`)).toBe("after 1")
          yield* Store.eventually(replicated(pair), (index) => index > 0 && index < before)
          const arrived = yield* pair.arrives("marker")
          expect((yield* program.log).filter((line) => line.includes("leading"))).toHaveLength(1)
          yield* Figures.figure(
            ctx,
            `empty ${emptied} ms after the source was back, filled after ${took} ms, a change after that in ${arrived} ms; ` +
              `the index went from ${before} to ${yield* replicated(pair)}`
          )
        })
      )
    }
  )
})
