import * as NodeContext from "@effect/platform-node/NodeContext"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import { describeConsul } from "../support/consul/DescribeConsul.js"
import * as RealConsul from "../support/consul/RealConsul.js"
import * as Store from "../support/consul/Store.js"
import * as Chaos from "./support/Chaos.js"
import * as Figures from "./support/Figures.js"
import * as History from "./support/History.js"
import * as Load from "./support/Load.js"
import * as Pair from "./support/Pair.js"
import * as View from "./support/View.js"

/** Where the kills found the program, to see that they meet all that it does. */
interface Met {
  readonly standing: number
  readonly comparing: number
  readonly between: number
  /** Between transactions too, beside a checkpoint of the pass before. */
  readonly ahead: number
  readonly inSync: number
}

const place = (before: View.View, view: View.View, mixed: boolean): keyof Met =>
  mixed
    ? Option.exists(view.status, ({ State }) => State === "in-sync")
      ? "ahead"
      : "between"
    : Option.match(view.status, {
        onNone: () => "standing",
        onSome: ({ Session, State }) =>
          State === "comparing" ? "comparing" : Session === sessionOf(before) ? "standing" : "inSync"
      })

const sessionOf = ({ status }: Pick<View.View, "status">) =>
  Option.match(status, { onNone: () => "", onSome: ({ Session }) => Session })

const sessionOfStatus = (pair: Pair.Pair) =>
  Effect.map(pair.destination.value(pair.status), (text = "") => /"Session":"([^"]+)"/.exec(text)?.[1] ?? "")

const isNot = (view: View.View) => (session: string) => session !== sessionOf(view)

describeConsul("killed at random moments", () => {
  layer(Layer.merge(RealConsul.TwoDatacenters.layer, NodeContext.layer), { excludeTestServices: true })(
    (it) => {
      /** Kills one program after another, and looks at the destination after each. */
      const killing = Effect.fnUntraced(function* (options: {
        readonly name: string
        readonly kills: number
        readonly seed: number
        readonly load: Omit<Load.Options, "seed">
        readonly violation: (history: History.History, view: View.View) => Option.Option<string>
      }) {
        const { kills, load, name, seed, violation } = options
        const { nyc1, sfo1 } = yield* RealConsul.TwoDatacenters
        const pair = Pair.make(name, { source: nyc1, destination: sfo1 })
        const foreign = Pair.foreignTo(pair)
        yield* pair.source.put(...foreign.map((key) => ({ key, value: "the source's own" })))
        yield* pair.destination.put(...foreign.map((key) => ({ key, value: "not to be touched" })))
        const writer = yield* Load.start(pair, { ...load, seed })
        const random = Random.make(`${seed} kills of ${name}`)

        let before = yield* View.look(pair)
        const { foreign: untouched } = before
        const met = { standing: 0, comparing: 0, between: 0, ahead: 0, inSync: 0 }
        for (let kill = 1; kill <= kills; kill++) {
          const program = yield* pair.start()
          // Any moment; one soon after it leads, where it compares and lands what has piled up; and, every other time,
          // one after it has written its status: however slow the machine is, that kill meets it at work.
          const dice = yield* random.next
          if (dice < 0.25) yield* Effect.sleep(yield* random.nextIntBetween(250, 1_500))
          else {
            yield* program.says(/leading/)
            if (dice > 0.5) yield* Store.eventually(sessionOfStatus(pair), isNot(before))
            yield* Effect.sleep(yield* random.nextIntBetween(0, 150))
          }
          yield* program.signal("SIGKILL")
          yield* program.exit
          const view = yield* View.look(pair)
          const history = yield* writer.history
          const found = violation(history, view)
          expect(
            Option.getOrElse(found, () => ""),
            `after kill ${kill}`
          ).toBe("")
          expect(view.foreign, `foreign keys after kill ${kill}`).toBe(untouched)
          met[place(before, view, Option.isSome(History.violationOfAll(history, view)))]++
          before = view
          // Its check would end the session in 3 s. Some wait for that; for the others it is done at once.
          const session = yield* pair.session
          if (Option.isSome(session) && (yield* random.next) < 0.9) {
            yield* pair.destination.request("PUT", `/v1/session/destroy/${session.value}`)
          }
        }

        expect(met.standing, "kills that met nothing").toBeLessThan(kills)
        yield* writer.stop
        yield* pair.start()
        yield* pair.settle
        const history = yield* writer.history
        const last = yield* View.look(pair)
        expect(HashMap.size(last.contents)).toBe(HashMap.size(history.at(-1)?.state ?? HashMap.empty()))
        expect(Option.getOrElse(History.violationOfAll(history, last), () => "")).toBe("")
        expect(last.foreign).toBe(untouched)
        return (
          `${kills} kills survived (${met.standing} before its status, ${met.comparing} while comparing, ` +
          `${met.between + met.ahead} between transactions, ${met.ahead} of those beside a checkpoint of the pass before, ` +
          `${met.inSync} in sync), ${history.length} states of the source`
        )
      })

      it.scoped("a destination whose changes fit one transaction always is as the source once was", (ctx) =>
        Chaos.seeded(ctx, (seed) =>
          Effect.gen(function* () {
            const kills = yield* Chaos.sized({ short: 8, full: 50 })
            // With the key that numbers the rounds 61: whatever has changed meanwhile fits one transaction.
            const load = { keys: 60, changes: 10, pause: "10 millis" } as const
            const violation = History.violationOfAll
            yield* Figures.figure(ctx, yield* killing({ name: "narrow", kills, seed, load, violation }))
          })
        )
      )

      it.scoped("larger changes land in parts, and the checkpoint never tells more than has landed", (ctx) =>
        Chaos.seeded(ctx, (seed) =>
          Effect.gen(function* () {
            const kills = yield* Chaos.sized({ short: 7, full: 50 })
            const load = { keys: 1_500, changes: 63, pause: "5 millis", bytes: 1_000, largeEach: 40 } as const
            const violation = History.violationOfEach
            yield* Figures.figure(ctx, yield* killing({ name: "wide", kills, seed, load, violation }))
          })
        )
      )
    }
  )
})
