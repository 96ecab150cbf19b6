/**
 * What must change at the destination so that it equals a snapshot of the source.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import { contains, type KeyRange, under } from "../../KeyRange.js"
import type { KeyValue, Malformed } from "../../KeyValue.js"
import type { Value } from "../../Value.js"
import { atOnce, type Steps, stepSize } from "../effect/EventLoop.js"
import { type DestinationIndex, fingerprint } from "./DestinationIndex.js"
import * as Exclusion from "./Exclusion.js"
import {
  type DestinationKey,
  destinationKey,
  isOwned,
  type Mapping,
  nameAtDestination,
  rangeAtDestination,
  type SourceKey,
  sourceKey
} from "./Mapping.js"

/**
 * A key of the destination and what it is to hold. `flags` is a uint64.
 *
 * @since 0.1.0
 * @category models
 */
export interface Write {
  readonly key: DestinationKey
  readonly value: Value
  readonly flags: bigint
}

/**
 * `writes` in the order of the source's keys, `deletes` in the order of the destination's.
 *
 * @since 0.1.0
 * @category models
 */
export interface Changes {
  readonly writes: ReadonlyArray<Write>
  readonly deletes: ReadonlyArray<DestinationKey>
}

/** A key that is there and cannot be copied, by its name at the destination. */
export interface Unreadable extends Malformed {
  readonly key: DestinationKey
}

/**
 * What stands between the destination and a snapshot of a range of the source: content that differs, with its
 * fingerprint, keys of the destination that the source has not, and keys that the source has and that cannot be copied.
 *
 * @since 0.5.0
 * @category models
 */
export interface Difference {
  readonly writes: ReadonlyArray<Write & { readonly print: string }>
  readonly missing: ReadonlyArray<DestinationKey>
  readonly unreadable: ReadonlyArray<Unreadable>
}

/**
 * Keys whose entries are `malformed` are neither written nor missing.
 * Nothing is missing in a range that is not in the source prefix, and nothing is written for it.
 *
 * Compares content, never indexes: an index belongs to one datacenter's history, which can be restored or rebuilt.
 * Imperative, because it runs over every key of a range for every change in it: about 1.1 µs a key, a
 * third of it for the fingerprint.
 *
 * @since 0.1.0
 * @category comparing
 */
export const diff = (
  contents: DestinationIndex,
  mapping: Mapping,
  range: KeyRange,
  entries: ReadonlyArray<KeyValue>,
  malformed: ReadonlyArray<Malformed> = []
): Difference => {
  const writes: Array<Write & { readonly print: string }> = []
  const there: Array<DestinationKey> = []
  for (const { flags, key, value } of entries) {
    const renamed = nameAtDestination(mapping, sourceKey(key))
    if (renamed === undefined) continue
    there.push(renamed)
    const print = fingerprint(value, flags)
    if (contents.get(renamed) !== print) writes.push({ key: renamed, value, flags, print })
  }
  const unreadable: Array<Unreadable> = []
  for (const { key, reason } of malformed) {
    const renamed = nameAtDestination(mapping, sourceKey(key))
    if (renamed === undefined) continue
    there.push(renamed)
    unreadable.push({ key: renamed, reason })
  }
  const missing = Option.map(rangeAtDestination(mapping, range), (here) => contents.absent(here, there))
  return { writes, missing: Option.getOrElse(missing, () => []), unreadable }
}

/**
 * Keys that the destination holds and the source has not, given the names of all keys in a `range` of the source: all under
 * the source prefix, unless it is given.
 *
 * @since 0.5.0
 * @category comparing
 */
export const gone = (
  contents: DestinationIndex,
  mapping: Mapping,
  names: ReadonlyArray<SourceKey>,
  range: KeyRange = under(mapping.prefix)
): ReadonlyArray<DestinationKey> => atOnce(goneInSteps(contents, mapping, names, range))

/**
 * The same in steps, between which others may work: 500,000 names take 250 ms. The contents must not be changed
 * meanwhile.
 *
 * @internal
 */
export function* goneInSteps(
  contents: DestinationIndex,
  mapping: Mapping,
  names: ReadonlyArray<SourceKey>,
  range: KeyRange = under(mapping.prefix)
): Steps<ReadonlyArray<DestinationKey>> {
  const there: Array<DestinationKey> = []
  for (let i = 0; i < names.length; i++) {
    if (i > 0 && i % stepSize === 0) yield
    const renamed = nameAtDestination(mapping, names[i] ?? sourceKey(""))
    if (renamed !== undefined) there.push(renamed)
  }
  const here = rangeAtDestination(mapping, range)
  return Option.isNone(here) ? [] : yield* contents.absentInSteps(here.value, there)
}

/**
 * @since 0.1.0
 * @category predicates
 */
export const isEmpty = (changes: Changes): boolean => changes.writes.length + changes.deletes.length === 0

/**
 * How many keys others changed at the destination: keys with another content, keys that are gone, and keys that
 * nobody knew of.
 *
 * @since 0.5.0
 * @category models
 */
export interface Drift {
  readonly changed: number
  readonly missing: number
  readonly extra: number
}

/**
 * @since 0.5.0
 * @category models
 */
export const add = (drift: Drift, more: Partial<Drift>): Drift => ({
  changed: drift.changed + (more.changed ?? 0),
  missing: drift.missing + (more.missing ?? 0),
  extra: drift.extra + (more.extra ?? 0)
})

/**
 * The keys of one range that others changed, and what they did.
 *
 * @since 0.5.0
 * @category models
 */
export interface Found {
  readonly changed: ReadonlyArray<DestinationKey>
  readonly missing: ReadonlyArray<DestinationKey>
  readonly extra: ReadonlyArray<DestinationKey>
}

/** A fingerprint of no content: it is no base64, and shorter than a digest. */
const unlikeAny = "?"

/**
 * Brings `contents` up to date with what a range of the destination was found to hold, our own keys and excluded ones left
 * out, and says what was other than believed. An entry that is not in the range is not believed.
 * `malformed` keys are there with content that cannot be believed: they are known with content that nothing equals, so that
 * they are written again or deleted.
 *
 * @since 0.5.0
 * @category comparing
 */
export const learn = (
  contents: DestinationIndex,
  mapping: Mapping,
  range: KeyRange,
  entries: ReadonlyArray<KeyValue>,
  malformed: ReadonlyArray<Malformed> = []
): Found => {
  const changed: Array<DestinationKey> = []
  const extra: Array<DestinationKey> = []
  const there: Array<DestinationKey> = []
  const take = (key: DestinationKey, print: string): void => {
    there.push(key)
    const known = contents.get(key)
    if (known === print) return
    if (known === undefined) extra.push(key)
    else changed.push(key)
    contents.set(key, print)
  }
  const { atDestination } = mapping.excluded
  const isOurs = (key: string): boolean =>
    contains(range, key) && !isOwned(mapping, key) && !Exclusion.covers(atDestination, key)
  for (const { flags, key, value } of entries)
    if (isOurs(key)) take(destinationKey(key), fingerprint(value, flags))
  for (const { key } of malformed) if (isOurs(key)) take(destinationKey(key), unlikeAny)
  const missing = contents.absent(range, there)
  for (const key of missing) contents.delete(key)
  return { changed, missing, extra }
}

/**
 * Where others did what the source wants, such as deleting a key whose deletion is held back, that is no drift:
 * `isWanted` tells of a key of the destination whether the source has it.
 *
 * @since 0.5.0
 * @category comparing
 */
export const drift = (
  { changed, extra, missing }: Found,
  isWanted: (key: DestinationKey) => boolean
): Found => ({
  changed: changed.filter(isWanted),
  missing: missing.filter(isWanted),
  extra: extra.filter((key) => !isWanted(key))
})
