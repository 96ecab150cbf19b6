/**
 * Reads a range whose answer may be too large for one: then its keys are listed, and read in ranges of a few keys each, one
 * after another, until each answer is small enough.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ConsulError } from "../../ConsulError.js"
import { equals, type KeyRange, only } from "../../KeyRange.js"
import type { KeyValues } from "../../KeyValue.js"
import { sorted } from "../plan/SortKeys.js"
import * as Sample from "../source/Sample.js"
import * as ShardLayout from "../source/ShardLayout.js"
import type { Answer, KeysOptions, ReadOptions } from "./Consul.js"

/** The requests for the keys of a range. */
export interface Reads {
  readonly read: (range: KeyRange, options: ReadOptions) => Effect.Effect<Answer<KeyValues>, ConsulError>
  readonly names: (
    prefix: string,
    options: KeysOptions
  ) => Effect.Effect<Answer<ReadonlyArray<string>>, ConsulError>
  readonly isNameable: ShardLayout.IsNameable
}

/** The least number of pieces of a range that is too heavy for one answer. */
const pieces = 16

const current = { consistency: "consistent" } as const

/**
 * Calls `use` with each piece of a range, never stale, in the order of the names. A piece has at most `maxBytes`, unless a
 * single key has more. Returns the index of the range before any of its pieces was read: a later change has a higher index. A
 * key that is created during the reads may be in none of the pieces.
 */
export const readInPieces = <E, R>(
  source: Reads,
  range: KeyRange,
  maxBytes: number,
  use: (piece: KeyRange, answer: Answer<KeyValues>) => Effect.Effect<void, E, R>
): Effect.Effect<number, E | ConsulError, R> =>
  source.read(range, range.exact ? current : { ...current, maxBytes }).pipe(
    Effect.asSome,
    Effect.catchTag("AnswerTooLarge", () => Effect.succeed(Option.none<Answer<KeyValues>>())),
    Effect.flatMap(
      Option.match({
        onNone: () => divided(source, range, maxBytes, use),
        onSome: (answer) => Effect.as(use(range, answer), answer.index)
      })
    )
  )

const divided = <E, R>(
  source: Reads,
  range: KeyRange,
  maxBytes: number,
  use: (piece: KeyRange, answer: Answer<KeyValues>) => Effect.Effect<void, E, R>
): Effect.Effect<number, E | ConsulError, R> =>
  Effect.gen(function* () {
    const { index, value } = yield* source.names(range.prefix, current)
    const names = sorted(value)
    const most = Math.max(1, Math.floor(names.length / pieces))
    const bytes = yield* Sample.entryBytes(source.read, names)
    const size = { keysEach: Sample.keysWithin(maxBytes / 2, bytes, most) }
    const ranges = ShardLayout.ranges(range.prefix, names, size, source.isNameable)
    // A range that cannot be divided would be too large again.
    const isDivided = !ranges.some((piece) => equals(piece, range))
    for (const piece of isDivided ? ranges : names.map(only)) {
      yield* readInPieces(source, piece, maxBytes, use)
    }
    return index
  })
