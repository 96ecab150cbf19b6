/**
 * Plays histories of replication among faults, each from its seed, and stops at the first that breaks a promise.
 *
 *     npm run simulate -- --seeds 10000 --from 1     many
 *     npm run simulate -- --seed 177 --verbose       one, told in full
 *     npm run simulate -- --mistakes --seeds 20      which seed finds each planted mistake, and how many of the 20 that fit it
 *     npm run simulate -- --mistakes --first         only the first seed, of up to `--seeds`
 *     npm run simulate -- --trial "slow link"        with this odd thing in every history; `none` for without any
 *     npm run simulate -- --on                       on after a violation, with a line for each
 */
import { parseArgs } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Bundle from "../test/simulation/Bundle.js"
import * as Plan from "../test/simulation/Plan.js"
import * as Report from "../test/simulation/Report.js"
import * as Trials from "../test/simulation/Trials.js"

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "300" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    verbose: { type: "boolean", default: false },
    mistakes: { type: "boolean", default: false },
    mistake: { type: "string", default: "" },
    first: { type: "boolean", default: false },
    trial: { type: "string", multiple: true },
    on: { type: "boolean", default: false }
  }
})

const trials =
  values.trial === undefined ? undefined : Trials.trials.filter((trial) => values.trial?.includes(trial))

const first = Number(values.seed ?? values.from)
/** A mistake that fits none of so many seeds is not looked for any longer. */
const mostSearched = 10_000
const count = values.seed === undefined ? Number(values.seeds) : 1

/** Of how many seeds each planted mistake is found, and with which first. */
const findMistakes = Effect.gen(function* () {
  const { mistakes } = yield* Bundle.load()
  for (const { fits, mutations, name, ...planted } of mistakes) {
    if (!name.includes(values.mistake)) continue
    const { simulate } = yield* Bundle.load(mutations)
    let tried = 0
    const found: Array<number> = []
    for (let seed = first; seed < Number.MAX_SAFE_INTEGER && tried < count; seed++) {
      if (!fits(Plan.draw(seed, { trials }))) {
        if (tried === 0 && seed > first + mostSearched) break
        continue
      }
      tried += 1
      if (Option.isNone(simulate(seed, { ...planted, trials }).violation)) continue
      found.push(seed)
      if (values.first) break
    }
    yield* Console.log(`| ${name} | ${found[0] ?? "none"} | ${found.length} of ${tried} |`)
  }
})

const play = Effect.gen(function* () {
  const { simulate } = yield* Bundle.load()
  const before = yield* Clock.currentTimeMillis
  let virtual = 0
  const violated: Array<number> = []
  const counts = new Map<string, number>()
  for (let seed = first; seed < first + count; seed++) {
    const outcome = simulate(seed, { trials })
    virtual += outcome.duration
    for (const [what, times] of outcome.history.counts) counts.set(what, (counts.get(what) ?? 0) + times)
    if (values.verbose) yield* Console.log(Report.describe(outcome, true))
    if (Option.isSome(outcome.violation)) {
      if (!values.on) yield* Effect.fail(Report.describe(outcome))
      violated.push(seed)
      yield* Console.log(
        `seed ${seed} (${outcome.plan.trials.join(", ")}): ${outcome.violation.value.slice(0, 300)}`
      )
    }
    if ((seed - first + 1) % 500 === 0) yield* Console.log(`${seed - first + 1} seeds`)
  }
  const seconds = ((yield* Clock.currentTimeMillis) - before) / 1000
  yield* Console.log(
    `${count} seeds from ${first}, ${violated.length} with a violation: ${(virtual / 3_600_000).toFixed(1)} virtual hours in ${seconds.toFixed(0)} s`
  )
  yield* Console.log(
    Array.from(counts, ([what, times]) => `${what} ${times}`)
      .sort()
      .join(", ")
  )
})

const program: Effect.Effect<void, string> = values.mistakes ? findMistakes : play

program.pipe(
  Effect.tapErrorCause((cause) =>
    Console.error(Option.getOrElse(Cause.failureOption(cause), () => Cause.pretty(cause)))
  ),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    // A fiber that some history left behind waits on a clock that nobody turns any more; the process does not.
    teardown: (exit) => process.exit(Exit.isSuccess(exit) ? 0 : 1)
  })
)
