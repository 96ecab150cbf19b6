import * as Headers from "@effect/platform/Headers"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { describeConsul } from "../consul/describeConsul.js"
import * as RealConsul from "../consul/RealConsul.js"
import * as Network from "../support/Network.js"
import * as Figures from "./support/Figures.js"
import * as Pair from "./support/Pair.js"
import * as Proxy from "./support/Proxy.js"

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
}

const index = "x-consul-index"

const withoutIndex = (headers: Answer["headers"]) => Headers.remove(Headers.fromInput(headers), index)

const page = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"

/** What is put in the place of an answer that tells of keys. */
const lies: Readonly<Record<string, (truth: Answer) => Answer>> = {
  "404 without an index": ({ headers }) => ({ status: 404, headers: withoutIndex(headers), text: "" }),
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
  "no index": (truth) => ({ ...truth, headers: withoutIndex(truth.headers) }),
  "index 0": (truth) => ({ ...truth, headers: { ...truth.headers, [index]: "0" } }),
  "index -1": (truth) => ({ ...truth, headers: { ...truth.headers, [index]: "-1" } }),
  "500": () => ({ status: 500, headers: {}, text: "rpc error making call: EOF" }),
  "502": () => ({ status: 502, headers: { "content-type": "text/html" }, text: page })
}

describeConsul("a proxy that answers for the source", () => {
  layer(Layer.merge(RealConsul.TwoDatacenters.layer, NodeContext.layer), { excludeTestServices: true })(
    (it) => {
      const world = Effect.fnUntraced(function* (name: string) {
        const { nyc1, sfo1 } = yield* RealConsul.TwoDatacenters
        const pair = Pair.make(name, { source: nyc1, destination: sfo1 })
        const proxy = yield* Proxy.make(sfo1.address)
        let lie: ((truth: Answer) => Answer) | undefined
        let told = 0
        // The answer of a query that is blocked already is replaced too.
        const liar: Network.Fault = (sent, pass) =>
          Effect.flatMap(pass, (truth) =>
            Effect.flatMap(truth.text, (text) => {
              if (lie === undefined) return Effect.succeed(truth)
              told += 1
              const {
                headers,
                status,
                text: said
              } = lie({ status: truth.status, headers: truth.headers, text })
              return Network.answer(status, said, headers)(sent, pass)
            })
          )
        yield* proxy.network.disturb(Network.on(/^GET \/v1\/kv\/.*[?&]dc=nyc1/, liar))
        const tell = (next: typeof lie) =>
          Effect.sync(() => {
            lie = next
            told = 0
          })
        const entries = (round: number) =>
          Array.from({ length: 30 }, (_, i) => ({ key: `${pair.prefix}${i}`, value: `round ${round}` }))
        return { pair, proxy, tell, entries, told: Effect.sync(() => told) }
      })

      it.scoped("is not believed by a program that follows, which goes on afterwards", (ctx) =>
        Effect.gen(function* () {
          const { entries, pair, proxy, tell, told } = yield* world("follows")
          yield* pair.source.put(...entries(0))
          const program = yield* pair.start(proxy.address)
          yield* pair.settle
          const times: Array<number> = []
          for (const [i, [name, lie]] of Object.entries(lies).entries()) {
            yield* program.says(/in sync/)
            const before = yield* pair.destination.entries(pair.prefix)
            yield* tell(lie)
            // Wakes the query that is blocked.
            yield* pair.source.put(...entries(i + 1))
            yield* Effect.sleep("600 millis")
            expect(yield* told, `answers of ${name}`).toBeGreaterThan(1)
            const after = yield* pair.destination.entries(pair.prefix)
            expect(after.join() === before.join(), `the destination as it was, after ${name}`).toBe(true)
            yield* tell(undefined)
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
          const { entries, pair, proxy, tell, told } = yield* world("compares")
          yield* pair.source.put(...entries(0))
          yield* pair.destination.put(...entries(1))
          const before = yield* pair.destination.entries(pair.prefix)
          for (const [name, lie] of Object.entries(lies)) {
            yield* tell(lie)
            const program = yield* pair.start(proxy.address)
            yield* program.says(/waiting for the source/)
            yield* Effect.sleep("100 millis")
            expect(yield* told, `answers of ${name}`).toBeGreaterThan(0)
            const after = yield* pair.destination.entries(pair.prefix)
            expect(after.join() === before.join(), `the destination as it was, after ${name}`).toBe(true)
            yield* program.signal("SIGTERM")
            yield* program.exit
          }
          yield* tell(undefined)
          yield* pair.start(proxy.address)
          yield* pair.settle
          yield* Figures.figure(ctx, `${Object.keys(lies).length} kinds of wrong answers`)
        })
      )
    }
  )
})
