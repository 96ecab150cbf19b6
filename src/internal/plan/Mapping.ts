/**
 * Renames keys of the source to keys of the destination, and the reverse. The two kinds of names are two types, and only this
 * file turns one into the other.
 *
 * @since 0.1.0
 */
import * as Brand from "effect/Brand"
import * as Option from "effect/Option"
import type { KeyRange } from "../../KeyRange.js"
import * as Exclusion from "./Exclusion.js"

/** The name of a key at the source. */
export type SourceKey = string & Brand.Brand<"consul-replicate/SourceKey">

/** The name of a key at the destination. */
export type DestinationKey = string & Brand.Brand<"consul-replicate/DestinationKey">

/** Brands a name from an answer of the source. */
export const sourceKey = Brand.nominal<SourceKey>()

/** Brands names from an answer of the source, without a copy of the array. */
export const sourceKeys = (names: ReadonlyArray<string>): ReadonlyArray<SourceKey> =>
  names as ReadonlyArray<SourceKey>

/** Brands a name from an answer of the destination, or from a request to it. */
export const destinationKey = Brand.nominal<DestinationKey>()

/** Brands names from an answer of the destination, without a copy of the array. */
export const destinationKeys = (names: ReadonlyArray<string>): ReadonlyArray<DestinationKey> =>
  names as ReadonlyArray<DestinationKey>

/**
 * How a replication renames keys. An `owned` or `excluded` key is never copied, overwritten or deleted, whatever the prefixes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Mapping {
  /** Of the keys at the source. */
  readonly prefix: string
  /** Of the keys at the destination. */
  readonly destinationPrefix: string
  /** The replicator's own keys at the destination: its lock and its status. */
  readonly owned: ReadonlySet<string>
  /** The keys that the replication leaves alone. */
  readonly excluded: Exclusion.Exclusion
}

/**
 * The name of a key at the destination. None for a key that is not replicated: the replicator's own key on either side, an
 * excluded key, the key that would have an empty name (the folder key `global/`, copied to the empty prefix), and a key that
 * does not begin with the prefix.
 *
 * @since 0.1.0
 * @category mapping
 */
export const rename = (mapping: Mapping, key: SourceKey): Option.Option<DestinationKey> =>
  Option.fromNullable(nameAtDestination(mapping, key))

/**
 * `rename` for hot loops: it creates no object.
 *
 * @internal
 */
export const nameAtDestination = (mapping: Mapping, key: SourceKey): DestinationKey | undefined => {
  const { destinationPrefix, excluded, prefix } = mapping
  if (!key.startsWith(prefix) || isOwned(mapping, key)) return undefined
  if (Exclusion.covers(excluded.atSource, key)) return undefined
  if (prefix === destinationPrefix) return key === "" ? undefined : destinationKey(key)
  const renamed = destinationPrefix + key.slice(prefix.length)
  return renamed === "" || isOwned(mapping, renamed) ? undefined : destinationKey(renamed)
}

/** The name of a key of the destination at the source; none for a key that is not under the destination prefix. */
export const nameAtSource = (
  { destinationPrefix, prefix }: Prefixes,
  key: DestinationKey
): Option.Option<SourceKey> =>
  key.startsWith(destinationPrefix)
    ? Option.some(sourceKey(prefix + key.slice(destinationPrefix.length)))
    : Option.none()

type Prefixes = Pick<Mapping, "prefix" | "destinationPrefix">

/** The range with `to` in place of `from`; none if the range is not in `from`. */
const moved = (range: KeyRange, from: string, to: string): Option.Option<KeyRange> =>
  range.prefix.startsWith(from)
    ? Option.some({ ...range, prefix: to + range.prefix.slice(from.length) })
    : Option.none()

/** The range of the destination for a range of the source; none for a range that is not in the source prefix. */
export const rangeAtDestination = (
  { destinationPrefix, prefix }: Prefixes,
  range: KeyRange
): Option.Option<KeyRange> => moved(range, prefix, destinationPrefix)

/** The range of the source for a range of the destination; none for a range that is not in the destination prefix. */
export const rangeAtSource = (
  { destinationPrefix, prefix }: Prefixes,
  range: KeyRange
): Option.Option<KeyRange> => moved(range, destinationPrefix, prefix)

/**
 * Whether a key of the destination may be written or deleted: it is under the destination prefix, it is not one of the
 * replicator's own keys, and it is not excluded.
 *
 * @since 0.5.0
 * @category predicates
 */
export const isReplicated = (mapping: Omit<Mapping, "prefix">, key: DestinationKey): boolean =>
  key.startsWith(mapping.destinationPrefix) &&
  !mapping.owned.has(key) &&
  !Exclusion.covers(mapping.excluded.atDestination, key)

/**
 * Whether a key is the replicator's lock or status.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isOwned = (mapping: Mapping, key: string): boolean => mapping.owned.has(key)
