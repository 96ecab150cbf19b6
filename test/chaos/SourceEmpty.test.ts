import * as Crypto from "node:crypto"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { expect, layer } from "@effect/vitest"
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { describeConsul } from "../support/consul/DescribeConsul.js"
import * as RealConsul from "../support/consul/RealConsul.js"
import * as Store from "../support/consul/Store.js"
import * as Chaos from "./support/Chaos.js"
import * as Figures from "./support/Figures.js"
import * as Liar from "./support/Liar.js"
import * as Pair from "./support/Pair.js"

interface Emptiness {
  readonly lie: Liar.Lie
  readonly said: RegExp
  /** By a program that compares for the first time, where that is another thing. */
  readonly first?: RegExp
}

const allHeld = /holding back the deletion of (\d+) of the \1 keys .*-max-deletes=50%/
const someHeld = /holding back the deletion of \d+ of the \d+ keys .*-max-deletes=50%/
/** The lie is never believed, and the change that woke the query is copied; where a plain answer came so far, it is refuted. */
const seenThrough =
  /nyc1 answered without \d+ keys? that a consistent read then found: they stay|replicated \d+ writes?/
const noAnswer = /waiting for the source nyc1: the answer is not one of Consul's/

const absent: Liar.Lie = ({ headers }) => ({ status: 404, headers, text: "" })

const entriesOf = Schema.decodeSync(Schema.parseJson(Schema.Array(Schema.Unknown)))

/** What a source says that has lost its keys, and what is said of it. */
const emptinesses: Readonly<Record<string, Emptiness>> = {
  "404 with the index": { lie: absent, said: allHeld },
  "404 with an index of another history": {
    lie: (truth) => ({ ...absent(truth, ""), headers: { ...truth.headers, [Liar.index]: "1" } }),
    said: allHeld
  },
  "404, and the truth to who reads consistently": {
    lie: (truth, target) => (/[?&]consistent\b/.test(target) ? truth : absent(truth, target)),
    said: seenThrough,
    // It begins with a consistent read.
    first: /in sync/
  },
  "an empty list": { lie: (truth) => ({ ...truth, text: "[]" }), said: noAnswer },
  "a third of the keys": {
    lie: (truth) => ({
      ...truth,
      text: JSON.stringify(entriesOf(truth.text).filter((_, i) => i % 3 === 0))
    }),
    said: someHeld
  }
}

const Created = Schema.parseJson(
  Schema.Array(Schema.Struct({ Key: Schema.String, CreateIndex: Schema.Number }))
)

describeConsul("a source that seems to be empty", () => {
  layer(Layer.merge(RealConsul.TwoDatacenters.layer, NodeContext.layer), { excludeTestServices: true })(
    (it) => {
      it.scoped("loses no key of the copy, whoever follows it or compares for the first time", (ctx) =>
        Effect.gen(function* () {
          const { nyc1, sfo1 } = yield* RealConsul.TwoDatacenters
          const pair = Pair.make("empty", { source: nyc1, destination: sfo1 })
          const liar = yield* Liar.make(sfo1.address, nyc1.name)
          // In full as many as the older tool once deleted.
          const keys = yield* Chaos.sized({ short: 2_000, full: 127_739 })
          const seconds = yield* Chaos.sized({ short: 1, full: 3 })
          const entries = Array.from({ length: keys }, (_, i) => ({
            key: `${pair.prefix}k/${i}`,
            value: `value ${i}`
          }))
          for (const some of Arr.chunksOf(entries, 1_000)) yield* pair.source.put(...some)

          /** Changes when a key is deleted, even if it is written again. */
          const footprint = Effect.gen(function* () {
            const { text } = yield* pair.destination.request("GET", `/v1/kv/${pair.prefix}k/?recurse`)
            const created = yield* Effect.orDie(Schema.decode(Created)(text))
            expect(created).toHaveLength(keys)
            const lines = created.map(({ CreateIndex, Key }) => `${Key} ${CreateIndex}`)
            return Crypto.createHash("sha1").update(lines.join()).digest("hex")
          })

          let program = yield* pair.start(liar.address)
          yield* program.says(/in sync/)
          const before = yield* footprint
          const arrivals: Array<number> = []
          for (const [name, { lie, said }] of Object.entries(emptinesses)) {
            const { length } = yield* program.log
            yield* liar.tell(lie)
            // Wakes a query that is blocked; it may be that none is yet.
            const wake = Effect.flatMap(Clock.currentTimeMillis, (now) =>
              pair.source.put({ key: `${pair.prefix}wake`, value: `${name} ${now}` })
            )
            const told = Effect.zipRight(wake, Effect.delay(liar.told, "500 millis"))
            yield* Store.eventually(told, (answers) => answers > 0)
            // A part that was quiet is asked whether it has moved, and then read consistently: it takes another change
            // before its keys come with an answer that can be doubted.
            const woken = Effect.zipRight(wake, Effect.delay(program.log, "500 millis"))
            yield* Store.eventually(woken, (log) => log.slice(length).some((line) => said.test(line)))
            yield* Effect.sleep(seconds * 1_000)
            expect(yield* liar.told, `answers of ${name}`).toBeGreaterThan(0)
            yield* liar.honest
            arrivals.push(yield* pair.arrives("marker"))
            expect(yield* footprint, `the destination after ${name}`).toBe(before)
          }
          expect((yield* program.log).filter((line) => line.includes("leading"))).toHaveLength(1)

          for (const [name, { first, lie, said }] of Object.entries(emptinesses)) {
            yield* program.signal("SIGTERM")
            yield* program.exit
            yield* liar.tell(lie)
            program = yield* pair.start(liar.address)
            yield* program.says(first ?? said)
            yield* Effect.sleep(seconds * 1_000)
            expect(yield* footprint, `the destination while it starts with ${name}`).toBe(before)
            yield* liar.honest
            arrivals.push(yield* pair.arrives("marker"))
            expect(yield* footprint, `the destination after it started with ${name}`).toBe(before)
          }
          const since = yield* Clock.currentTimeMillis
          yield* pair.settle
          yield* Figures.figure(
            ctx,
            `${keys} keys, ${arrivals.length} times for ${seconds} s: none was deleted; a change arrived after at most ` +
              `${Math.max(...arrivals)} ms; equal after ${(yield* Clock.currentTimeMillis) - since} ms more`
          )
        })
      )
    }
  )
})
