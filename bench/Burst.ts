/**
 * A burst: many keys change at the source as fast as the source accepts them. Measures the time until the destination has all
 * changes.
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

/** The keys that are awaited one by one. Repeated reads of all keys would slow down the program. */
const sample = 300

/**
 * The mark at the beginning of every value. Nine bytes are twelve characters of base64, so its base64 is the same in every value.
 */
const mark = "bursting!"
const encoded = `"Value":"${Buffer.from(mark).toString("base64")}`

/** Counts the mark in an answer. To parse 20 MB of JSON would slow down the program. */
const occurrences = (body: Buffer): number => {
  let count = 0
  for (let at = body.indexOf(encoded); at >= 0; at = body.indexOf(encoded, at + encoded.length)) count += 1
  return count
}

/** Distinct keys all over the prefix, in random order. */
const pick = (keyspace: Keyspace, count: number): ReadonlyArray<string> => {
  const dice = Dice.make(1, "burst")
  const picked = new Set<number>()
  while (picked.size < count) picked.add(dice.between(0, keyspace.size - 1))
  return Arr.fromIterable(picked).map((index) => key(keyspace, index))
}
