/**
 * What a key of the source is called at the destination.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Exclusion from "./Exclusion.js"

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
 * folder key `global/` itself, copied to the empty prefix), and a key that does not start with the prefix, whoever named it.
 *
 * @since 0.1.0
 * @category mapping
 */
export const rename = (mapping: Mapping, key: string): Option.Option<string> =>
  Option.fromNullable(nameAtDestination(mapping, key))

/**
 * The same for hot loops: it makes no object of a key.
 *
 * @internal
 */
export const nameAtDestination = (mapping: Mapping, key: string): string | undefined => {
  const { destinationPrefix, excluded, prefix } = mapping
  if (!key.startsWith(prefix) || isOwned(mapping, key)) return undefined
  if (Exclusion.covers(excluded.atSource, key)) return undefined
  if (prefix === destinationPrefix) return key === "" ? undefined : key
  const renamed = destinationPrefix + key.slice(prefix.length)
  return renamed === "" || isOwned(mapping, renamed) ? undefined : renamed
}

/**
 * Whether a key of the destination may be written or deleted: it stands under the destination prefix, is none of the
 * replicator's own, and is not excluded.
 *
 * @since 0.5.0
 * @category predicates
 */
export const isReplicated = (mapping: Omit<Mapping, "prefix">, key: string): boolean =>
  key.startsWith(mapping.destinationPrefix) &&
  !mapping.owned.has(key) &&
  !Exclusion.covers(mapping.excluded.atDestination, key)

/**
 * @since 0.1.0
 * @category predicates
 */
export const isOwned = (mapping: Mapping, key: string): boolean => mapping.owned.has(key)
