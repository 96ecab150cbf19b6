import * as NodeContext from "@effect/platform-node/NodeContext"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { describeConsul } from "../support/consul/DescribeConsul.js"
import * as RealConsul from "../support/consul/RealConsul.js"
import * as Store from "../support/consul/Store.js"
import * as Figures from "./support/Figures.js"
import * as Liar from "./support/Liar.js"
import * as Pair from "./support/Pair.js"

const page = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"

/** What is put in the place of an answer that tells of keys. */
const lies: Readonly<Record<string, Liar.Lie>> = {
  "404 without an index": ({ headers }) => ({ status: 404, headers: Liar.withoutIndex(headers), text: "" }),
  "404 with a text": ({ headers }) => ({ status: 404, headers, text: "404 page not found" }),
  "an empty list": (truth) => ({ ...truth, text: "[]" }),
  null: (truth) => ({ ...truth, text: "null" }),
  nothing: (truth) => ({ ...truth, text: "" }),
  "half a document": (truth) => ({ ...truth, text: truth.text.slice(0, truth.text.length >> 1) }),
  "a document that ends between two keys": (truth) => ({
    ...truth,
    text: truth.text.replace(/\},\{.*/s, "}")
  }),
  "a page": () => ({ status: 200, headers: { "content-type": "text/html" }, text: page }),
  "a page with the index": ({ headers }) => ({ status: 200, headers, text: page }),
  "no index": (truth) => ({ ...truth, headers: Liar.withoutIndex(truth.headers) }),
  "index 0": (truth) => ({ ...truth, headers: { ...truth.headers, [Liar.index]: "0" } }),
  "index -1": (truth) => ({ ...truth, headers: { ...truth.headers, [Liar.index]: "-1" } }),
  "500": () => ({ status: 500, headers: {}, text: "rpc error making call: EOF" }),
  "502": () => ({ status: 502, headers: { "content-type": "text/html" }, text: page })
}

describeConsul("a proxy that answers for the source", () => {
  layer(Layer.merge(RealConsul.TwoDatacenters.layer, NodeContext.layer), { excludeTestServices: true })(
    (it) => {
      const world = Effect.fnUntraced(function* (name: string) {
        const { nyc1, sfo1 } = yield* RealConsul.TwoDatacenters
        const pair = Pair.make(name, { source: nyc1, destination: sfo1 })
        const liar = yield* Liar.make(sfo1.address, nyc1.name)
        const entries = (round: number) =>
          Array.from({ length: 30 }, (_, i) => ({ key: `${pair.prefix}${i}`, value: `round ${round}` }))
        return { pair, liar, entries }
      })

      it.scoped("is not believed by a program that follows, which goes on afterwards", (ctx) =>
        Effect.gen(function* () {
          const { entries, liar, pair } = yield* world("follows")
          yield* pair.source.put(...entries(0))
          const program = yield* pair.start(liar.address)
          yield* pair.settle
          const times: Array<number> = []
          for (const [i, [name, lie]] of Object.entries(lies).entries()) {
            yield* program.says(/in sync/)
            const before = yield* pair.destination.entries(pair.prefix)
            // What has blocked for that long is asked again soon.
            yield* Effect.sleep("1100 millis")
            yield* liar.tell(lie)
            // Wakes the query that is blocked.
            yield* pair.source.put(...entries(i + 1))
            yield* Store.eventually(liar.told, (answers) => answers > 1)
            yield* Effect.sleep("100 millis")
            const after = yield* pair.destination.entries(pair.prefix)
            expect(after.join() === before.join(), `the destination as it was, after ${name}`).toBe(true)
            yield* liar.honest
            times.push(yield* pair.arrives("marker"))
            yield* pair.settle
          }
          expect((yield* program.log).filter((line) => line.includes("leading"))).toHaveLength(1)
          yield* Figures.figure(
            ctx,
            `${times.length} kinds of wrong answers; a change arrived after at most ${Math.max(...times)} ms`
          )
        })
      )

      it.scoped("is not believed by a program that compares for the first time", (ctx) =>
        Effect.gen(function* () {
          const { entries, liar, pair } = yield* world("compares")
          yield* pair.source.put(...entries(0))
          yield* pair.destination.put(...entries(1))
          const before = yield* pair.destination.entries(pair.prefix)
          for (const [name, lie] of Object.entries(lies)) {
            yield* liar.tell(lie)
            const program = yield* pair.start(liar.address)
            yield* program.says(/waiting for the source/)
            yield* Store.eventually(liar.told, (answers) => answers > 0)
            yield* Effect.sleep("100 millis")
            const after = yield* pair.destination.entries(pair.prefix)
            expect(after.join() === before.join(), `the destination as it was, after ${name}`).toBe(true)
            yield* program.signal("SIGTERM")
            yield* program.exit
          }
          yield* liar.honest
          yield* pair.start(liar.address)
          yield* pair.settle
          yield* Figures.figure(ctx, `${Object.keys(lies).length} kinds of wrong answers`)
        })
      )
    }
  )
})
