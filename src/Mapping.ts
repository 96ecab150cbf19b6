/**
 * What a key of the source is called at the destination.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"

/**
 * `owned` are the keys of the replicator itself: its lock and its status. They are neither copied nor overwritten
 * nor deleted, whatever the prefixes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Mapping {
  readonly prefix: string
  readonly destinationPrefix: string
  readonly owned: ReadonlySet<string>
}

/**
 * None for keys that stay where they are: our own on either side, and the key that would have no name left (the
 * folder key `global/` itself, copied to the empty prefix).
 *
 * @since 0.1.0
 * @category mapping
 * @example
 * import { Mapping } from "consul-replicate"
 * import { Option } from "effect"
 *
 * const mapping = { prefix: "global/", destinationPrefix: "copy/", owned: new Set<string>() }
 * Mapping.rename(mapping, "global/global/a") // Option.some("copy/global/a")
 */
export const rename = (mapping: Mapping, key: string): Option.Option<string> => {
  const { destinationPrefix, prefix } = mapping
  const renamed = prefix === destinationPrefix ? key : destinationPrefix + key.slice(prefix.length)
  return renamed === "" || isOwned(mapping, key) || isOwned(mapping, renamed)
    ? Option.none()
    : Option.some(renamed)
}

/**
 * @since 0.1.0
 * @category predicates
 */
export const isOwned = (mapping: Mapping, key: string): boolean => mapping.owned.has(key)
