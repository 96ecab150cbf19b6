/**
 * Estimates from a few keys how heavy the keys of a range are, before all of them are read. Consul does not announce the size of
 * an answer. An answer that is cut off costs its servers as much as a complete one: 400 MB kept a server with two cores busy for
 * 10 s, and it confirmed no heartbeat in that time.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ConsulError } from "../../ConsulError.js"
import type { Answer, ReadOptions } from "../../ConsulHttp.js"
import { type KeyRange, only } from "../../KeyRange.js"
import type { KeyValues } from "../../KeyValue.js"
import * as Weights from "./Weights.js"

export type Read = (range: KeyRange, options: ReadOptions) => Effect.Effect<Answer<KeyValues>, ConsulError>

/** Fewer keys than this are read without a sample: Consul allows values of 512 KB, so that their answer has 44 MB at most. */
const fewKeys = 64

/** How many keys are read for a sample, each by itself and all at once. Their answers have 6 MB at most. */
const sampled = 9

/** A key that is not answered within this time does not count. */
const patience = Duration.seconds(3)

const bytesOf = (read: Read) => (name: string) =>
  Effect.option(
    read(only(name), { consistency: "consistent" }).pipe(
      Effect.map(({ value }) => Weights.bytesOf(value)),
      Effect.timeout(patience)
    )
  )

/**
 * About how many bytes an entry has in an answer: the median of a few entries that are spread over `names`. `undefined` if there
 * are only few names, or if no key was answered. The median ignores a few heavy keys among light ones: an answer that is cut off
 * shows the heavy ones.
 */
export const entryBytes = (read: Read, names: ReadonlyArray<string>): Effect.Effect<number | undefined> => {
  if (names.length < fewKeys) return Effect.succeed(undefined)
  const step = names.length / sampled
  const spread = Array.from({ length: sampled }, (_, i) => names[Math.floor((i + 0.5) * step)] ?? "")
  return Effect.map(Effect.forEach(spread, bytesOf(read), { concurrency: "unbounded" }), (answers) => {
    const sizes = answers.flatMap(Option.toArray).sort((a, b) => a - b)
    return sizes[Math.floor(sizes.length / 2)]
  })
}

/**
 * How many keys of `entryBytes` each to read at once, so that their answer has about `bytes` bytes: `most` at most, and `most` if
 * `entryBytes` is unknown.
 */
export const keysWithin = (bytes: number, entryBytes: number | undefined, most: number): number =>
  entryBytes === undefined || entryBytes === 0
    ? most
    : Math.max(1, Math.min(most, Math.floor(bytes / entryBytes)))
