/**
 * A burst: many keys changed at the source as fast as it takes them, and the time until all have followed.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Dice from "../test/simulation/Dice.js"
import { less, neither } from "./Figure.js"
import { type Keyspace, key, operationsEach, transaction, valueOf } from "./Keyspace.js"
import { inFlight, now, path } from "./Store.js"
import { asked, type Measurement, runInSync } from "./Trial.js"

export const measure: Measurement = (trial) =>
  runInSync(trial, {}, () =>
    Effect.gen(function* () {
      const { destination, keyspace, plan, source } = trial
      const changed = pick(keyspace, Math.min(plan.burst, keyspace.size))
      const bodies = Arr.chunksOf(changed, operationsEach).map((chunk) =>
        transaction(chunk.map((key) => [key, valueOf(mark)]))
      )
      const entriesBefore = yield* destination.raftEntries
      const before = yield* now
      yield* source.transact(bodies, inFlight)
      const written = yield* now
      yield* Effect.forEach(
        changed.slice(-sample),
        (key) => destination.until(key, ({ value }) => value === valueOf(mark)),
        { concurrency: inFlight, discard: true }
      )
      const followed = yield* asked(
        Effect.map(
          destination.request("GET", `${path(keyspace.prefix)}?recurse`),
          (body) => occurrences(body) === changed.length
        )
      )
      const entries = (yield* destination.raftEntries) - entriesBefore
      const count = changed.length.toLocaleString("en")
      return [
        neither(`${count} changes written at the source in`, written - before, "ms"),
        less("all followed, from the first write", followed - before, "ms"),
        less("all followed, from the last answer", Math.max(0, followed - written), "ms"),
        less("entries in the destination's Raft log for them", entries, "")
      ]
    })
  )

/** Keys that are waited for one by one: to read all keys again and again would take from what is timed. */
const sample = 300

/** Its base64 is the same at the beginning of every value: nine bytes are twelve characters. */
const mark = "bursting!"
const encoded = `"Value":"${Buffer.from(mark).toString("base64")}`

/** How often the mark is in an answer, without the price of parsing 20 MB beside the program at work. */
const occurrences = (body: Buffer): number => {
  let count = 0
  for (let at = body.indexOf(encoded); at >= 0; at = body.indexOf(encoded, at + encoded.length)) count += 1
  return count
}

/** Keys all over the prefix, in random order, none twice. */
const pick = (keyspace: Keyspace, count: number): ReadonlyArray<string> => {
  const dice = Dice.make(1, "burst")
  const picked = new Set<number>()
  while (picked.size < count) picked.add(dice.between(0, keyspace.size - 1))
  return Arr.fromIterable(picked).map((index) => key(keyspace, index))
}
