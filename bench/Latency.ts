/**
 * Change latency: from the answer to a write at the source until a blocking query at the destination has it. One change
 * after another, of keys all over the prefix.
 */
import * as Effect from "effect/Effect"
import * as Dice from "../test/simulation/Dice.js"
import { distribution } from "./Figure.js"
import { key } from "./Keyspace.js"
import type { Request } from "./Store.js"
import { follow, type Measurement, runInSync, type Trial } from "./Trial.js"

export const measure: Measurement = (trial) =>
  runInSync(trial, {}, () => Effect.map(changes(trial), distribution))

/** The times of as many changes as the plan says (ms), the same keys and pauses in every run. */
export const changes = (trial: Trial): Request<ReadonlyArray<number>> =>
  Effect.gen(function* () {
    const dice = Dice.make(1, "latency")
    const times: Array<number> = []
    for (let change = 0; change < trial.plan.changes; change++) {
      // Without pauses of different length, changes could keep time with something in the program or in Consul.
      yield* Effect.sleep(dice.between(0, 50))
      const index = dice.between(0, trial.keyspace.size - 1)
      times.push(yield* follow(trial, key(trial.keyspace, index), `change ${change}`))
    }
    return times
  })
