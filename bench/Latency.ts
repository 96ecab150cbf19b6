/**
 * Change latency: the time from the answer to a write at the source until a blocking query at the destination has the change.
 * Changes follow each other, of keys all over the prefix.
 */
import * as Effect from "effect/Effect"
import * as Dice from "../test/simulation/Dice.js"
import { distribution } from "./Figure.js"
import { key } from "./Keyspace.js"
import type { Request } from "./Store.js"
import { follow, type Measurement, runInSync, type Trial } from "./Trial.js"

export const measure: Measurement = (trial) =>
  runInSync(trial, {}, () => Effect.map(changes(trial), distribution))

/** The latencies of the number of changes in the plan, in ms. Keys and pauses are the same in every run. */
export const changes = (trial: Trial): Request<ReadonlyArray<number>> =>
  Effect.gen(function* () {
    const dice = Dice.make(1, "latency")
    const times: Array<number> = []
    for (let change = 0; change < trial.plan.changes; change++) {
      // With equal pauses, changes could be in step with a timer of the program or of Consul.
      yield* Effect.sleep(dice.between(0, 50))
      const index = dice.between(0, trial.keyspace.size - 1)
      times.push(yield* follow(trial, key(trial.keyspace, index), `change ${change}`))
    }
    return times
  })
