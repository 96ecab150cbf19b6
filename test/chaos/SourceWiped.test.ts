import * as Command from "@effect/platform/Command"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { expect, layer } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Program from "../program/Program.js"
import { describeConsul } from "../support/consul/DescribeConsul.js"
import * as RealConsul from "../support/consul/RealConsul.js"
import * as Store from "../support/consul/Store.js"
import * as Chaos from "./support/Chaos.js"
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

const said = (program: Program.Program, pattern: RegExp) =>
  Effect.map(program.log, (log) => log.filter((line) => pattern.test(line)).length)

const Checks = Schema.parseJson(Schema.Array(Schema.Struct({ Status: Schema.String })))

/** What Consul says of each of a pair's programs. */
const health = (pair: Pair.Pair) =>
  pair.destination.request("GET", `/v1/health/checks/${pair.service}`).pipe(
    Effect.flatMap(({ text }) => Schema.decode(Checks)(text)),
    Effect.map((checks) => checks.map(({ Status }) => Status)),
    Effect.orDie
  )

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
          expect(yield* said(program, /leading/)).toBe(1)
          yield* Figures.figure(ctx, `equal again after ${took} ms, a change after that in ${arrived} ms`)
        })
      )

      /** A pair that is in sync at an index which the source, once wiped, does not come near. */
      const copied = Effect.fnUntraced(function* (name: string, args: ReadonlyArray<string> = []) {
        const { nyc1, sfo1 } = yield* RealConsul.TwoDatacenters
        const pair = Pair.make(name, { source: nyc1, destination: sfo1 }, args)
        yield* pair.source.put(...entries(pair, 200, "before"))
        const program = yield* pair.start()
        for (let i = 0; i < 100; i++) yield* pair.source.put({ key: `${pair.prefix}round`, value: `${i}` })
        yield* pair.settle
        const before = yield* Store.eventually(replicated(pair), (index) => index > 0)
        const wipe = Effect.gen(function* () {
          yield* nyc1.wipe
          yield* nyc1.start
          yield* sfo1.reaches("nyc1")
        })
        return { before, pair, program, wipe }
      })

      it.scoped("wiped, where every delete is allowed, and later filled, it is copied as it is", (ctx) =>
        Effect.gen(function* () {
          const { before, pair, program, wipe } = yield* copied("wiped", ["-max-deletes=100%"])
          yield* wipe
          const emptied = yield* settled(pair)
          expect(yield* pair.destination.keys(pair.prefix)).toEqual([])

          yield* pair.source.put(...entries(pair, 50, "after"))
          const took = yield* settled(pair)
          expect((yield* pair.destination.value(`${pair.prefix}1`)) === "after 1").toBe(true)
          yield* Store.eventually(replicated(pair), (index) => index > 0 && index < before)
          const arrived = yield* pair.arrives("marker")
          expect(yield* said(program, /leading/)).toBe(1)
          yield* Figures.figure(
            ctx,
            `empty ${emptied} ms after the source was back, filled after ${took} ms, a change after that in ${arrived} ms; ` +
              `the index went from ${before} to ${yield* replicated(pair)}`
          )
        })
      )

      it.scoped("wiped, it takes nothing from the copy, which follows it again once it is filled", (ctx) =>
        Effect.gen(function* () {
          const { before, pair, program, wipe } = yield* copied("kept")
          const copy = yield* pair.destination.entries(pair.prefix)
          yield* wipe
          const since = yield* Clock.currentTimeMillis
          yield* program.says(/holding back the deletion of 201 of the 201 keys .*-max-deletes=50%/)
          const took = (yield* Clock.currentTimeMillis) - since
          const isKept = Effect.gen(function* () {
            const now = yield* pair.destination.entries(pair.prefix)
            return now.join() === copy.join()
          })
          expect(yield* isKept, "the copy when the source was back").toBe(true)
          const status = Effect.map(View.look(pair), (view) => Option.getOrUndefined(view.status))
          expect(yield* Store.eventually(status, (now) => now?.State === "deletes-held")).toMatchObject({
            LastReplicated: before
          })
          yield* Store.eventually(health(pair), (all) => all.join() === "warning")
          yield* Effect.sleep((yield* Chaos.sized({ short: 2, full: 15 })) * 1_000)
          expect(yield* isKept, "the copy later on").toBe(true)

          // What is there again is copied, and what is not yet stays.
          yield* pair.source.put(...entries(pair, 50, "after"))
          yield* Store.eventually(pair.destination.value(`${pair.prefix}1`), (value) => value === "after 1")
          expect(yield* pair.destination.keys(pair.prefix)).toHaveLength(201)
          yield* pair.source.put(...entries(pair, 150, "after"))
          yield* Store.eventually(
            pair.destination.value(`${pair.prefix}149`),
            (value) => value === "after 149"
          )
          expect(yield* pair.destination.keys(pair.prefix)).toHaveLength(201)
          yield* pair.source.put(...entries(pair, 200, "after"), {
            key: `${pair.prefix}round`,
            value: "after"
          })
          const settledAfter = yield* settled(pair)
          expect(yield* pair.destination.keys(pair.prefix)).toHaveLength(201)
          yield* program.says(/no deletes are held back any more/)
          yield* Store.eventually(status, (now) => now?.State === "in-sync")
          yield* Store.eventually(health(pair), (all) => all.join() === "passing")
          const arrived = yield* pair.arrives("marker")
          expect(yield* said(program, /leading/)).toBe(1)
          expect(yield* said(program, /holding back/)).toBe(1)
          yield* Figures.figure(
            ctx,
            `201 deletes held ${took} ms after the source was back, equal ${settledAfter} ms after three quarters of the keys ` +
              `were, a change after that in ${arrived} ms`
          )
        })
      )
    }
  )
})
