import { describe, expect, it } from "@effect/vitest"
import * as Array from "effect/Array"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Plan from "./Plan.js"
import * as Report from "./Report.js"
import { simulate } from "./Simulation.js"
import type { Trial } from "./Trials.js"

/** Few in `npm test`, many in `npm run test:long`. */
const seeds = Array.range(1, Effect.runSync(Config.integer("SIMULATION_SEEDS").pipe(Config.withDefault(15))))

/** Seeds that once found a fault, with the fault. */
const kept: ReadonlyArray<readonly [seed: number, isDivided: boolean, what: string]> = [
  [39, false, "a registration that was under way landed after it had been undone"],
  [319, false, "a stop between two attempts to lead left the service that the first could not remove"],
  [386, false, "the session of a lost acquisition was kept alive by the next attempt's heartbeats"],
  [482, false, "a source that seemed empty at first was believed, and the checkpoint said in sync"],
  [4026, true, "queries whose answers were lost left no room for the one that watches the whole"],
  [2162, true, "a key that was gone once more when it was read again was taken for right, as it was before"],
  [9671, true, "a key that was held and came back was taken for right, as it was before it went"],
  [8563, true, "deletes that came within the limit were held back until the source changed again"],
  [6320, true, "a delete that a part told of during the first comparison was forgotten"],
  [5258, false, "a stop while an attempt to lead said goodbye was forgotten"],
  [195, true, "a key that was gone and had come again, in no part yet, was said to be right"],
  [
    40785,
    true,
    "after a restore, what no shard covers was believed until a query with an index of before ended"
  ],
  [218, true, "a transaction that failed after its pass had gone on was taken for one that has landed"]
]

/** Seeds that once found a fault in a trial, with the trial. */
const keptWithTrial: ReadonlyArray<readonly [seed: number, trial: Trial, what: string]> = [
  [
    31636,
    "recursive delete",
    "four unusable answers in a row were counted as what a process knows of the source"
  ],
  [
    533,
    "several replications",
    "a replication that was ended while it gave a lost lock up kept the process from ever leading again"
  ],
  [
    32134,
    "recursive delete",
    "deletes stayed held after others had deleted the keys, until the source was heard of again"
  ],
  [
    80053,
    "forged status",
    "two views of the source were counted as one, while keys were refused and the status named the index of before"
  ],
  [
    70011,
    "slow link",
    "a part that was read between a change and the restore that undid it was believed: the index of all parts was as before"
  ]
]

describe("replication among faults", () => {
  const counts = new Map<string, number>()

  it.live(`keeps every promise in ${seeds.length} histories`, () =>
    Effect.forEach(
      seeds,
      (seed) =>
        // The test runner needs an answer of its worker between histories.
        Effect.delay(
          Effect.sync(() => {
            const outcome = simulate(seed)
            if (Option.isSome(outcome.violation)) expect.fail(Report.describe(outcome))
            for (const [what, times] of outcome.history.counts) {
              counts.set(what, (counts.get(what) ?? 0) + times)
            }
          }),
          "1 millis"
        ),
      { discard: true }
    )
  )

  // Fewer seeds reach most of the cases, but which ones is chance.
  const everything = seeds.length < 300 ? [] : ["meets everything that a plan can hold"]

  it.each(everything)("%s", () => {
    const met = [
      ...Plan.fates,
      "refused by the fence",
      "refused by the guard",
      "Write",
      "WriteElsewhere",
      "Drift",
      "Wipe",
      "Move",
      "deletes held",
      "OverwriteStatus",
      "DeleteLock",
      "EndSession",
      "EndStandbySessions",
      "Deny",
      "refused by rights",
      "Election",
      "Partition",
      "Isolate",
      "Freeze",
      "Kill",
      "Stop",
      "ClockRate",
      "Reload",
      "SourceDies",
      "SaveSource",
      "RestoreSource",
      "DeleteTree",
      "ForgeStatus",
      "Configure",
      "LimitRequests",
      "SetClock",
      "RefuseLarge",
      "large value refused",
      "Corrupt",
      "entry corrupted",
      "SaveDestination",
      "RestoreDestination",
      "wait cut short",
      "slow answer"
    ].filter((what) => (counts.get(what) ?? 0) < Math.ceil(seeds.length / 60))
    expect(met).toEqual([])
    expect(counts.get("leaderships")).toBeGreaterThan(seeds.length)
  })

  it.each(kept)("keeps every promise with seed %i, watched in parts %s: %s", (seed, isDivided) => {
    const outcome = simulate(seed, { isDivided, trials: [] })
    if (Option.isSome(outcome.violation)) expect.fail(Report.describe(outcome))
  })

  it.each(keptWithTrial)("keeps every promise with seed %i and %s: %s", (seed, trial) => {
    const outcome = simulate(seed, { trials: [trial] })
    if (Option.isSome(outcome.violation)) expect.fail(Report.describe(outcome))
  })

  it("repeats itself to the byte", () => {
    for (const seed of [3, 39, 386]) {
      const [one, other] = [simulate(seed), simulate(seed)]
      expect(other.history.lines.join("\n") === one.history.lines.join("\n")).toBe(true)
      expect(one.history.lines.length).toBeGreaterThan(20)
    }
  })
})
