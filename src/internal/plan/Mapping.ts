/**
 * What a key of the source is called at the destination, and the reverse. The two kinds of names are two types, and this
 * file alone turns one into the other.
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

/** A name that an answer of the source has. */
export const sourceKey = Brand.nominal<SourceKey>()

/** The same for many names, of which nothing is copied. */
export const sourceKeys = (names: ReadonlyArray<string>): ReadonlyArray<SourceKey> =>
  names as ReadonlyArray<SourceKey>

/** A name that an answer of the destination has, or a request to it. */
export const destinationKey = Brand.nominal<DestinationKey>()

/** The same for many names, of which nothing is copied. */
export const destinationKeys = (names: ReadonlyArray<string>): ReadonlyArray<DestinationKey> =>
  names as ReadonlyArray<DestinationKey>

/**
 * Keys that are `owned` or `excluded` are neither copied nor overwritten nor deleted, whatever the prefixes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Mapping {
  readonly prefix: string
  readonly destinationPrefix: string
  /** The keys of the replicator itself, at the destination: its lock and its status. */
  readonly owned: ReadonlySet<string>
  readonly excluded: Exclusion.Exclusion
}

/**
 * None for keys that stay where they are: our own on either side, excluded keys, the key that would have no name left (the
 * folder key `global/` itself, copied to the empty prefix), and a key that does not start with the prefix.
 *
 * @since 0.1.0
 * @category mapping
 */
export const rename = (mapping: Mapping, key: SourceKey): Option.Option<DestinationKey> =>
  Option.fromNullable(nameAtDestination(mapping, key))

/**
 * The same for hot loops: it makes no object of a key.
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

/** What a key of the destination is called at the source; none for a key that is not in the destination prefix. */
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

/** What a range of the source is at the destination; none for a range that is not in the source prefix. */
export const rangeAtDestination = (
  { destinationPrefix, prefix }: Prefixes,
  range: KeyRange
): Option.Option<KeyRange> => moved(range, prefix, destinationPrefix)

/** What a range of the destination is at the source; none for a range that is not in the destination prefix. */
export const rangeAtSource = (
  { destinationPrefix, prefix }: Prefixes,
  range: KeyRange
): Option.Option<KeyRange> => moved(range, destinationPrefix, prefix)

/**
 * Whether a key of the destination may be written or deleted: it stands under the destination prefix, is none of the
 * replicator's own, and is not excluded.
 *
 * @since 0.5.0
 * @category predicates
 */
export const isReplicated = (mapping: Omit<Mapping, "prefix">, key: DestinationKey): boolean =>
  key.startsWith(mapping.destinationPrefix) &&
  !mapping.owned.has(key) &&
  !Exclusion.covers(mapping.excluded.atDestination, key)

/**
 * @since 0.1.0
 * @category predicates
 */
export const isOwned = (mapping: Mapping, key: string): boolean => mapping.owned.has(key)
