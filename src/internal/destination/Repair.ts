/**
 * Makes ranges and keys of the destination equal to the source, by consistent reads of the source.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as KeyRange from "../../KeyRange.js"
import type { Compared } from "../plan/Compared.js"
import * as DeletePolicy from "../plan/DeletePolicy.js"
import { type DestinationKey, rangeAtSource, rename, sourceKey } from "../plan/Mapping.js"
import { applyPlan } from "./ApplyPlan.js"
import type * as FencedWriter from "./FencedWriter.js"
import * as RefusedKeys from "./RefusedKeys.js"
import { type ReplicaServices, readsAtOnce } from "./ReplicaServices.js"
import type { ReplicaState } from "./ReplicaState.js"

/** A repair lands as one pass unless its values have more characters of base64: then as several, one after another. */
const portionSize = 16 * 1024 * 1024

/** A repair in progress. */
interface Repair {
  /** The state after the portions that were applied. */
  readonly state: ReplicaState
  /** Reads that were not applied yet. */
  readonly portion: ReadonlyArray<Compared>
  /** Characters of base64 of the values in `portion`. */
  readonly characters: number
}

/** The result of a repair. */
export interface Repaired {
  readonly state: ReplicaState
  /** The keys that the source has in the repaired ranges, by their names at the destination. */
  readonly wanted: ReadonlySet<DestinationKey>
}

/**
 * Applies the reads of a portion as one pass. Keys that were read alone are tried again if they were refused: then they come last
 * among the refused keys.
 */
const applyPortion = Effect.fnUntraced(function* (
  services: ReplicaServices,
  { portion, state }: Repair
): Effect.fn.Return<Repair, FencedWriter.WriterError> {
  const tried = portion.flatMap(({ snapshot: { range } }) =>
    range.exact ? Option.toArray(rename(services.mapping, sourceKey(range.prefix))) : []
  )
  const trying = {
    ...state,
    ...DeletePolicy.withoutDeleted(state, state.contents),
    refused: RefusedKeys.forget(state.refused, tried)
  }
  const plan = yield* services.planner.planConfirmed(trying, portion)
  return { state: yield* applyPlan(services, state, plan), portion: [], characters: 0 }
})

/** Adds a read to the portion, and applies the portion if it is full. */
const add = (
  services: ReplicaServices,
  { characters, portion, state }: Repair,
  compared: Compared
): Effect.Effect<Repair, FencedWriter.WriterError> => {
  const more = compared.difference.writes.reduce((sum, { value }) => sum + value.length, characters)
  const next = { state, portion: [...portion, compared], characters: more }
  return more > portionSize ? applyPortion(services, next) : Effect.succeed(next)
}

/** Makes `ranges` and `keys` of the destination equal to the source. Refused keys among `keys` are tried again. */
export const repair = Effect.fnUntraced(function* (
  services: ReplicaServices,
  before: ReplicaState,
  ranges: ReadonlyArray<KeyRange.KeyRange>,
  keys: ReadonlyArray<DestinationKey>
): Effect.fn.Return<Repaired, FencedWriter.WriterError> {
  const { check, mapping } = services
  const wanted = new Set<DestinationKey>()
  const progress = yield* Ref.make<Repair>({ state: before, portion: [], characters: 0 })
  const addRead = (compared: Compared) =>
    Effect.flatMap(Ref.get(progress), (repair) =>
      Effect.flatMap(add(services, repair, compared), (next) => Ref.set(progress, next))
    )
  const atSource = (range: KeyRange.KeyRange) => Option.toArray(rangeAtSource(mapping, range))
  const alone = yield* Effect.forEach(
    keys.flatMap((key) => atSource(KeyRange.only(key))),
    (range) => check.confirm(before, range),
    { concurrency: readsAtOnce }
  )
  for (const compared of alone) yield* addRead(compared)
  for (const range of ranges.flatMap(atSource)) {
    const { state } = yield* Ref.get(progress)
    const compared = yield* check.confirm(state, range, addRead)
    for (const { key } of compared.snapshot.entries) {
      for (const name of Option.toArray(rename(mapping, sourceKey(key)))) wanted.add(name)
    }
    yield* addRead(compared)
  }
  const last = yield* Ref.get(progress)
  const isUnapplied = last.portion.length > 0 || last.state === before
  const { state } = isUnapplied ? yield* applyPortion(services, last) : last
  return { state, wanted }
})
