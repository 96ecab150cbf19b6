/**
 * A part of the key space: all keys that begin with a prefix, or one key alone.
 *
 * @since 0.5.0
 */

/**
 * A range of keys.
 *
 * @since 0.5.0
 * @category models
 */
export interface KeyRange {
  /** The beginning of each key in the range, or the only key. */
  readonly prefix: string
  /** Whether `prefix` is the only key in the range. */
  readonly exact: boolean
}

/**
 * All keys that begin with `prefix`.
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
 * Whether a key is in a range.
 *
 * @since 0.5.0
 * @category predicates
 */
export const contains = ({ exact, prefix }: KeyRange, key: string): boolean =>
  exact ? key === prefix : key.startsWith(prefix)

/**
 * Whether a key can be in both ranges.
 *
 * @since 0.5.0
 * @category predicates
 */
export const overlaps = (a: KeyRange, b: KeyRange): boolean => contains(a, b.prefix) || contains(b, a.prefix)

/**
 * Whether two ranges have the same keys.
 *
 * @since 0.5.0
 * @category predicates
 */
export const equals = (a: KeyRange, b: KeyRange): boolean => a.prefix === b.prefix && a.exact === b.exact

/**
 * A text for each range, as the key of a map: only equal ranges have the same text.
 *
 * @since 0.5.0
 * @category text
 */
export const id = ({ exact, prefix }: KeyRange): string => `${exact ? "=" : "<"}${prefix}`
