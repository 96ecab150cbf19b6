/**
 * A part of the key space: all keys that start with a prefix, or one key alone.
 *
 * @since 0.2.0
 */
import type { Mapping } from "./Mapping.js"

/**
 * With `exact`, `prefix` is a whole key and no other key belongs to the range.
 *
 * @since 0.2.0
 * @category models
 */
export interface KeyRange {
  readonly prefix: string
  readonly exact: boolean
}

/**
 * All keys that start with `prefix`.
 *
 * @since 0.2.0
 * @category constructors
 */
export const under = (prefix: string): KeyRange => ({ prefix, exact: false })

/**
 * One key.
 *
 * @since 0.2.0
 * @category constructors
 */
export const only = (key: string): KeyRange => ({ prefix: key, exact: true })

/**
 * @since 0.2.0
 * @category predicates
 */
export const contains = ({ exact, prefix }: KeyRange, key: string): boolean =>
  exact ? key === prefix : key.startsWith(prefix)

/**
 * @since 0.2.0
 * @category predicates
 */
export const equals = (a: KeyRange, b: KeyRange): boolean => a.prefix === b.prefix && a.exact === b.exact

/**
 * What a range of the source is at the destination.
 *
 * @since 0.2.0
 * @category mapping
 */
export const rename = (
  { destinationPrefix, prefix }: Pick<Mapping, "prefix" | "destinationPrefix">,
  range: KeyRange
): KeyRange => ({ ...range, prefix: destinationPrefix + range.prefix.slice(prefix.length) })

/**
 * What a range of the destination is at the source.
 *
 * @since 0.2.0
 * @category mapping
 */
export const original = (
  { destinationPrefix, prefix }: Pick<Mapping, "prefix" | "destinationPrefix">,
  range: KeyRange
): KeyRange => ({ ...range, prefix: prefix + range.prefix.slice(destinationPrefix.length) })

/**
 * The same for equal ranges alone.
 *
 * @since 0.2.0
 * @category text
 */
export const id = ({ exact, prefix }: KeyRange): string => `${exact ? "=" : "<"}${prefix}`
