/**
 * A part of the key space: all keys that start with a prefix, or one key alone.
 *
 * @since 0.5.0
 */
import * as Option from "effect/Option"
import type { Mapping } from "./internal/plan/Mapping.js"

/**
 * With `exact`, `prefix` is a whole key and no other key belongs to the range.
 *
 * @since 0.5.0
 * @category models
 */
export interface KeyRange {
  readonly prefix: string
  readonly exact: boolean
}

/**
 * All keys that start with `prefix`.
 *
 * @since 0.5.0
 * @category constructors
 */
export const under = (prefix: string): KeyRange => ({ prefix, exact: false })

/**
 * One key.
 *
 * @since 0.5.0
 * @category constructors
 */
export const only = (key: string): KeyRange => ({ prefix: key, exact: true })

/**
 * @since 0.5.0
 * @category predicates
 */
export const contains = ({ exact, prefix }: KeyRange, key: string): boolean =>
  exact ? key === prefix : key.startsWith(prefix)

/**
 * Whether there can be a key that is in both ranges.
 *
 * @since 0.5.0
 * @category predicates
 */
export const overlaps = (a: KeyRange, b: KeyRange): boolean => contains(a, b.prefix) || contains(b, a.prefix)

/**
 * @since 0.5.0
 * @category predicates
 */
export const equals = (a: KeyRange, b: KeyRange): boolean => a.prefix === b.prefix && a.exact === b.exact

/** The range with `to` in place of `from`; none where the range is not in `from`. */
const moved = (range: KeyRange, from: string, to: string): Option.Option<KeyRange> =>
  range.prefix.startsWith(from)
    ? Option.some({ ...range, prefix: to + range.prefix.slice(from.length) })
    : Option.none()

/**
 * What a range of the source is at the destination; none for a range that is not in the source prefix.
 *
 * @since 0.5.0
 * @category mapping
 */
export const rename = (
  { destinationPrefix, prefix }: Pick<Mapping, "prefix" | "destinationPrefix">,
  range: KeyRange
): Option.Option<KeyRange> => moved(range, prefix, destinationPrefix)

/**
 * What a range of the destination is at the source; none for a range that is not in the destination prefix.
 *
 * @since 0.5.0
 * @category mapping
 */
export const original = (
  { destinationPrefix, prefix }: Pick<Mapping, "prefix" | "destinationPrefix">,
  range: KeyRange
): Option.Option<KeyRange> => moved(range, destinationPrefix, prefix)

/**
 * A map key: equal for equal ranges only.
 *
 * @since 0.5.0
 * @category text
 */
export const id = ({ exact, prefix }: KeyRange): string => `${exact ? "=" : "<"}${prefix}`
