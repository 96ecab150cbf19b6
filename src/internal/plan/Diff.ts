/**
 * Compares a snapshot of the source with the destination.
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
 * A key of the destination and its new content.
 *
 * @since 0.1.0
 * @category models
 */
export interface Write {
  readonly key: DestinationKey
  /** In base64. */
  readonly value: Value
  /** A uint64. */
  readonly flags: bigint
}

/**
 * Changes of the destination.
 *
 * @since 0.1.0
 * @category models
 */
export interface Changes {
  /** In the order of the source's keys. */
  readonly writes: ReadonlyArray<Write>
  /** In the order of the destination's keys. */
  readonly deletes: ReadonlyArray<DestinationKey>
}

/** A key that the source has and that cannot be copied, by its name at the destination. */
export interface Unreadable extends Malformed {
  readonly key: DestinationKey
}

/**
 * The difference between the destination and a snapshot of a range of the source.
 *
 * @since 0.5.0
 * @category models
 */
export interface Difference {
  /** Keys whose content differs, with the content of the source and its fingerprint. */
  readonly writes: ReadonlyArray<Write & { readonly print: string }>
  /** Keys of the destination that the source does not have. */
  readonly missing: ReadonlyArray<DestinationKey>
  /** Keys that the source has and that cannot be copied. */
  readonly unreadable: ReadonlyArray<Unreadable>
}

/**
 * The difference between the destination and a range of the source. A key whose entry is `malformed` is neither written nor
 * missing. A range that is not in the source prefix has no difference.
 *
 * Compares content, never indexes: an index belongs to one datacenter's history, which can be restored or rebuilt. Imperative,
 * because it runs over every key of a range for every change in the range: about 1.1 µs a key, a third of that for the
 * fingerprint.
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
  const present: Array<DestinationKey> = []
  for (const { flags, key, value } of entries) {
    const renamed = nameAtDestination(mapping, sourceKey(key))
    if (renamed === undefined) continue
    present.push(renamed)
    const print = fingerprint(value, flags)
    if (contents.get(renamed) !== print) writes.push({ key: renamed, value, flags, print })
  }
  const unreadable: Array<Unreadable> = []
  for (const { key, reason } of malformed) {
    const renamed = nameAtDestination(mapping, sourceKey(key))
    if (renamed === undefined) continue
    present.push(renamed)
    unreadable.push({ key: renamed, reason })
  }
  const missing = Option.map(rangeAtDestination(mapping, range), (atDestination) =>
    contents.absent(atDestination, present)
  )
  return { writes, missing: Option.getOrElse(missing, () => []), unreadable }
}

/**
 * Keys that the destination has and the source does not, by the names of all keys in a `range` of the source: the whole source
 * prefix unless a range is given.
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
 * `gone` in steps, between which other fibers may run: 500,000 names take 250 ms. The contents must not be changed before the
 * last step.
 *
 * @internal
 */
export function* goneInSteps(
  contents: DestinationIndex,
  mapping: Mapping,
  names: ReadonlyArray<SourceKey>,
  range: KeyRange = under(mapping.prefix)
): Steps<ReadonlyArray<DestinationKey>> {
  const present: Array<DestinationKey> = []
  for (let i = 0; i < names.length; i++) {
    if (i > 0 && i % stepSize === 0) yield
    const renamed = nameAtDestination(mapping, names[i] ?? sourceKey(""))
    if (renamed !== undefined) present.push(renamed)
  }
  const atDestination = rangeAtDestination(mapping, range)
  return Option.isNone(atDestination) ? [] : yield* contents.absentInSteps(atDestination.value, present)
}

/**
 * @since 0.1.0
 * @category predicates
 */
export const isEmpty = (changes: Changes): boolean => changes.writes.length + changes.deletes.length === 0

/**
 * Numbers of keys that others changed at the destination.
 *
 * @since 0.5.0
 * @category models
 */
export interface Drift {
  /** Keys with other content. */
  readonly changed: number
  /** Keys that others deleted. */
  readonly missing: number
  /** Keys that others created. */
  readonly extra: number
}

/**
 * The sum of two counts of drift.
 *
 * @since 0.5.0
 * @category models
 */
export const add = (drift: Drift, more: Partial<Drift>): Drift => ({
  changed: drift.changed + (more.changed ?? 0),
  missing: drift.missing + (more.missing ?? 0),
  extra: drift.extra + (more.extra ?? 0)
})

/**
 * The keys of one range that others changed at the destination.
 *
 * @since 0.5.0
 * @category models
 */
export interface DriftedKeys {
  /** Keys with other content. */
  readonly changed: ReadonlyArray<DestinationKey>
  /** Keys that others deleted. */
  readonly missing: ReadonlyArray<DestinationKey>
  /** Keys that others created. */
  readonly extra: ReadonlyArray<DestinationKey>
}

/** A fingerprint that no content has: it is not base64, and shorter than a digest. */
const unlikeAny = "?"

/**
 * Brings `contents` up to date with the entries that a range of the destination has, and returns the keys that differed.
 * Ignores our own keys, excluded keys, and entries that are not in the range. A `malformed` key gets a fingerprint that no
 * content has, so that the key is written again or deleted.
 *
 * @since 0.5.0
 * @category comparing
 */
export const updateContents = (
  contents: DestinationIndex,
  mapping: Mapping,
  range: KeyRange,
  entries: ReadonlyArray<KeyValue>,
  malformed: ReadonlyArray<Malformed> = []
): DriftedKeys => {
  const changed: Array<DestinationKey> = []
  const extra: Array<DestinationKey> = []
  const present: Array<DestinationKey> = []
  const update = (key: DestinationKey, print: string): void => {
    present.push(key)
    const before = contents.get(key)
    if (before === print) return
    if (before === undefined) extra.push(key)
    else changed.push(key)
    contents.set(key, print)
  }
  const { atDestination } = mapping.excluded
  const isReplicated = (key: string): boolean =>
    contains(range, key) && !isOwned(mapping, key) && !Exclusion.covers(atDestination, key)
  for (const { flags, key, value } of entries)
    if (isReplicated(key)) update(destinationKey(key), fingerprint(value, flags))
  for (const { key } of malformed) if (isReplicated(key)) update(destinationKey(key), unlikeAny)
  const missing = contents.absent(range, present)
  for (const key of missing) contents.delete(key)
  return { changed, missing, extra }
}

/**
 * The keys that others changed away from the source. A change that the source has made too, such as the deletion of a held key,
 * is no drift. `isWanted` returns whether the source has a key, which is named as at the destination.
 *
 * @since 0.5.0
 * @category comparing
 */
export const drift = (
  { changed, extra, missing }: DriftedKeys,
  isWanted: (key: DestinationKey) => boolean
): DriftedKeys => ({
  changed: changed.filter(isWanted),
  missing: missing.filter(isWanted),
  extra: extra.filter((key) => !isWanted(key))
})
